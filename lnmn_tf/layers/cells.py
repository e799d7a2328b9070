"""Banks of generic cells (paper, sections 3.1.1 and 3.1.2, Figures 1, 2, 6 and 7).

Cells of one kind differ in their weights alone, so one layer, a *bank*, holds them all with a leading
axis `cells`. A cell fuses its inputs (image features, one or two attention maps, the textual
parameter) into one feature map and then reads that off with a head: a 1x1 convolution to a new
attention map, or a sum over space and a linear layer to new memory features.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.layers.fusion import Fusion
from lnmn_tf.layers.products import multiply


class CellBank(keras.layers.Layer):
    """Cells of one kind: their fusion, and their own projections where these are not shared.

    Args:
        fusion: a `NodeChain` or a `Concatenation`.
        map_dim: channels of the maps inside a cell.
        own_projection: whether each cell has its own image and text projection (dialect `paper`), or
            receives inputs that are already in map space.
    """

    def __init__(self, fusion: Fusion, map_dim: int, own_projection: bool, **kwargs):
        super().__init__(**kwargs)
        self.fusion, self.map_dim, self.own_projection = fusion, map_dim, own_projection
        self.cells = fusion.cells

    def build_projection(self, image_dim: int, text_dim: int) -> None:
        """Creates conv1 and W1 of each cell; called before the first `project_image`."""
        self.image_kernel = self._kernel("image_kernel", image_dim, self.map_dim)
        self.image_bias = self.add_weight("image_bias", [self.cells, self.map_dim], None, "zeros")
        self.text_kernel = self._kernel("text_kernel", text_dim, self.map_dim)
        self.text_bias = self.add_weight("text_bias", [self.cells, self.map_dim], None, "zeros")

    def project_image(self, image: tf.Tensor) -> tf.Tensor:
        """conv1(I): [batch, positions, kb_dim] -> [batch, 1 or cells, positions, map_dim]."""
        image = image[:, tf.newaxis]
        if not self.own_projection:
            return image
        return multiply(image, self.image_kernel) + self.image_bias[:, tf.newaxis]

    def project_text(self, text: tf.Tensor) -> tf.Tensor:
        """W1 c_txt: [batch, text_dim] -> [batch, 1 or cells, 1, map_dim]."""
        text = text[:, tf.newaxis, tf.newaxis]
        if not self.own_projection:
            return text
        return multiply(text, self.text_kernel) + tf.cast(self.text_bias, text.dtype)[:, tf.newaxis]

    def _kernel(self, name: str, fan_in: int, fan_out: int) -> tf.Variable:
        limit = (6.0 / (fan_in + fan_out)) ** 0.5  # Glorot, per cell
        initializer = keras.initializers.RandomUniform(-limit, limit)
        return self.add_weight(name, [self.cells, fan_in, fan_out], None, initializer)


class AttentionBank(CellBank):
    """Attention cells: conv2(fused), a 1x1 convolution to one channel.

    "Is there a large sphere left of the cube?" needs a map of the cube, then one of what is left of it.

    Args:
        gain: factor of the new maps, and so of the pace at which Adam, whose steps have one size, can
            make a map sharp.
        bias: first value of the bias, before the gain. Where it is negative, the sigmoid of a new map is
            small everywhere at first, and its sum can learn to count.
    """

    def __init__(self, gain: float = 1.0, bias: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.gain, self.first_bias = gain, bias

    def build(self, input_shape):
        self.fusion.build(input_shape)
        limit = (6.0 / (self.map_dim + 1)) ** 0.5
        initializer = keras.initializers.RandomUniform(-limit, limit)
        self.kernel = self.add_weight("kernel", [self.cells, self.map_dim], None, initializer)
        self.bias = self.add_weight(
            "bias", [self.cells], None, keras.initializers.Constant(self.first_bias)
        )
        super().build(input_shape)

    def call(self, image: tf.Tensor, text: tf.Tensor, maps: Sequence[tf.Tensor]) -> tf.Tensor:
        """New attention maps, [batch, cells, positions]; the arguments are those of the fusion."""
        weighed = self.fusion.weigh_channels(image, text, maps, self.kernel)
        return self.gain * (weighed + self.bias[:, tf.newaxis])


class AnswerBank(CellBank):
    """Answer cells: W2 [W1 c_txt ; f_mem ; sum over space of the fused map].

    "How many cubes are there?" needs the sum of a map; "What colour is it?" the features under it.

    Args:
        mem_dim: width of the memory features.
    """

    def __init__(self, mem_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.mem_dim = mem_dim

    def build(self, input_shape):
        self.fusion.build(input_shape)
        self.kernel = self._kernel("kernel", 2 * self.map_dim + self.mem_dim, self.mem_dim)
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
        return (
            multiply(tf.concat(features, axis=-1)[:, :, tf.newaxis], self.kernel)[:, :, 0]
            + self.bias
        )
