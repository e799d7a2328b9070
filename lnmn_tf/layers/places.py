"""What is known of the positions of a map before any question, and which of them modules look at."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from lnmn_tf.layers.encoders import coordinates

_LEAST_PRESENCE = 1e-3  # of an object, where the encoder sees none


class Places(NamedTuple):
    """What is known of each position."""

    where: tf.Tensor  # as wide as a normalised channel, -2 to 2, [batch, positions, 2]
    presence: tf.Tensor  # log probability that an object is there, [batch, positions]


def places_on_map(features: tf.Tensor) -> Places:
    """Rows and columns of features [batch, H, W, C]; an object may be anywhere."""
    batch, (height, width) = tf.shape(features)[0], features.shape[1:3]
    grid = 2.0 * coordinates(height, width)[..., :2].reshape(height * width, 2)
    return Places(
        tf.broadcast_to(tf.constant(grid, features.dtype), [batch, *grid.shape]),
        tf.zeros([batch, height * width], features.dtype),
    )


def places_as_seen(features: tf.Tensor) -> Places:
    """As an `ImageEncoder` with groups says in its features [batch, H, W, C]."""
    said = _flat(features)
    return Places(said[..., -2:], tf.math.log(tf.maximum(said[..., 0], _LEAST_PRESENCE)))


def likeliest(features: tf.Tensor, count: int) -> tf.Tensor:
    """The positions where such an encoder sees an object most likely: int32 [batch, count]."""
    presence = _flat(features)[..., 0]
    return tf.math.top_k(presence, min(count, presence.shape[1])).indices


def pick(features: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Features of chosen positions, as a map of one row: [batch, 1, count, C]."""
    return tf.gather(_flat(features), chosen, axis=1, batch_dims=1)[:, tf.newaxis]


def spread(maps: tf.Tensor, chosen: tf.Tensor, positions: int) -> tf.Tensor:
    """Maps of chosen positions as maps of all, with the least of them where no module looked.

    Args:
        maps: [batch, steps, count, slots].
        chosen: int32 [batch, count].
        positions: of the whole map.

    Returns:
        [batch, steps, positions, slots].
    """
    least = tf.reduce_min(maps, axis=2, keepdims=True)
    chosen = tf.one_hot(chosen, positions, dtype=maps.dtype)
    return tf.einsum("btkl,bkp->btpl", maps - least, chosen) + least


def _flat(features: tf.Tensor) -> tf.Tensor:
    """[batch, height * width, channels] of [batch, height, width, channels]."""
    _, height, width, channels = features.shape
    return tf.reshape(features, [-1, height * width, channels])
