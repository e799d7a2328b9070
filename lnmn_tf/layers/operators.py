"""The six elementary operators and their learned mixture, the `node` (paper, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

OPERATORS = ("min", "max", "sum", "product", "choose_1", "choose_2")


def operator_mixture(structure: tf.Tensor, zeroed: Sequence[str] = ()) -> tf.Tensor:
    """alpha' = softmax(alpha), the weight of each operator in a node (section 3.1).

    Args:
        structure: alpha, [..., 6], in the order of `OPERATORS`.
        zeroed: names of operators whose contribution is removed, without renormalising (Table 7).

    Returns:
        [..., 6], in [0, 1].
    """
    mixture = tf.nn.softmax(structure, axis=-1)
    if zeroed:
        kept = [0.0 if name in zeroed else 1.0 for name in OPERATORS]
        mixture *= tf.constant(kept, mixture.dtype)
    return mixture


class Terms(NamedTuple):
    """A node in four terms: first * x1 + second * x2 + minimum * min(x1, x2) + product * x1 * x2."""

    first: tf.Tensor
    second: tf.Tensor
    minimum: tf.Tensor
    product: tf.Tensor


def four_terms(mixture: tf.Tensor) -> Terms:
    """Six operators are four terms, because max = x1 + x2 - min and choose_i = x_i.

    Args:
        mixture: alpha', [..., 6].

    Returns:
        Terms, each [...].
    """
    minimum, maximum, total, product, choose_1, choose_2 = tf.unstack(mixture, axis=-1)
    linear = maximum + total
    return Terms(linear + choose_1, linear + choose_2, minimum - maximum, product)


def node(mixture: tf.Tensor, x1: tf.Tensor, x2: tf.Tensor, normalise: bool = False) -> tf.Tensor:
    """O(x1, x2) = a1 min + a2 max + a3 (x1 + x2) + a4 x1 * x2 + a5 x1 + a6 x2 (section 3.1).

    Args:
        mixture: alpha' of one node of each cell of a bank, [cells, 6].
        x1: [batch, cells or 1, positions, channels or 1].
        x2: the same, or whatever broadcasts with `x1`.
        normalise: divide by the L2 norm over channels, as the authors' code does and the paper does
            not.

    Returns:
        [batch, cells, positions, channels], where a size of 1 broadcasts.
    """
    terms = Terms(*(term[:, tf.newaxis, tf.newaxis] for term in four_terms(mixture)))
    output = (  # a sum with the image times a factor for each place, or for each channel
        (terms.first + terms.product * x2) * x1
        + terms.second * x2
        + terms.minimum * tf.minimum(x1, x2)
    )
    return l2_normalise(output) if normalise else output


def l2_normalise(x: tf.Tensor) -> tf.Tensor:
    """x / max(||x||_2, 1e-12) over the last axis; zero where x is zero, with a zero gradient there.

    `tf.math.l2_normalize` puts its floor on the squared norm instead, which differs for norms below
    1e-6.
    """
    return x * inverse_norm(x)


def inverse_norm(x: tf.Tensor) -> tf.Tensor:
    """1 / max(||x||_2, 1e-12) over the last axis, which is kept; 0 where x is zero."""
    squared = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
    positive = squared > 0.0
    norm = tf.sqrt(tf.where(positive, squared, tf.ones_like(squared)))
    return tf.where(positive, 1.0 / tf.maximum(norm, 1e-12), tf.zeros_like(norm))
