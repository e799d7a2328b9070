"""Every choice that a run is made of, as frozen dataclasses; validated when they are made."""

from lnmn_tf.config.data import DataConfig
from lnmn_tf.config.export import ExportConfig
from lnmn_tf.config.machine import MachineConfig
from lnmn_tf.config.names import OPERATORS, STACK_NMN_MODULES
from lnmn_tf.config.run import RunConfig
from lnmn_tf.config.sizes import ModelConfig
from lnmn_tf.config.training import TrainingConfig
from lnmn_tf.config.world import WorldConfig

__all__ = [
    "OPERATORS",
    "STACK_NMN_MODULES",
    "DataConfig",
    "ExportConfig",
    "MachineConfig",
    "ModelConfig",
    "RunConfig",
    "TrainingConfig",
    "WorldConfig",
]
