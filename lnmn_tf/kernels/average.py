"""The average over modules, kind by kind: equals `models.lnmn.average`.

All cells of a kind write at one place and leave the pointer at one place. So the average of their stacks
is one write of the average of their maps, and no stack of a single module is ever made.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from lnmn_tf.models.kinds import Kind
from lnmn_tf.models.machine import State


def average(
    state: State,
    kinds: Sequence[Kind],
    outputs: Sequence[tf.Tensor],
    weights: Sequence[tf.Tensor],
    no_op: tf.Tensor,
    keeps_memory: bool,
) -> State:
    """Equals `models.lnmn.average`; arguments and returns as there."""
    pointers = [kind.leaves(state.pointer) for kind in kinds]
    averaged = [tf.einsum("bk,bkn->bn", w, x) for w, x in zip(weights, outputs)]
    totals = [tf.reduce_sum(w, axis=-1, keepdims=True) for w in weights]  # [batch, 1]
    writers = [i for i, kind in enumerate(kinds) if not kind.answers]
    answerers = [i for i, kind in enumerate(kinds) if kind.answers]
    stack = state.stack
    if writers:
        overwritten = tf.add_n([totals[i] * pointers[i] for i in writers])
        written = tf.einsum(
            "nbp,nbl->bpl",
            tf.stack([averaged[i] for i in writers]),
            tf.stack([pointers[i] for i in writers]),
        )
        stack = stack * (1.0 - overwritten)[:, tf.newaxis] + written
    memory = tf.add_n([averaged[i] for i in answerers])
    if keeps_memory:
        memory += (1.0 - tf.add_n([totals[i] for i in answerers])) * state.memory
    moved = [total * pointer for total, pointer in zip(totals, pointers)]
    return state._replace(
        stack=stack, pointer=tf.add_n([no_op * state.pointer, *moved]), memory=memory
    )
