"""Banks of generic cells (paper, sections 3.1.1 and 3.1.2, Figures 1, 2, 6 and 7).

Cells of one kind differ in their weights alone, so one layer, a *bank*, holds them all with a leading
axis `cells`. A cell fuses its inputs (image features, one or two attention maps, the textual
parameter) into one feature map and then reads that off with a head: a 1x1 convolution to a new
attention map, or a sum over space and a linear layer to new memory features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.layers.fusion import Fusion
from lnmn_tf.layers.products import multiply


def glorot_of_cell(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """Glorot's uniform initializer for kernels with a leading axis of cells."""
    limit = (6.0 / (fan_in + fan_out)) ** 0.5
    return keras.initializers.RandomUniform(-limit, limit)


class CellProjection(keras.layers.Layer):
    """conv1 or W1 of each cell of a bank: a linear layer of its own into map space.

    Args:
        cells: of the bank.
        map_dim: channels inside a cell.

    Call arguments:
        x: [batch, positions, channels].

    Returns:
        [batch, cells, positions, map_dim].
    """

    def __init__(self, cells: int, map_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.cells, self.map_dim = cells, map_dim

    def build(self, input_shape) -> None:
        fan_in = input_shape[-1]
        shape = [self.cells, fan_in, self.map_dim]
        initializer = glorot_of_cell(fan_in, self.map_dim)
        self.kernel = self.add_weight("kernel", shape, None, initializer)
        self.bias = self.add_weight("bias", [self.cells, self.map_dim], None, "zeros")
        super().build(input_shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        bias = tf.cast(self.bias, x.dtype)
        return multiply(x[:, tf.newaxis], self.kernel) + bias[:, tf.newaxis]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"cells": self.cells, "map_dim": self.map_dim}


class AttentionBank(keras.layers.Layer):
    """Attention cells: conv2(fused), a 1x1 convolution to one channel.

    "Is there a large sphere left of the cube?" needs a map of the cube, then one of what is left of it.

    Args:
        fusion: a `NodeChain` or a `Concatenation`.
        gain: factor of the new maps. Adam's steps have one size, so this is the pace at which a map can
            become sharp.
        bias: first value of the bias, before the gain.
    """

    def __init__(self, fusion: Fusion, gain: float = 1.0, bias: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.fusion, self.cells = fusion, fusion.cells
        self.gain, self.first_bias = gain, bias

    def build(self, input_shape) -> None:
        map_dim = input_shape[-1]
        self.fusion.build(input_shape)
        shape = [self.cells, map_dim]
        self.kernel = self.add_weight("kernel", shape, None, glorot_of_cell(map_dim, 1))
        constant = keras.initializers.Constant(self.first_bias)
        self.bias = self.add_weight("bias", [self.cells], None, constant)
        super().build(input_shape)

    def call(self, image: tf.Tensor, text: tf.Tensor, maps: Sequence[tf.Tensor]) -> tf.Tensor:
        """New attention maps.

        Args:
            image, text, maps: as in the fusion.

        Returns:
            [batch, cells, positions].
        """
        summed = self.fusion.weigh_channels(image, text, maps, self.kernel)
        return self.gain * (summed + self.bias[:, tf.newaxis])


class AnswerBank(keras.layers.Layer):
    """Answer cells: W2 [W1 c_txt ; f_mem ; sum over space of the fused map].

    "How many cubes are there?" needs the sum of a map; "What colour is it?" the features under it.

    Args:
        fusion: a `NodeChain` or a `Concatenation`.
        mem_dim: width of the memory features.
    """

    def __init__(self, fusion: Fusion, mem_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.fusion, self.cells, self.mem_dim = fusion, fusion.cells, mem_dim

    def build(self, input_shape) -> None:
        self.fusion.build(input_shape)
        fan_in = 2 * input_shape[-1] + self.mem_dim
        shape = [self.cells, fan_in, self.mem_dim]
        initializer = glorot_of_cell(fan_in, self.mem_dim)
        self.kernel = self.add_weight("kernel", shape, None, initializer)
        self.bias = self.add_weight("bias", [self.cells, self.mem_dim], None, "zeros")
        super().build(input_shape)

    def call(
        self,
        image: tf.Tensor,
        text: tf.Tensor,
        maps: Sequence[tf.Tensor],
        memory: tf.Tensor,
    ) -> tf.Tensor:
        """New memory features.

        Args:
            image, text, maps: as in the fusion.
            memory: f_mem of the step before, [batch, mem_dim].

        Returns:
            [batch, cells, mem_dim].
        """
        pooled = self.fusion.sum_positions(image, text, maps)  # [batch, cells, map_dim]
        features = [
            tf.broadcast_to(text[:, :, 0], tf.shape(pooled)),
            tf.tile(memory[:, tf.newaxis], [1, self.cells, 1]),
            pooled,
        ]
        features = tf.concat(features, axis=-1)[:, :, tf.newaxis]
        return multiply(features, self.kernel)[:, :, 0] + self.bias
