"""Every model by its name: a new one is a file in `models/`, and an entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lnmn_tf.config.lnmn import LNMNConfig, ReleasedConfig
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
    unknown = set(choices) - set(config.__dataclass_fields__) - {"model"}
    if unknown:
        raise InputError(f"--{sorted(unknown)[0]} is unknown to --model={name}; leave it out")
    return config(**{**choices, "model": ALIASES.get(name, name)})
