"""The node that receives the image, and its weighed sums without the fused map."""

from __future__ import annotations

import tensorflow as tf

from lnmn_tf.kernels.four_terms import Terms


class ImageNode:
    """O(image, operand) = scale * image + minimum * min(image, operand) + offset.

    Args:
        terms: of the node, each [cells].
        image: [batch, 1 or cells, positions, map_dim].
        operand: an attention map, [batch, 1 or cells, positions, 1], attended image features,
            [batch, 1 or cells, 1, map_dim], or these with where they lie from each place,
            [batch, 1 or cells, positions, map_dim].
    """

    def __init__(self, terms: Terms, image: tf.Tensor, operand: tf.Tensor):
        first, second, minimum, product = (x[:, tf.newaxis, tf.newaxis] for x in terms)
        self.image, self.over_channels = image, operand.shape[-1] != 1
        self.scale = first + product * operand  # [batch, cells, positions, 1] or [.., 1, map_dim]
        self.offset = second * operand
        self.parts = [(self.scale, image), (minimum, tf.minimum(image, operand))]

    def fused(self) -> tf.Tensor:
        """The node itself, [batch, cells, positions, map_dim]."""
        return tf.add_n([scale * part for scale, part in self.parts]) + self.offset

    def weigh_channels(self, kernel: tf.Tensor) -> tf.Tensor:
        """sum_c kernel_c node_c, for a kernel [batch, cells, map_dim]: [batch, cells, positions]."""
        if self.over_channels:
            total = tf.reduce_sum(self.offset * kernel[:, :, tf.newaxis], axis=-1)
        else:
            total = self.offset[..., 0] * tf.reduce_sum(kernel, axis=-1, keepdims=True)
        for scale, part in self.parts:
            if scale.shape[-1] == 1:  # the same for every channel: it may come after the sum
                total += scale[..., 0] * _weigh(part, kernel)
            elif scale.shape[2] == 1:  # the same for every place
                total += _weigh(part, kernel * scale[:, :, 0])
            else:
                total += _weigh(scale * part, kernel)
        return total

    def sum_positions(self) -> tf.Tensor:
        """sum_p node_p: [batch, cells, map_dim]."""
        positions = self.image.shape[2]
        total = tf.reduce_sum(self.offset, axis=2)
        if self.offset.shape[2] == 1:
            total *= positions
        for scale, part in self.parts:
            if scale.shape.rank == 4 and scale.shape[2] != 1:  # a weight for each position
                if scale.shape[-1] == 1:
                    weighed = _sum(scale[..., 0], part)
                else:
                    weighed = tf.reduce_sum(scale * part, axis=2)
            else:
                weighed = scale[..., 0, :] * tf.reduce_sum(part, axis=2)
            total += weighed
        return total


def _weigh(part: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """sum_c kernel_kc part_kpc; one matrix product where all cells share the part."""
    if part.shape[1] == 1:
        return tf.matmul(kernel, part[:, 0], transpose_b=True)
    return tf.einsum("bkpc,bkc->bkp", part, kernel)


def _sum(scale: tf.Tensor, part: tf.Tensor) -> tf.Tensor:
    """sum_p scale_kp part_kpc; one matrix product where all cells share the part."""
    if part.shape[1] == 1:
        return tf.matmul(scale, part[:, 0])
    return tf.einsum("bkp,bkpc->bkc", scale, part)
