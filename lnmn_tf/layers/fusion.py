"""How a bank of cells fuses its inputs into one map, and reads that map off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.layers.products import multiply


class Fusion(keras.layers.Layer):
    """The part of a bank that combines image features, attention maps and the textual parameter.

    The fused map, [batch, cells, positions, map_dim], is the largest tensor of the model, and no head
    needs all of it: an attention cell needs a weighted sum over channels, an answer cell a sum over
    space. A subclass may compute these without the map.

    Args:
        cells: number of cells in the bank.
        num_maps: attention maps that a cell reads, 1 (3 inputs) or 2 (4 inputs).

    Call arguments:
        image: image features in map space, [batch, 1 or cells, positions, map_dim].
        text: the textual parameter in map space, [batch, 1 or cells, 1, map_dim].
        maps: what is read from the stack, each [batch, 1, positions, 1], or [batch, 1, 1, map_dim]
            where cells see the attended image features.

    Returns:
        The fused map, [batch, cells, positions, map_dim].
    """

    def __init__(self, cells: int, num_maps: int, **kwargs):
        super().__init__(**kwargs)
        self.cells, self.num_maps = cells, num_maps

    def weigh_channels(
        self, image: tf.Tensor, text: tf.Tensor, maps: Sequence[tf.Tensor], kernel: tf.Tensor
    ) -> tf.Tensor:
        """sum_c kernel_c fused_c, for a kernel [cells, map_dim]: [batch, cells, positions]."""
        return tf.einsum("bkpc,kc->bkp", self(image, text, maps), kernel)

    def sum_positions(
        self, image: tf.Tensor, text: tf.Tensor, maps: Sequence[tf.Tensor]
    ) -> tf.Tensor:
        """sum_p fused_p: [batch, cells, map_dim]."""
        return tf.reduce_sum(self(image, text, maps), axis=2)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"cells": self.cells, "num_maps": self.num_maps}


class Concatenation(Fusion):
    """The ablation of Table 2: all inputs concatenated over channels, then one 1x1 convolution.

    The convolution of a concatenation is the sum of a convolution of each part, so nothing is ever
    broadcast and concatenated in memory.
    """

    def build(self, input_shape) -> None:
        map_dim = input_shape[-1]
        fan_in = 2 * map_dim + self.num_maps
        limit = (6.0 / (fan_in + map_dim)) ** 0.5
        self.kernel = self.add_weight(
            "kernel",
            [self.cells, fan_in, map_dim],
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        self.bias = self.add_weight("bias", [self.cells, map_dim], initializer="zeros")
        super().build(input_shape)

    def call(self, image: tf.Tensor, text: tf.Tensor, maps: Sequence[tf.Tensor]) -> tf.Tensor:
        map_dim = image.shape[-1]
        of_image, of_text, of_maps = tf.split(
            self.kernel, [map_dim, map_dim, self.num_maps], axis=1
        )
        fused = multiply(image, of_image) + multiply(text, of_text)
        for index, attention in enumerate(maps):
            fused += attention * of_maps[:, index, tf.newaxis, :]
        return fused + self.bias[:, tf.newaxis, :]
