"""What an attention map points at, as an input of a cell in place of the map (`RelationalLNMN`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.layers.products import multiply

_STEEPNESS = 4.0  # CLEVR's nearest neighbours in a direction, 0.2 apart, are at tanh(0.8) = 0.66


class Pooled(NamedTuple):
    """The inputs of a pooling cell."""

    attended: tf.Tensor  # sum_p softmax(a)_p x_p of the first map, [batch, 1 or cells, 1, map_dim]
    operands: list[tf.Tensor]  # one for each map, [batch, cells, 1, map_dim]


class Pooling(keras.layers.Layer):
    """W sum_p softmax(a_i)_p x_p + u_i sum_p exp(a_i)_p: features and count of what map i shows.

    A node is symmetric in its operands, but for choose_1 and choose_2. Without W, no node could tell what it
    looks at from what it looks for (Transform of Stack-NMN has the same W). A cell has one W for its maps: a
    thing has the same features whichever map shows it, so the product of two operands is a similarity of two
    things. Counts begin with the map on top, for the other u begin at 0. Else either map may come to hold what
    is counted.

    Args:
        cells: number of cells in the bank.
        num_maps: attention maps that a cell reads, the one on top of the stack first.
        scale: of the first W and u. Small where a map is to come of it, which else would begin as noise,
            not as nothing attended.
    """

    def __init__(self, cells: int, num_maps: int, scale: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.cells, self.num_maps, self.scale = cells, num_maps, scale

    def build(self, input_shape) -> None:
        map_dim = input_shape[-1]
        limit = (3.0 / map_dim) ** 0.5 * self.scale
        uniform = keras.initializers.RandomUniform

        def of_top(shape, dtype=None, **kwargs):
            top = uniform(-limit, limit)([1, *shape[1:]], dtype)
            return tf.concat([top, tf.zeros([shape[0] - 1, *shape[1:]], dtype)], axis=0)

        shape = [self.cells, map_dim, map_dim]
        self.kernel = self.add_weight("kernel", shape, None, uniform(-limit, limit))  # W
        shape = [self.num_maps, self.cells, map_dim]
        self.count_kernel = self.add_weight("count_kernel", shape, None, of_top)  # u_i
        super().build(input_shape)

    def call(self, image: tf.Tensor, maps: Sequence[tf.Tensor]) -> Pooled:
        """Pools.

        Args:
            image: image features in map space, [batch, 1 or cells, positions, map_dim].
            maps: attention maps, log probabilities, each [batch, positions].
        """
        attended, operands = [], []
        for index, attention in enumerate(maps):
            weights = tf.nn.softmax(attention, axis=-1)
            count = tf.reduce_sum(tf.exp(attention), axis=-1)
            attended.append(tf.matmul(weights[:, tf.newaxis, tf.newaxis], image))
            operands.append(
                multiply(attended[-1], self.kernel)
                + count[:, tf.newaxis, tf.newaxis, tf.newaxis]
                * self.count_kernel[index][:, tf.newaxis]
            )
        return Pooled(attended[0], operands)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "cells": self.cells,
            "num_maps": self.num_maps,
            "scale": self.scale,
        }


class Relation(keras.layers.Layer):
    """Log probability that a place stands to what a map shows as the question wants it.

    log sigmoid(v . [tanh(4 (r_p - sum_q softmax(a)_q r_q)) ; softmax(a)_p ; 1]) with v = V c_txt + b: on which
    side of what a shows the place lies, and how much it is that itself. "The red thing left of it" has
    the directions for its left; "another thing of its colour" leaves out the place itself.

    With `likeness`, sum_k (U c_txt)_k x_pk (sum_q softmax(a)_q x_q)_k / sqrt(map_dim) is added within the sigmoid:
    how alike the two are, in features that the words weigh (a dot product scaled as in Vaswani et al., 2017,
    section 3.2.1). Then the whole is multiplied by `opened`, a variable that is 0 while a search asks questions
    without a relation, else 1.

    It is added to a map, as a second condition: a red thing to the right becomes unlikely. Where a node had
    directions among its operands, the things on the other side were less red at best: they were not the
    answer, but were counted. And a thing a little to the left is as much left as one far away.

    Args:
        cells: number of cells in the bank.
        likeness: features are compared, too.
    """

    def __init__(self, cells: int, likeness: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.cells, self.likeness = cells, likeness

    def build(self, input_shape) -> None:
        map_dim = input_shape[-1]
        self.kernel = self.add_weight("kernel", [self.cells, map_dim, 4], None, "zeros")
        if self.likeness:
            shape = [self.cells, map_dim, map_dim]
            self.likeness_kernel = self.add_weight("likeness_kernel", shape, None, "zeros")  # U
            self.opened = self.add_weight("opened", [], None, "ones", trainable=False)
        anywhere = np.tile([0.0, 0.0, 0.0, 1.0], [self.cells, 1])
        self.bias = self.add_weight(
            "bias", [self.cells, 4], None, keras.initializers.Constant(anywhere)
        )
        super().build(input_shape)

    def call(
        self, text: tf.Tensor, attention: tf.Tensor, places: tf.Tensor, image: tf.Tensor
    ) -> tf.Tensor:
        """Relates.

        Args:
            text: c_txt in map space, [batch, 1 or cells, 1, map_dim].
            attention: a, [batch, positions].
            places: r, where each position lies, [batch, positions, 2].
            image: x, image features in map space, [batch, 1 or cells, positions, map_dim].

        Returns:
            [batch, cells, positions].
        """
        weights = tf.nn.softmax(attention, axis=-1)
        seen_from = tf.tanh(_STEEPNESS * (places - tf.matmul(weights[:, tf.newaxis], places)))
        wanted = multiply(text, self.kernel)[:, :, 0] + tf.cast(self.bias, text.dtype)
        sides, itself, constant = tf.split(wanted, [2, 1, 1], axis=-1)  # [batch, cells, ..]
        score = (
            tf.matmul(sides, seen_from, transpose_b=True)
            + itself * weights[:, tf.newaxis]
            + constant
        )
        if self.likeness:
            shown = tf.matmul(weights[:, tf.newaxis, tf.newaxis], image)
            named = multiply(text, self.likeness_kernel) * image.shape[-1] ** -0.5
            score += tf.matmul(named * shown, image, transpose_b=True)[:, :, 0]
            return tf.math.log_sigmoid(score) * tf.cast(self.opened, score.dtype)
        return tf.math.log_sigmoid(score)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"cells": self.cells, "likeness": self.likeness}
