"""Stack-NMN's config, with its names, as our `StackNMNConfig`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union

import numpy as np

from lnmn_tf.config.names import STACK_NMN_MODULES
from lnmn_tf.config.stack_nmn import StackNMNConfig
from lnmn_tf.errors import InputError
from lnmn_tf.interop.weights import Weights

Settings = Union[Mapping[str, Any], str, os.PathLike]


def read_settings(config: Settings) -> dict[str, Any]:
    """The config with `MODEL` in it, from any form that `load_snmn` takes."""
    if isinstance(config, np.ndarray) and config.ndim == 0:  # text in an .npz
        config = config.item()
    if isinstance(config, (str, os.PathLike)):
        text, place = str(config), "the config of Stack-NMN"
        if not text.lstrip().startswith("{"):
            place = text
            try:
                text = Path(config).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{place}: not a readable file of JSON ({error})") from error
        try:
            config = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{place}: not JSON ({error})") from error
    if not isinstance(config, Mapping):
        raise InputError(
            f"the config of Stack-NMN is a {type(config).__name__}; expected a mapping, JSON, or the "
            "path of a JSON file"
        )
    return dict(config) if "MODEL" in config else {"MODEL": dict(config)}


def _setting(settings: Mapping[str, Any], path: str, default):
    """settings["A"]["B"] for the path "A.B", or the default; checks the type."""
    value = settings
    for key in path.split("."):
        if not isinstance(value, Mapping):
            raise InputError(
                f"the config of Stack-NMN has {value!r} above {path}; expected a mapping"
            )
        if key not in value:
            return default
        value = value[key]
    kinds = (int, float) if isinstance(default, float) else type(default)
    if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool):
        raise InputError(
            f"the config of Stack-NMN has {path} = {value!r}; expected something like {default!r}"
        )
    return value


def config_of(arrays: Weights, settings: Mapping[str, Any]) -> StackNMNConfig:
    """Sizes from the arrays, switches from the settings.

    Raises:
        InputError: the settings ask for what we do not have, or contradict the arrays.
        KeyError: an array is missing.
    """

    def model(path, default):
        return _setting(settings, f"MODEL.{path}", default)

    if model("CTRL.USE_GUMBEL_SOFTMAX", False):
        raise InputError("CTRL.USE_GUMBEL_SOFTMAX is true; we have no Gumbel softmax")
    if not model("CTRL.NORMALIZE_ATT", True):
        raise InputError("CTRL.NORMALIZE_ATT is false; our word attention is always normalised")
    steps = sum(bool(re.fullmatch(r"controller/fc_q_\d+/weights", name)) for name in arrays)
    num_steps = model("T_CTRL", steps)
    if steps != num_steps:
        raise InputError(f"T_CTRL is {num_steps}, but the weights have {steps} controller/fc_q_*")
    text_dim = arrays["controller/fc_cq/weights"].shape[1]
    linear = model("CTRL.LINEAR_MODULE_WEIGHTS", False)
    classify_question = model("VQA_OUTPUT_USE_QUESTION", True)
    classifier = arrays[f"output_unit/{hidden_name(classify_question)}/weights"]
    keeps = [
        name
        for name in ("describe_one", "describe_two")
        if model(f"NMN.{name.upper()}.KEEP_STACK", False)
    ]
    return StackNMNConfig(
        num_words=arrays["input_unit/embed_mat"].shape[0],
        num_answers=arrays["output_unit/fc2/weights"].shape[1],
        embed_dim=arrays["input_unit/embed_mat"].shape[1],
        text_dim=text_dim,
        kb_dim=arrays["kb_batch/conv2/weights"].shape[3],
        mem_dim=classifier.shape[0] - (text_dim if classify_question else 0),
        mlp_dim=classifier.shape[1],
        num_steps=num_steps,
        stack_len=model("NMN.STACK.LENGTH", 4),
        module_mlp_dim=0 if linear else arrays["controller/fc_module_w_layer1/weights"].shape[1],
        pointer_temperature=float(model("NMN.STACK.SOFT_SHARPEN_TEMP", 0.2)),
        hard_pointer=model("NMN.STACK.USE_HARD_SHARPEN", True),
        saturate_pointer=model("NMN.STACK.GUARD_STACK_PTR", False),
        attend_embeddings=model("CTRL.USE_WORD_EMBED", False),
        hard_layout=model("CTRL.USE_HARD_ARGMAX_LAYOUT", False),
        validate_modules=model("NMN.VALIDATE_MODULES", False),
        hard_validation=model("NMN.HARD_MODULE_VALIDATION", False),
        keep_stack=tuple(keeps),
        classify_question=classify_question,
        dropout=1.0 - _setting(settings, "TRAIN.DROPOUT_KEEP_PROB", 0.85),
        position_channels=model("PE_DIM", 128),
        modules=_modules(settings),
    )


def hidden_name(classify_question: bool) -> str:
    """Of the classifier's first layer."""
    return "fc1" if classify_question else "fc1_wo_q"


def _modules(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Our names of the modules, in the original's order: "_DescribeOne" is "describe_one"."""
    ours = {original_name(name): name for name in STACK_NMN_MODULES}
    names = settings.get("module_names") or list(ours)
    unknown = [name for name in names if f"_{str(name).lstrip('_')}" not in ours]
    if unknown:
        raise InputError(f"module_names has {unknown}; expected some of {list(ours)}")
    return tuple(ours[f"_{name.lstrip('_')}"] for name in names)


def original_name(name: str) -> str:
    """Of a module: "describe_one" is "_DescribeOne"."""
    return "_" + "".join(part.capitalize() for part in name.split("_"))
