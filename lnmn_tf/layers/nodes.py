"""The generic fusion of the paper: a chain of nodes (sections 3.1.1 and 3.1.2, Figures 1 and 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.layers.fusion import Fusion
from lnmn_tf.layers.hard import HardCell, hard_cell
from lnmn_tf.layers.image_node import ImageNode
from lnmn_tf.layers.operators import (
    OPERATORS,
    Terms,
    four_terms,
    inverse_norm,
    node,
    operator_mixture,
)
from lnmn_tf.layers.tiles import in_tiles


class StructureInitializer(keras.initializers.Initializer):
    """First values of alpha: normal, with something added for the product.

    Args:
        stddev: of alpha; the authors have 1.
        product_bias: added to the product's entries. Only a product lets the question choose channels
            of the image, and attention choose places.
    """

    def __init__(self, stddev: float = 1.0, product_bias: float = 0.0):
        self.stddev, self.product_bias = stddev, product_bias

    def __call__(self, shape, dtype=None, **kwargs):
        alpha = keras.initializers.RandomNormal(stddev=self.stddev)(shape, dtype)
        return alpha + self.product_bias * tf.one_hot(
            OPERATORS.index("product"), shape[-1], dtype=alpha.dtype
        )

    def get_config(self):
        return {"stddev": self.stddev, "product_bias": self.product_bias}


class NodeChain(Fusion):
    """A chain of nodes, each a learned mixture of operators.

    3 inputs: O(O(image, a), text).
    4 inputs: O(O(image, O(a1, a2)), text).

    Operands stand in the authors' order; choose_1 and choose_2 depend on it.

    Without normalisation a node is linear in its first operand, but for its minimum. So a weighted
    sum over channels, or a sum over positions, of the last node is a matrix product with the image
    features, and only min(that, text) has to be computed element by element. Where min and max weigh
    the same in every node, as they do before the structure is learned, the minima cancel
    (`balanced`); where the structure is fixed, a minimum is computed only if some node is one.

    Args:
        cells, num_maps: see `Fusion`.
        normalise: L2-normalise after each node (dialect `released`).
        hard: each node is its strongest operator alone (inference). Which one is read when a graph is
            traced; a graph that was traced before the structure changed does not change.
        zeroed: operators whose contribution is removed (inference).
        initializer: of alpha.
    """

    def __init__(
        self,
        cells: int,
        num_maps: int,
        normalise: bool = False,
        hard: bool = False,
        zeroed: Sequence[str] = (),
        initializer: str | keras.initializers.Initializer = "random_normal",
        **kwargs,
    ):
        super().__init__(cells, num_maps, **kwargs)
        unknown = set(zeroed) - set(OPERATORS)
        if unknown:
            raise ValueError(f"zeroed operators {sorted(unknown)} are not among {OPERATORS}")
        self.normalise, self.hard, self.zeroed = normalise, hard, tuple(zeroed)
        self.initializer = keras.initializers.get(initializer)
        self.balanced = False

    def build(self, input_shape):
        self.structure = self.add_weight(
            "structure", [self.cells, self.num_maps + 1, len(OPERATORS)], None, self.initializer
        )
        super().build(input_shape)

    def is_balanced(self) -> bool:
        """Whether min and max weigh the same in every node, so that their minima cancel."""
        mixture = operator_mixture(self.structure, self.zeroed)
        return bool(tf.reduce_all(four_terms(mixture).minimum == 0.0))

    def strongest(self) -> list[list[str]]:
        """The strongest operator of each node of each cell, as the structure is now."""
        with tf.init_scope():  # outside of any graph that is being traced
            indices = np.argmax(self.structure.numpy(), axis=-1)
        return [[OPERATORS[index] for index in cell] for cell in indices]

    def _hard_cells(self, *inputs) -> list[HardCell]:
        """Each cell for itself, for each has operators of its own."""

        def of_cell(tensor, cell):  # [batch, 1 or cells, ...]
            return tensor[:, 0 if tensor.shape[1] == 1 else cell]

        return [
            hard_cell(
                operators,
                *tf.nest.map_structure(lambda x, k=cell: of_cell(x, k), inputs),
                self.normalise,
                self.zeroed,
            )
            for cell, operators in enumerate(self.strongest())
        ]

    def call(self, image: tf.Tensor, text: tf.Tensor, maps: Sequence[tf.Tensor]) -> tf.Tensor:
        if self.hard:
            cells = self._hard_cells(image, text, maps)
            return tf.stack([cell.fused() for cell in cells], axis=1)
        return self._chain(self.structure, image, text, maps, self.normalise)

    def weigh_channels(self, image, text, maps, kernel):
        if self.hard:
            cells = self._hard_cells(image, text, maps)
            return tf.stack([x.weigh_channels(kernel[k]) for k, x in enumerate(cells)], axis=1)
        weigh = self._weigh_normalised if self.normalise else self._weigh_plain
        return self._in_tiles(weigh, image, text, maps, [self.structure, kernel])

    def sum_positions(self, image, text, maps):
        if self.hard:
            cells = self._hard_cells(image, text, maps)
            return tf.stack([cell.sum_positions() for cell in cells], axis=1)
        add = self._sum_normalised if self.normalise else self._sum_plain
        return self._in_tiles(add, image, text, maps, [self.structure])

    def _in_tiles(self, function, image, text, maps, weights) -> tf.Tensor:
        return in_tiles(
            lambda inputs, weights: function(*weights, *inputs[:2], inputs[2:]),
            [image, text, *maps],
            [tf.convert_to_tensor(w) for w in weights],
            tile_bytes=image.dtype.size * image.shape[-2] * image.shape[-1],
        )

    def _mixtures(self, structure: tf.Tensor) -> list[tf.Tensor]:
        """alpha' of each node of the chain, from first to last, each [cells, 6]."""
        return tf.unstack(operator_mixture(structure, self.zeroed), axis=1)

    def _chain(self, structure, image, text, maps, normalise_last: bool) -> tf.Tensor:
        """The nodes one after the other, [batch, cells, positions, map_dim]."""
        mixtures = self._mixtures(structure)
        fused = maps[0]
        if self.num_maps == 2:
            fused = node(mixtures.pop(0), maps[0], maps[1], self.normalise)
        fused = node(mixtures.pop(0), image, fused, self.normalise)
        return node(mixtures.pop(0), fused, text, normalise_last)

    def _weigh_normalised(self, structure, kernel, image, text, maps) -> tf.Tensor:
        """sum_c kernel_c z_c / ||z||: two sums over channels, and no map is ever written."""
        fused = self._chain(structure, image, text, maps, normalise_last=False)
        weighed = tf.reduce_sum(fused * kernel[:, tf.newaxis], axis=-1)
        return weighed * inverse_norm(fused)[..., 0]

    def _sum_normalised(self, structure, image, text, maps) -> tf.Tensor:
        return tf.reduce_sum(self._chain(structure, image, text, maps, True), axis=2)

    def _weigh_plain(self, structure, kernel, image, text, maps) -> tf.Tensor:
        inner, last = self._inner(structure, image, maps)
        text = text[:, :, 0]  # [batch, 1 or cells, map_dim]
        first = last.first[:, tf.newaxis] * kernel
        product = last.product[:, tf.newaxis] * kernel
        result = inner.weigh_channels(first + product * text)
        result += (last.second * tf.reduce_sum(text * kernel, axis=-1))[:, :, tf.newaxis]
        if not self.balanced:
            minimum = tf.minimum(inner.fused(), text[:, :, tf.newaxis])
            weighed = tf.reduce_sum(minimum * kernel[:, tf.newaxis], axis=-1)
            result += last.minimum[:, tf.newaxis] * weighed
        return result

    def _sum_plain(self, structure, image, text, maps) -> tf.Tensor:
        inner, last = self._inner(structure, image, maps)
        text = text[:, :, 0]
        positions = tf.cast(tf.shape(image)[2], image.dtype)
        first, second, minimum, product = (term[:, tf.newaxis] for term in last)
        result = (first + product * text) * inner.sum_positions() + second * positions * text
        if not self.balanced:
            least = tf.minimum(inner.fused(), text[:, :, tf.newaxis])
            result += minimum * tf.reduce_sum(least, axis=2)
        return result

    def _inner(self, structure, image: tf.Tensor, maps) -> tuple[ImageNode, Terms]:
        """The node that receives the image, and the terms of the one after it."""
        mixtures = self._mixtures(structure)
        operand = maps[0]
        if self.num_maps == 2:
            operand = node(mixtures.pop(0), maps[0], maps[1])
        inner, last = (four_terms(mixture) for mixture in mixtures)
        return ImageNode(inner, image, operand, self.balanced), last

    def get_config(self):
        return super().get_config() | {
            "normalise": self.normalise,
            "hard": self.hard,
            "zeroed": self.zeroed,
            "initializer": keras.initializers.serialize(self.initializer),
        }
