"""A batch split over the cores of the machine.

XLA:CPU runs a compiled function on one core. So a batch is cut into as many parts as there are cores,
each in a compiled call of its own.

Its matrix products use a pool of threads, and the small ones of this model spend more time in
waking these threads than in multiplying, twenty times more on a machine that has other work. As the
shards keep all cores busy already, the pool is switched off.

Two of its passes do harm. `tree_reduction_rewriter` cuts a sum in two, so that what is summed is written to
memory first; without it, nodes are computed and summed in one go: answering takes 22 % less time.
`cpu-parallel-task-assigner` lets a loop fork into tasks, for which threads of the other shard are waited
for; without it, training takes a quarter less.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

Batch = dict[str, Any]  # tensors, or nests of them, with a leading batch dimension

# Read by XLA when it compiles for the first time; what the user has set there prevails.
os.environ["XLA_FLAGS"] = (
    "--xla_cpu_multi_thread_eigen=false "
    "--xla_disable_hlo_passes=tree_reduction_rewriter,cpu-parallel-task-assigner "
    f"{os.environ.get('XLA_FLAGS', '')}".strip()
)

M_ARENA_MAX = -8  # of glibc's malloc.h

# glibc gives threads heaps of their own, and what compiling leaves free in one is of no use to others:
# training at the paper's size with a batch of 16 peaks at 1.45 GB with one heap, at 1.57 GB without.
if "MALLOC_ARENA_MAX" not in os.environ:
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


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


class Sharded:
    """A function of a batch, called for each part of it.

    Args:
        function: of a batch.
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
        parts = [tf.split(value, self.shards) for value in tf.nest.flatten(batch)]
        return [self._function(tf.nest.pack_sequence_as(batch, part)) for part in zip(*parts)]

    @property
    def traces(self) -> int:
        """How often it has been traced, and so compiled: once for each shape."""
        return self._function.experimental_get_tracing_count()
