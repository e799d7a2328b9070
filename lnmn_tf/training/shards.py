"""A batch split over the cores of the machine.

XLA:CPU runs a compiled function on one core. So a batch is cut into as many parts as there are cores,
each in a compiled call of its own.

Only its matrix products use a pool of threads, and the small ones of this model spend more time in
waking these threads than in multiplying, twenty times more on a machine that has other work. As the
shards keep all cores busy already, the pool is switched off.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from lnmn_tf.config import ModelConfig

Batch = dict[str, tf.Tensor]

# Read by XLA when it compiles for the first time; what the user has set there prevails.
os.environ["XLA_FLAGS"] = (
    f"--xla_cpu_multi_thread_eigen=false {os.environ.get('XLA_FLAGS', '')}".strip()
)


def shards_for(batch_size: int, wanted: int = 0) -> int:
    """How many equal parts a batch is cut into.

    Args:
        batch_size: examples.
        wanted: parts; 0 = as many as divide the batch and do not exceed the cores, or one where
            there is a GPU, which runs one large call faster than several small ones.
    """
    if wanted:
        return wanted
    if tf.config.list_physical_devices("GPU"):
        return 1
    return max(n for n in range(1, len(os.sched_getaffinity(0)) + 1) if batch_size % n == 0)


def compiles(xla: str, model: ModelConfig) -> bool:
    """Whether XLA compiles a model.

    XLA fuses what LNMN's cells do element by element. Stack-NMN is matrix products, and those of
    TensorFlow (oneDNN) take half the time of XLA's on a CPU.

    Args:
        xla: on, off, or auto: LNMN everywhere, Stack-NMN on a GPU.
        model: its config.
    """
    if xla != "auto":
        return xla == "on"
    return model.model == "lnmn" or bool(tf.config.list_physical_devices("GPU"))


class Sharded:
    """A function of a batch, called for each part of it.

    Args:
        function: of a dict of tensors with a leading batch dimension.
        shards: parts; the batch size must be a multiple.
        xla: compile it.
    """

    def __init__(self, function: Callable[[Batch], Any], shards: int = 1, xla: bool = True):
        self.shards = shards
        self._function = tf.function(function, jit_compile=xla, autograph=False)

    def __call__(self, batch: Batch) -> list[Any]:
        """The results of the parts, in their order."""
        if self.shards == 1:
            return [self._function(batch)]
        parts = {name: tf.split(value, self.shards) for name, value in batch.items()}
        return [
            self._function({name: part[i] for name, part in parts.items()})
            for i in range(self.shards)
        ]

    @property
    def traces(self) -> int:
        """How often it has been traced, and so compiled: once for each shape."""
        return self._function.experimental_get_tracing_count()
