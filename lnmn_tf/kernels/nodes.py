"""Sums of a chain of nodes without the fused map, [batch, cells, positions, map_dim].

No head needs that map, the largest tensor of the model: an attention cell needs its weighted sum over
channels, an answer cell its sum over space. In four terms, a node is linear in its first operand but for
its minimum. So these sums are matrix products with the image features, and only min(that, text) is
computed element by element, and summed at once.
"""

from __future__ import annotations

import tensorflow as tf

from lnmn_tf.kernels.four_terms import Terms, four_terms, node
from lnmn_tf.kernels.hard import HardCell, hard_cell
from lnmn_tf.kernels.image_node import ImageNode
from lnmn_tf.kernels.tiles import in_tiles
from lnmn_tf.layers.nodes import NodeChain
from lnmn_tf.layers.operators import inverse_norm, l2_normalise


class NodeSums:
    """`weigh_channels` and `sum_positions` of a chain, which equal `layers.fusion.Fusion`'s.

    Args:
        chain: a built `NodeChain`, or one that is built before the first call.
    """

    def __init__(self, chain: NodeChain):
        self._chain = chain

    def weigh_channels(self, image, text, maps, kernel) -> tf.Tensor:
        """sum_c kernel_c fused_c: [batch, cells, positions]."""
        if self._chain.hard:
            cells = self._hard_cells(image, text, maps)
            return tf.stack([x.weigh_channels(kernel[k]) for k, x in enumerate(cells)], axis=1)
        weigh = self._weigh_normalised if self._chain.normalise else self._weigh_plain
        return self._in_tiles(weigh, image, text, maps, [kernel])

    def sum_positions(self, image, text, maps) -> tf.Tensor:
        """sum_p fused_p: [batch, cells, map_dim]."""
        if self._chain.hard:
            cells = self._hard_cells(image, text, maps)
            return tf.stack([cell.sum_positions() for cell in cells], axis=1)
        add = self._sum_normalised if self._chain.normalise else self._sum_plain
        return self._in_tiles(add, image, text, maps, [])

    def _hard_cells(self, *inputs) -> list[HardCell]:
        """Each cell for itself, for each has operators of its own: read when a graph is traced."""

        def of_cell(tensor, cell):  # [batch, 1 or cells, ...]
            return tensor[:, 0 if tensor.shape[1] == 1 else cell]

        return [
            hard_cell(  # type: ignore[call-arg]  # three inputs
                operators,
                *tf.nest.map_structure(lambda x, k=cell: of_cell(x, k), inputs),
                self._chain.normalise,
                self._chain.zeroed,
            )
            for cell, operators in enumerate(self._chain.strongest())
        ]

    def _in_tiles(self, function, image, text, maps, kernels) -> tf.Tensor:
        return in_tiles(
            lambda inputs, weights: function(*weights, *inputs[:2], inputs[2:]),
            [image, text, *maps],
            [tf.convert_to_tensor(w) for w in (self._chain.structure, *kernels)],
            tile_bytes=image.dtype.size * image.shape[-2] * image.shape[-1],
        )

    def _weights(self, structure: tf.Tensor) -> list[tf.Tensor]:
        """alpha' of each node of the chain, from first to last, each [cells, 6]."""
        return tf.unstack(self._chain.operator_weights(structure), axis=1)

    def _operand(self, weights: list[tf.Tensor], maps) -> tf.Tensor:
        """What the image meets: the map, or the node of both maps."""
        if self._chain.num_maps == 1:
            return maps[0]
        fused = node(weights.pop(0), *maps)
        return l2_normalise(fused) if self._chain.normalise else fused

    def _fused_normalised(self, structure, image, text, maps) -> tf.Tensor:
        """The fused map, but for the normalisation of its last node."""
        weights = self._weights(structure)
        operand = self._operand(weights, maps)
        of_image, of_text = weights
        return node(of_text, l2_normalise(node(of_image, image, operand)), text)

    def _weigh_normalised(self, structure, kernel, image, text, maps) -> tf.Tensor:
        """sum_c kernel_c z_c / ||z||: two sums over channels, and no map is ever written."""
        fused = self._fused_normalised(structure, image, text, maps)
        weighed = tf.reduce_sum(fused * kernel[:, tf.newaxis], axis=-1)
        return weighed * inverse_norm(fused)[..., 0]

    def _sum_normalised(self, structure, image, text, maps) -> tf.Tensor:
        fused = self._fused_normalised(structure, image, text, maps)
        return tf.reduce_sum(l2_normalise(fused), axis=2)

    def _weigh_plain(self, structure, kernel, image, text, maps) -> tf.Tensor:
        inner, last = self._inner(structure, image, maps)
        text = text[:, :, 0]  # [batch, 1 or cells, map_dim]
        first = last.first[:, tf.newaxis] * kernel
        product = last.product[:, tf.newaxis] * kernel
        result = inner.weigh_channels(first + product * text)
        result += (last.second * tf.reduce_sum(text * kernel, axis=-1))[:, :, tf.newaxis]
        minimum = tf.minimum(inner.fused(), text[:, :, tf.newaxis])
        weighed = tf.reduce_sum(minimum * kernel[:, tf.newaxis], axis=-1)
        return result + last.minimum[:, tf.newaxis] * weighed

    def _sum_plain(self, structure, image, text, maps) -> tf.Tensor:
        inner, last = self._inner(structure, image, maps)
        text = text[:, :, 0]
        positions = tf.cast(tf.shape(image)[2], image.dtype)
        first, second, minimum, product = (term[:, tf.newaxis] for term in last)
        result = (first + product * text) * inner.sum_positions() + second * positions * text
        least = tf.minimum(inner.fused(), text[:, :, tf.newaxis])
        return result + minimum * tf.reduce_sum(least, axis=2)

    def _inner(self, structure, image: tf.Tensor, maps) -> tuple[ImageNode, Terms]:
        """The node that receives the image, and the terms of the one after it."""
        weights = self._weights(structure)
        operand = self._operand(weights, maps)
        inner, last = (four_terms(w) for w in weights)
        return ImageNode(inner, image, operand), last
