"""The six elementary operators and their learned mixture, the node (paper, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from lnmn_tf.config.names import OPERATORS


def operate(x1: tf.Tensor, x2: tf.Tensor) -> dict[str, tf.Tensor]:
    """What each operator makes of two tensors that broadcast, by its name; each [..., channels]."""
    return {
        "min": tf.minimum(x1, x2),
        "max": tf.maximum(x1, x2),
        "sum": x1 + x2,
        "product": x1 * x2,
        "choose_1": x1,
        "choose_2": x2,
    }


def operator_weights(
    structure: tf.Tensor, hard: bool = False, zeroed: Sequence[str] = ()
) -> tf.Tensor:
    """alpha' = softmax(alpha), the weight of each operator in a node (section 3.1).

    Args:
        structure: alpha, [..., 6], in the order of `OPERATORS`.
        hard: the strongest operator alone, as in row 2 of Table 2.
        zeroed: operators whose contribution is removed, without renormalising (Table 7).

    Returns:
        alpha', [..., 6], in [0, 1].
    """
    if hard:
        weights = tf.one_hot(tf.argmax(structure, axis=-1), len(OPERATORS), dtype=structure.dtype)
    else:
        weights = tf.nn.softmax(structure, axis=-1)
    kept = [0.0 if name in zeroed else 1.0 for name in OPERATORS]
    return weights * tf.constant(kept, weights.dtype)


def node(weights: tf.Tensor, x1: tf.Tensor, x2: tf.Tensor) -> tf.Tensor:
    """O(x1, x2) = a1 min + a2 max + a3 (x1 + x2) + a4 x1 * x2 + a5 x1 + a6 x2 (section 3.1).

    Args:
        weights: alpha' of one node of each cell of a bank, [cells, 6].
        x1: [batch, cells or 1, positions or 1, channels or 1].
        x2: the same, or what broadcasts with `x1`.

    Returns:
        [batch, cells, positions, channels], where a size of 1 broadcasts.
    """
    outputs = operate(x1, x2)
    weights = weights[:, tf.newaxis, tf.newaxis]  # [cells, 1, 1, 6]
    return sum(weights[..., i] * outputs[name] for i, name in enumerate(OPERATORS))


def l2_normalise(x: tf.Tensor) -> tf.Tensor:
    """x / max(||x||_2, 1e-12) over channels, [..., channels]; 0 where x is 0, with gradient 0 there.

    The released program does this after each node, the paper does not. `tf.math.l2_normalize` has its
    floor on the squared norm, which differs for norms below 1e-6.
    """
    return x * inverse_norm(x)


def inverse_norm(x: tf.Tensor) -> tf.Tensor:
    """1 / max(||x||_2, 1e-12) over channels, [..., 1]; 0 where x, [..., channels], is 0."""
    squared = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
    positive = squared > 0.0
    norm = tf.sqrt(tf.where(positive, squared, tf.ones_like(squared)))
    return tf.where(positive, 1.0 / tf.maximum(norm, 1e-12), tf.zeros_like(norm))
