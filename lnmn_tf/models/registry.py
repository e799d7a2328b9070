"""Models by their names; the table is `config/registry.py`, which needs no TensorFlow."""

from __future__ import annotations

import importlib

from lnmn_tf.config.registry import MODELS, Entry, entry, make_config
from lnmn_tf.config.sizes import ModelConfig
from lnmn_tf.models.machine import StackMachine

__all__ = ["MODELS", "Entry", "entry", "make_config", "make_model"]


def make_model(config: ModelConfig) -> StackMachine:
    """The model of a config, as `layers/` and `models/` have it: readable, and slow.

    `lnmn_tf.training.networks.build_network` makes the same one fast.
    """
    module, name = entry(config.model).home.split(":")
    return getattr(importlib.import_module(module), name)(config)
