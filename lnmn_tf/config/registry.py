"""Every model by its name: a new one is a file in `models/`, and an entry here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lnmn_tf.config.lnmn import LNMNConfig, ReleasedConfig
from lnmn_tf.config.option import label
from lnmn_tf.config.relational import RelationalConfig
from lnmn_tf.config.sizes import ModelConfig
from lnmn_tf.config.stack_nmn import StackNMNConfig, StackNMNForVQAConfig
from lnmn_tf.errors import InputError


@dataclass(frozen=True)
class Entry:
    """A model.

    Attributes:
        config: its config, a subclass of `ModelConfig`.
        home: "module:class"; imported when a network is made, for TensorFlow takes seconds to load.
        training: fields of `TrainingConfig` that it presets.
    """

    config: type[ModelConfig]
    home: str
    training: Mapping[str, Any] = field(default_factory=dict)


# Section 4; Adam's coupled decay is PyTorch's, which the authors' program uses.
PAPER = {
    "structure_learning_rate": 3e-4,
    "structure_weight_decay": 1e-3,
    "structure_decay": "coupled",
    "sparsity": 1.0,
    "entropy_weight": 1.0,
}
RELATIONAL = {
    "structure_learning_rate": 2e-2,
    "structure_weight_decay": 0.1,
    "sparsity": 0.0,
    "entropy_weight": 0.05,
    "search_share": 0.2,
    "choose_share": 0.3,
}
NO_ENTROPY = {"entropy_schedule": "none"}
MODELS = {
    "relational": Entry(RelationalConfig, "lnmn_tf.models.relational:RelationalLNMN", RELATIONAL),
    "paper": Entry(LNMNConfig, "lnmn_tf.models.lnmn:LNMN", {**PAPER, "entropy_schedule": "paper"}),
    "released": Entry(
        ReleasedConfig,
        "lnmn_tf.models.lnmn:ReleasedLNMN",
        {**PAPER, "entropy_schedule": "released"},
    ),
    "stack_nmn": Entry(StackNMNConfig, "lnmn_tf.models.stack_nmn:StackNMN", NO_ENTROPY),
    "stack_nmn_vqa": Entry(
        StackNMNForVQAConfig,
        "lnmn_tf.models.stack_nmn:StackNMNForVQA",
        {**NO_ENTROPY, "l2": 1e-5},
    ),
}
ALIASES = {"ours": "relational"}

# --preset: fields of the model and of its training. What the model has not is left out, and what is given
# beside it wins.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},  # the defaults
    "stack_nmn": {"model": "stack_nmn", "clip_norm": 8.0, "ema_decay": 0.999},  # their config.py
    "quickstart": {  # sizes for the embedded world, and the course of a training of minutes
        "embed_dim": 32,
        "text_dim": 64,
        "kb_dim": 32,
        "map_dim": 32,
        "mem_dim": 64,
        "mlp_dim": 128,
        "num_steps": 5,
        "stack_len": 4,
        "warmup_steps": 200,
        "decay": "linear",
        "decay_start": 0.7,
        "final_learning_rate": 0.02,
        "clip_norm": 5.0,
        "ema_decay": 0.998,
    },
}
# What another --data_format than CLEVR's presets of the training.
DATA_TRAINING = dict.fromkeys(("vqa_v1", "vqa_v2"), {"answer_loss": "sigmoid"})


def entry(name: str) -> Entry:
    """The entry of a model, by its name or an alias.

    Raises:
        InputError: no model has that name.
    """
    name = ALIASES.get(name, name)
    if name not in MODELS:
        known = ", ".join([*MODELS, *ALIASES])
        raise InputError(f"--model is {name!r}; expected one of: {known}")
    return MODELS[name]


def make_config(name: str, **choices) -> ModelConfig:
    """The config of a model.

    Raises:
        InputError: a wrong value, or a choice that another model has and this one has not.
    """
    config = entry(name).config
    unknown = sorted(set(choices) - set(config.__dataclass_fields__) - {"model"})
    if unknown:
        raise InputError(f"{_label_of(unknown[0])} is unknown to --model={name}; leave it out")
    return config(**{**choices, "model": ALIASES.get(name, name)})


def model_fields() -> dict[str, dataclasses.Field]:
    """The fields of every model's config by name; of a name that several have, the first one's."""
    fields = {}
    configs: list[type[ModelConfig]] = [ModelConfig, *(model.config for model in MODELS.values())]
    for config in configs:
        for found in dataclasses.fields(config):
            fields.setdefault(found.name, found)
    return fields


def _label_of(name: str) -> str:
    """A field of some model as errors name it."""
    fields = model_fields()
    return label(fields[name]) if name in fields else name


def preset(name: str, model: str = "") -> dict[str, Any]:
    """The fields that a preset sets, by name.

    Args:
        name: "" sets none.
        model: whose fields; "" = the preset's, or ours.

    Raises:
        InputError: no such preset or model.
    """
    if not name:
        return {}
    if name not in PRESETS:
        raise InputError(f"--preset is {name!r}; expected one of: {', '.join(PRESETS)}")
    chosen = dict(PRESETS[name])
    own = entry(model or chosen.get("model", RelationalConfig.model)).config.__dataclass_fields__
    return {k: v for k, v in chosen.items() if k in own or k not in model_fields()}
