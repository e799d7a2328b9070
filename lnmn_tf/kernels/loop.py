"""A loop whose gradient computes each step again; it equals `layers.loop.loop`.

Inside a step there are maps of [batch, cells, positions, map_dim]; between steps only a state of
[batch, positions, stack_len] and a few vectors. Keeping the states alone and computing each step twice
takes a fraction of the memory, and, since the model is bound by memory traffic, less time as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Nest = Any


def recomputed_loop(
    step: Callable[[tf.Tensor, Nest, Nest], tuple[Nest, Nest]],
    state: Nest,
    sequence: tf.Tensor,
    invariant: Nest,
    record: Nest,
    num_steps: int,
) -> tuple[Nest, Nest]:
    """Equals `layers.loop.loop`; arguments and returns as there. `step` must be deterministic.

    Gradients reach the variables, `state`, `sequence` and `invariant` from the state and the records.
    """
    structure = (state, invariant)
    num_state, num_records = len(tf.nest.flatten(state)), len(tf.nest.flatten(record))

    def run_step(row, *flat):
        new_state, recorded = step(row, *tf.nest.pack_sequence_as(structure, flat))
        return tuple(tf.nest.flatten(new_state)), tuple(tf.nest.flatten(recorded))

    @tf.custom_gradient
    def loop(rows, *flat):
        states, fixed = flat[:num_state], flat[num_state:]
        kept, records, final = _forward(run_step, rows, states, fixed, num_records, num_steps)

        def gradient(*upstream, variables=None):
            variables = list(variables or ())
            of_inputs, of_variables = _backward(
                run_step, rows, kept, fixed, variables, upstream, num_state, num_steps
            )
            return (of_inputs, of_variables) if variables else of_inputs

        return (*final, *records), gradient

    outputs = loop(sequence, *tf.nest.flatten(structure))
    final, records = outputs[:num_state], outputs[num_state:]
    return (
        tf.nest.pack_sequence_as(state, final),
        tf.nest.pack_sequence_as(record, records),
    )


def _forward(run_step, rows, states, fixed, num_records, num_steps):
    """Returns (the states before each step, the records of each step, the last states)."""
    arrays = tuple(tf.TensorArray(rows.dtype, num_steps) for _ in range(len(states) + num_records))

    def body(t, states, arrays):
        new_states, record = run_step(rows[t], *states, *fixed)
        arrays = tuple(a.write(t, x) for a, x in zip(arrays, (*states, *record)))
        return t + 1, new_states, arrays

    _, final, arrays = tf.while_loop(
        lambda t, *_: t < num_steps, body, (0, tuple(states), arrays), maximum_iterations=num_steps
    )
    stacked = [array.stack() for array in arrays]
    return stacked[: len(states)], stacked[len(states) :], final


def _backward(run_step, rows, kept, fixed, variables, upstream, num_state, num_steps):
    """Goes through the steps from last to first, computing each again from the state kept."""
    of_final, of_records = upstream[:num_state], upstream[num_state:]
    totals = [tf.zeros_like(x) for x in [*fixed, *variables]]
    of_rows = tf.TensorArray(rows.dtype, num_steps)

    def body(t, of_states, totals, of_rows):
        row, states = rows[t], [k[t] for k in kept]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            sources = [row, *states, *fixed, *variables]
            tape.watch(sources)
            targets = tf.nest.flatten(run_step(row, *states, *fixed))
        seeds = [*of_states, *(of_record[t] for of_record in of_records)]
        gradients = tape.gradient(targets, sources, seeds, unconnected_gradients="zero")
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        of_rows = of_rows.write(t, gradients[0])
        totals = tuple(total + part for total, part in zip(totals, gradients[1 + num_state :]))
        return t - 1, tuple(gradients[1 : 1 + num_state]), totals, of_rows

    _, of_states, totals, of_rows = tf.while_loop(
        lambda t, *_: t >= 0,
        body,
        (num_steps - 1, tuple(of_final), tuple(totals), of_rows),
        maximum_iterations=num_steps,
    )
    of_fixed, of_variables = totals[: len(fixed)], totals[len(fixed) :]
    return [of_rows.stack(), *of_states, *of_fixed], list(of_variables)
