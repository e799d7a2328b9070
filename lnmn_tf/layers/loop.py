"""The loop over the steps of Algorithm 1, as a `tf.while_loop`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Nest = Any


def loop(
    step: Callable[[tf.Tensor, Nest, Nest], tuple[Nest, Nest]],
    state: Nest,
    sequence: tf.Tensor,
    invariant: Nest,
    record: Nest,
    num_steps: int,
) -> tuple[Nest, Nest]:
    """Runs `state, record = step(sequence[t], state, invariant)` for t = 0 .. num_steps - 1.

    Args:
        step: a function of tensors and of trainable variables.
        state: tensors whose shapes do not change from step to step.
        sequence: [num_steps, ...], a row for each step.
        invariant: tensors that all steps see.
        record: the structure of what a step records; its leaves are not looked at.
        num_steps: T, known when the graph is built, as XLA wants.

    All tensors, records included, have the floating-point type of `sequence`.

    Returns:
        The last state, and the records with a leading axis of `num_steps`.
    """
    arrays = tuple(tf.TensorArray(sequence.dtype, num_steps) for _ in tf.nest.flatten(record))

    def body(t, state, arrays):
        state, recorded = step(sequence[t], state, invariant)
        recorded = tf.nest.flatten(recorded)
        return t + 1, state, tuple(a.write(t, x) for a, x in zip(arrays, recorded))

    _, state, arrays = tf.while_loop(
        lambda t, *_: t < num_steps, body, (0, state, arrays), maximum_iterations=num_steps
    )
    return state, tf.nest.pack_sequence_as(record, [array.stack() for array in arrays])
