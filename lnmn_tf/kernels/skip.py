"""Kinds of modules that no example of the batch needs do not run: equals `models.lnmn.LNMN.run`.

What they would make is multiplied by module weights that are all zero, for they are below a threshold (`LNMN.allowed`)
or a machine that grows has them closed at this step (`models.growth.Growth`): its last step only answers, and no other does.
"""

from __future__ import annotations

import tensorflow as tf

from lnmn_tf.models.kinds import Kind
from lnmn_tf.models.lnmn import LNMN
from lnmn_tf.models.machine import State


class Skip:
    """Runs a bank only where one of its modules has a weight above zero.

    Args:
        network: whose `run` it stands for.
    """

    def __init__(self, network: LNMN):
        self._network, self._run = network, network.run

    def __call__(self, kind: Kind, image, text, state: State, module_weights) -> tf.Tensor:
        """Arguments and returns as in `LNMN.run`, but zeros where no module is wanted."""
        if not self._network.banks[kind.bank_name].built:  # variables cannot be made in a branch
            return self._run(kind, image, text, state, module_weights)
        return tf.cond(
            tf.reduce_any(module_weights > 0.0),
            lambda: self._run(kind, image, text, state, module_weights),
            lambda: self._nothing(kind, state),
        )

    @staticmethod
    def _nothing(kind: Kind, state: State) -> tf.Tensor:
        like = state.memory if kind.answers else state.stack[..., 0]
        return tf.repeat(tf.zeros_like(like)[:, tf.newaxis], kind.cells, axis=1)
