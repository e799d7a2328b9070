"""What a machine can do, and what the model asks of it."""

from __future__ import annotations

import os
import platform
import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lnmn_tf.config import ModelConfig
from lnmn_tf.config.lnmn import LNMNConfig
from lnmn_tf.config.relational import RelationalConfig

MATRIX = 2048  # rows and columns of the product that is timed
STREAM = 2**26  # floats of the array that is copied: 256 MB, more than any cache


def measure_machine(repeats: int = 7) -> dict:
    """Peak of matrix products (float32, all cores) and of memory traffic (reading plus writing)."""
    matrix = tf.random.normal([MATRIX, MATRIX])
    multiply = tf.function(lambda x: tf.reduce_sum(tf.matmul(x, x)))
    source, target = np.ones(STREAM, np.float32), np.empty(STREAM, np.float32)
    product = _fastest(lambda: float(multiply(matrix)), repeats)
    copy = _fastest(lambda: np.copyto(target, source), repeats)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.processor() or platform.machine(),
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "tensorflow": tf.__version__,
        "load": os.getloadavg()[0],
        "flops_per_second": 2.0 * MATRIX**3 / product,
        "bytes_per_second": 2.0 * source.nbytes / copy,
    }


def _fastest(call, repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


class Cost(NamedTuple):
    """The least that an example asks of a machine."""

    flops: float
    bytes: float

    def seconds(self, machine: dict) -> float:
        """The roofline: no run is faster than its arithmetic or its traffic."""
        return max(
            self.flops / machine["flops_per_second"], self.bytes / machine["bytes_per_second"]
        )


def least_cost(
    config: ModelConfig, map_shape: tuple[int, int, int], words: int, training: bool
) -> Cost:
    """Arithmetic and memory traffic of one example, if nothing is computed or moved twice.

    Arithmetic: the matrix products (knowledge base, projections, LSTM, controller, heads) and, for
    LNMN, ten operations for each cell, position and channel of a step. Traffic: the features once, and
    the map of the image once a step, for all modules; weights are shared by a batch and left out. A
    training step is a forward and a backward pass, which costs twice as much, for the weights and, in
    LNMN, for the structure as well.
    """
    height, width, channels = map_shape
    positions, c = height * width, config
    half = c.text_dim // 2
    products = positions * (channels * c.kb_dim + c.kb_dim**2)
    products += 2 * words * 4 * half * (c.embed_dim + half)
    products += (c.text_dim + c.mem_dim) * c.mlp_dim + c.mlp_dim * c.num_answers
    controller = 3 * c.text_dim**2 + 2 * words * c.text_dim
    if isinstance(c, LNMNConfig):
        products += positions * c.kb_dim * c.map_dim
        step, map_dim = _cells(c, positions), c.map_dim
    else:
        step, map_dim = _handcrafted(c, positions), c.kb_dim
    flops = 2.0 * (products + c.num_steps * (controller + step))
    traffic = 4.0 * positions * (channels + c.num_steps * map_dim)
    passes = (6.0 if isinstance(c, LNMNConfig) else 3.0) if training else 1.0
    return Cost(passes * flops, passes * traffic)


def _cells(c: LNMNConfig, positions: int) -> float:
    """Multiplications of the generic cells in a step."""
    answers = c.answer_3 + c.answer_4
    maps = c.attention_3 + c.attention_4 + (0 if isinstance(c, RelationalConfig) else answers)
    heads = answers * (2 * c.map_dim + c.mem_dim) * c.mem_dim
    return c.text_dim * c.map_dim + heads + 5.0 * maps * positions * c.map_dim


def _handcrafted(c: ModelConfig, positions: int) -> float:
    """Multiplications of Stack-NMN's modules in a step: two that score (products and their norms), two
    maps that are attended, and two that describe."""
    describe = c.text_dim * c.kb_dim + (c.text_dim + c.mem_dim + c.kb_dim) * c.mem_dim
    return 2.0 * (c.text_dim * c.kb_dim + 3 * positions * c.kb_dim + describe)
