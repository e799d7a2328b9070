"""What an attention map points at, as an input of a cell in place of the map (dialect `ours`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.layers.products import multiply


class Pooled(NamedTuple):
    """The inputs of a pooling cell."""

    attended: tf.Tensor  # sum_p softmax(a)_p x_p of the first map, [batch, 1 or cells, 1, map_dim]
    operands: list[tf.Tensor]  # one for each map, [batch, cells, 1 or positions, map_dim]


class AlikeInitializer(keras.initializers.Initializer):
    """Uniform in [-limit, limit] and the same along the first axis."""

    def __init__(self, limit: float):
        self.limit = limit

    def __call__(self, shape, dtype=None, **kwargs):
        uniform = keras.initializers.RandomUniform(-self.limit, self.limit)
        return tf.repeat(uniform([1, *shape[1:]], dtype), shape[0], axis=0)

    def get_config(self):
        return {"limit": self.limit}


class Pooling(keras.layers.Layer):
    """W_i sum_p softmax(a_i)_p x_p + u_i sum_p sigmoid(a_i)_p: features and count of what a_i shows.

    With `directions`, V_i [r_p - sum_q softmax(a_i)_q r_q ; softmax(a_i)_p] is added for each place p: where
    it lies from what a_i shows, and how much it is that itself. Then one product of image, operand and
    text says "the red thing left of it" or "another thing of its colour".

    A node is symmetric in its operands, but for choose_1 and choose_2. "Left of" is not: without W and V,
    no node could tell where it looks at from where it looks. (Transform of Stack-NMN has the same W.)
    All W_i begin alike, so that the product of two operands begins as a similarity of two objects.

    Args:
        cells: number of cells in the bank.
        num_maps: attention maps that a cell reads.
        directions: add where each place lies.
    """

    def __init__(self, cells: int, num_maps: int, directions: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.cells, self.num_maps, self.directions = cells, num_maps, directions

    def build(self, input_shape):
        map_dim = input_shape[-1]
        # Small where a map is to come of it, which else would begin as noise, not as nothing attended.
        limit = (3.0 / map_dim) ** 0.5 * (0.25 if self.directions else 1.0)
        uniform = keras.initializers.RandomUniform(-limit, limit)
        shape = [self.num_maps, self.cells, map_dim]
        self.kernel = self.add_weight(
            "kernel", [*shape, map_dim], initializer=AlikeInitializer(limit)
        )
        self.count_kernel = self.add_weight("count_kernel", shape, None, uniform)
        if self.directions:
            self.direction_kernel = self.add_weight(
                "direction_kernel", [self.num_maps, self.cells, 3, map_dim], None, "zeros"
            )
        super().build(input_shape)

    def call(
        self, image: tf.Tensor, maps: Sequence[tf.Tensor], places: tf.Tensor | None = None
    ) -> Pooled:
        """Pools.

        Args:
            image: image features in map space, [batch, 1 or cells, positions, map_dim].
            maps: attention maps, before any sigmoid, each [batch, positions].
            places: r, where each position lies, [batch, positions, 2]; for `directions`.
        """
        attended, operands = [], []
        for index, attention in enumerate(maps):
            weights = tf.nn.softmax(attention, axis=-1)
            count = tf.reduce_sum(tf.sigmoid(attention), axis=-1)
            attended.append(tf.matmul(weights[:, tf.newaxis, tf.newaxis], image))
            operand = (
                multiply(attended[-1], self.kernel[index])
                + count[:, tf.newaxis, tf.newaxis, tf.newaxis]
                * self.count_kernel[index][:, tf.newaxis]
            )
            if self.directions:
                seen_from = places - tf.matmul(weights[:, tf.newaxis], places)
                seen_from = tf.concat([seen_from, weights[..., tf.newaxis]], axis=-1)
                operand += multiply(seen_from[:, tf.newaxis], self.direction_kernel[index])
            operands.append(operand)
        return Pooled(attended[0], operands)

    def get_config(self):
        return super().get_config() | {
            "cells": self.cells,
            "num_maps": self.num_maps,
            "directions": self.directions,
        }
