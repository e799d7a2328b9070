"""A node in four terms, which equals `layers.operators.node` of six.

max(x1, x2) = x1 + x2 - min(x1, x2), and choose_i(x1, x2) = x_i; so

    O(x1, x2) = A x1 + B x2 + C min(x1, x2) + D x1 * x2.

The model is bound by memory, and a node writes four maps then, not six.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Terms(NamedTuple):
    """A, B, C and D of a node."""

    first: tf.Tensor
    second: tf.Tensor
    minimum: tf.Tensor
    product: tf.Tensor


def four_terms(weights: tf.Tensor) -> Terms:
    """A, B, C and D, each [...], of alpha' [..., 6]."""
    minimum, maximum, total, product, choose_1, choose_2 = tf.unstack(weights, axis=-1)
    linear = maximum + total
    return Terms(linear + choose_1, linear + choose_2, minimum - maximum, product)


def node(weights: tf.Tensor, x1: tf.Tensor, x2: tf.Tensor) -> tf.Tensor:
    """Equals `layers.operators.node`; arguments and shapes as there."""
    terms = Terms(*(term[:, tf.newaxis, tf.newaxis] for term in four_terms(weights)))
    return (  # a sum with the image times a factor for each place, or for each channel
        (terms.first + terms.product * x2) * x1
        + terms.second * x2
        + terms.minimum * tf.minimum(x1, x2)
    )
