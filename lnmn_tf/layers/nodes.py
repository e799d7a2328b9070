"""The nodes of a generic cell, one after the other (paper, sections 3.1.1 and 3.1.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config.names import OPERATORS
from lnmn_tf.layers.fusion import Fusion
from lnmn_tf.layers.operators import l2_normalise, node, operator_weights

LEAST_ALPHA = -30.0  # beneath the largest: softmax(alpha) is one operator to the last bit


def beneath_largest(structure: tf.Tensor) -> tf.Tensor:
    """alpha less its largest entry, which softmax(alpha) does not see, and not below `LEAST_ALPHA`.

    alpha is [cells, nodes, 6], and so is the result. So alpha can grow until each node has chosen, and no further.
    """
    largest = tf.reduce_max(structure, axis=-1, keepdims=True)
    return tf.maximum(structure - largest, LEAST_ALPHA)


def chosen(structure: tf.Tensor) -> tf.Tensor:
    """alpha, [cells, nodes, 6], of the same strongest operators, each node being that one alone."""
    strongest = tf.one_hot(
        tf.argmax(structure, axis=-1), structure.shape[-1], dtype=structure.dtype
    )
    return LEAST_ALPHA * (1.0 - strongest)


class NodeChain(Fusion):
    """The nodes of the cells of a bank.

        3 inputs: O_2(O_1(image, a), text)
        4 inputs: O_3(O_2(image, O_1(a1, a2)), text)

    The operands stand in the order of the authors' program; choose_1 and choose_2 depend on it.

    Args:
        cells, num_maps: see `Fusion`.
        normalise: L2-normalise over channels after each node, as the released program does.
        hard: each node is its strongest operator alone (inference).
        zeroed: operators whose contribution is removed (inference).
        stddev: of the first alpha, N(0, stddev^2); 1 in the paper.
        constraint: what is made of alpha after each step of its optimizer, such as `beneath_largest`.
        without: for each node, operators that it may not become: their alpha is `LEAST_ALPHA` from the start.
            Empty = every node may become any.

    Raises:
        ValueError: an unknown operator is zeroed or left out.
    """

    def __init__(
        self,
        cells: int,
        num_maps: int,
        normalise: bool = False,
        hard: bool = False,
        zeroed: Sequence[str] = (),
        stddev: float = 1.0,
        constraint: Callable[[tf.Tensor], tf.Tensor] | None = None,
        without: Sequence[Sequence[str]] = (),
        **kwargs,
    ):
        super().__init__(cells, num_maps, **kwargs)
        left_out = [name for operators in without for name in operators]
        for name, operators in (("zeroed", zeroed), ("left out", left_out)):
            unknown = set(operators) - set(OPERATORS)
            if unknown:
                raise ValueError(f"{name} operators {sorted(unknown)} are not among {OPERATORS}")
        self.normalise, self.hard, self.zeroed, self.stddev = normalise, hard, tuple(zeroed), stddev
        self.constraint = constraint
        self.without = tuple(tuple(operators) for operators in without)

    def build(self, input_shape) -> None:
        normal = keras.initializers.RandomNormal(stddev=self.stddev)
        initializer, constraint = normal, self.constraint
        if self.without:

            def initializer(shape, dtype=None, **kwargs):
                return self._leave_out(normal(shape, dtype))

            def constraint(structure):
                return self._leave_out(self.constraint(structure) if self.constraint else structure)

        shape = [self.cells, self.num_maps + 1, len(OPERATORS)]
        self.structure = self.add_weight(  # alpha
            "structure", shape, None, initializer, constraint=constraint
        )
        super().build(input_shape)

    def _leave_out(self, structure: tf.Tensor) -> tf.Tensor:
        """alpha with the operators that are left out as far down as they go."""
        if not self.without:
            return structure
        left_out = np.stack([np.isin(OPERATORS, operators) for operators in self.without])
        return tf.where(left_out, LEAST_ALPHA, structure)

    def begin_alike(self) -> None:
        """Makes alpha 0: every operator that a node may become has the same weight."""
        self.structure.assign(self._leave_out(tf.zeros_like(self.structure)))

    def operator_weights(self, structure: tf.Tensor) -> tf.Tensor:
        """alpha' of every node, [cells, nodes, 6]."""
        return operator_weights(structure, self.hard, self.zeroed)

    def strongest(self) -> list[list[str]]:
        """The strongest operator of each node of each cell, as the structure is now."""
        with tf.init_scope():  # outside of any graph that is being traced
            indices = np.argmax(self.structure.numpy(), axis=-1)
        return [[OPERATORS[index] for index in cell] for cell in indices]

    def call(self, image: tf.Tensor, text: tf.Tensor, maps: Sequence[tf.Tensor]) -> tf.Tensor:
        """The fused map, [batch, cells, positions, map_dim]; arguments as in `Fusion`."""
        *of_maps, of_image, of_text = tf.unstack(self.operator_weights(self.structure), axis=1)
        fused = maps[0]
        if self.num_maps == 2:
            fused = self._node(of_maps[0], maps[0], maps[1])
        fused = self._node(of_image, image, fused)
        return self._node(of_text, fused, text)

    def _node(self, weights: tf.Tensor, x1: tf.Tensor, x2: tf.Tensor) -> tf.Tensor:
        fused = node(weights, x1, x2)
        return l2_normalise(fused) if self.normalise else fused

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "normalise": self.normalise,
            "hard": self.hard,
            "zeroed": self.zeroed,
            "stddev": self.stddev,
            "without": self.without,
        }
