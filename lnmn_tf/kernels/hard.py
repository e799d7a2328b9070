"""Nodes of one operator each, put together when the graph is built: no mixture, no dead branches.

Products, sums and choices of an image with maps and vectors never need the fused map, [positions,
channels]: what they make of it is a sum of terms that are products of a map, a vector and the image,
and its weighed sums are matrix-vector products with the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Union

import tensorflow as tf

from lnmn_tf.layers.operators import l2_normalise, operate

Factor = Union[tf.Tensor, float]


class Term(NamedTuple):
    """map_p vector_c, times the image x_pc where `image` says so."""

    map: Factor  # [batch, positions or 1, 1]
    vector: Factor  # [batch, 1, channels]
    image: bool

    @classmethod
    def of(cls, operand: tf.Tensor) -> Term:
        """A map, [batch, positions, 1], or a vector, [batch, 1, channels]."""
        return cls(operand, 1.0, False) if operand.shape[-1] == 1 else cls(1.0, operand, False)

    def times(self, operand: tf.Tensor) -> Term:
        """The product with a map, [batch, positions, 1], or a vector, [batch, 1, channels]."""
        if operand.shape[-1] == 1:
            return self._replace(map=self.map * operand)
        return self._replace(vector=self.vector * operand)


class HardCell:
    """The fused map of one cell, as a sum of terms.

    Args:
        image: x, [batch, positions, channels].
        terms: of the fused map; none = zero.
        given: x is what the model was given, and lies in memory; else it is computed anew wherever it
            is summed, which XLA does without writing it down (a matrix product would).
    """

    def __init__(
        self,
        image: tf.Tensor,
        terms: Sequence[Term] = (Term(1.0, 1.0, True),),
        given: bool = True,
    ):
        self.image, self.terms, self.given = image, list(terms), given

    def operate(self, operator: str, operand: tf.Tensor) -> HardCell:
        """O(this, operand), for a map [batch, positions, 1], a vector [batch, 1, channels], or both."""
        if operator in ("min", "max") or 1 not in operand.shape[1:]:
            return HardCell(operate(self.fused(), operand)[operator], given=False)
        terms = {
            "sum": [*self.terms, Term.of(operand)],
            "product": [term.times(operand) for term in self.terms],
            "choose_1": self.terms,
            "choose_2": [Term.of(operand)],
        }
        return HardCell(self.image, terms[operator], self.given)

    def normalise(self) -> HardCell:
        """Divided by its L2 norm over channels."""
        if not self.terms:
            return self
        if len(self.terms) > 1:
            return HardCell(l2_normalise(self.fused()), given=False)
        (term,) = self.terms
        # ||m_p v_c x_pc|| = |m_p| sqrt(sum_c v_c^2 x_pc^2)
        squared = tf.square(term.map) * self._weigh(term, tf.square, 1.0)[..., tf.newaxis]
        norm = tf.sqrt(tf.where(squared > 0.0, squared, tf.ones_like(squared)))
        scale = tf.where(squared > 0.0, term.map / tf.maximum(norm, 1e-12), 0.0)
        return HardCell(self.image, [term._replace(map=scale)], self.given)

    def fused(self) -> tf.Tensor:
        """The map itself, [batch, positions, channels]."""
        total = tf.zeros_like(self.image)
        for term in self.terms:
            total += term.map * term.vector * (self.image if term.image else 1.0)
        return total

    def weigh_channels(self, kernel: tf.Tensor) -> tf.Tensor:
        """sum_c kernel_c fused_pc for a kernel [channels]: [batch, positions]."""
        total = tf.zeros_like(self.image[..., 0])
        for term in self.terms:
            weighed = self._weigh(term, tf.identity, kernel)
            total += (term.map * weighed[..., tf.newaxis])[..., 0]
        return total

    def sum_positions(self) -> tf.Tensor:
        """sum_p fused_pc: [batch, channels]."""
        ones = tf.ones_like(self.image[..., :1])
        total = tf.zeros_like(self.image[:, 0])
        for term in self.terms:
            weights = (term.map * ones)[..., 0]  # [batch, positions]
            if term.image:
                summed = tf.linalg.matvec(self.image, weights, transpose_a=True)[:, tf.newaxis]
            else:
                summed = tf.reduce_sum(weights, axis=-1)[:, tf.newaxis, tf.newaxis]
            total += (term.vector * summed)[:, 0]
        return total

    def _weigh(self, term: Term, power, kernel) -> tf.Tensor:
        """sum_c power(vector_c) kernel_c power(x_pc): [batch, positions], or [batch, 1] without x."""
        ones = tf.ones_like(self.image[:, :1])
        weights = (power(term.vector * ones) * kernel)[:, 0]  # [batch, channels]
        if term.image and self.given:
            return tf.linalg.matvec(power(self.image), weights)
        if term.image:
            return tf.reduce_sum(power(self.image) * weights[:, tf.newaxis], axis=-1)
        return tf.reduce_sum(weights, axis=-1, keepdims=True)


def hard_cell(
    operators: Sequence[str],
    image: tf.Tensor,
    text: tf.Tensor,
    maps: Sequence[tf.Tensor],
    normalise: bool = False,
    zeroed: Sequence[str] = (),
) -> HardCell:
    """The chain of nodes of one cell; see `NodeChain`.

    Args:
        operators: of its nodes, from first to last.
        image: [batch, positions, channels].
        text: [batch, 1, channels].
        maps: one or two, each [batch, positions, 1] or [batch, 1, channels].
        normalise: L2-normalise after each node.
        zeroed: operators that contribute nothing.
    """
    first, *rest = operators if len(maps) == 2 else ("choose_1", *operators)
    operand = maps[0]
    if len(maps) == 2:
        operand = operate(*maps)[first]
        operand = tf.zeros_like(operand) if first in zeroed else operand
        operand = l2_normalise(operand) if normalise else operand
    cell = HardCell(image)
    for operator, other in zip(rest, (operand, text)):
        cell = HardCell(image, []) if operator in zeroed else cell.operate(operator, other)
        cell = cell.normalise() if normalise else cell
    return cell
