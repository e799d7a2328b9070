"""The generic fusion of the paper: a chain of nodes (sections 3.1.1 and 3.1.2, Figures 1 and 2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.layers.fusion import Fusion
from lnmn_tf.layers.hard import HardCell, hard_cell
from lnmn_tf.layers.operators import OPERATORS, Terms, four_terms, node, operator_mixture


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

    def mixtures(self) -> list[tf.Tensor]:
        """alpha' of each node of the chain, from first to last, each [cells, 6]."""
        return tf.unstack(operator_mixture(self.structure, self.zeroed), axis=1)

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
        mixtures = self.mixtures()
        fused = maps[0]
        if self.num_maps == 2:
            fused = node(mixtures.pop(0), maps[0], maps[1], self.normalise)
        fused = node(mixtures.pop(0), image, fused, self.normalise)
        return node(mixtures.pop(0), fused, text, self.normalise)

    def weigh_channels(self, image, text, maps, kernel):
        if self.hard:
            cells = self._hard_cells(image, text, maps)
            return tf.stack([x.weigh_channels(kernel[k]) for k, x in enumerate(cells)], axis=1)
        if self.normalise:
            return super().weigh_channels(image, text, maps, kernel)
        inner, last = self._inner(image, maps)
        text = text[:, :, 0]  # [batch, 1 or cells, map_dim]
        first = last.first[:, tf.newaxis] * kernel
        product = last.product[:, tf.newaxis] * kernel
        result = inner.weigh_channels(first + product * text)
        result += (last.second * tf.reduce_sum(text * kernel, axis=-1))[:, :, tf.newaxis]
        if not self.balanced:
            minimum = tf.minimum(inner.fused(), text[:, :, tf.newaxis])
            weighed = tf.einsum("bkpc,kc->bkp", minimum, kernel)
            result += last.minimum[:, tf.newaxis] * weighed
        return result

    def sum_positions(self, image, text, maps):
        if self.hard:
            cells = self._hard_cells(image, text, maps)
            return tf.stack([cell.sum_positions() for cell in cells], axis=1)
        if self.normalise:
            return super().sum_positions(image, text, maps)
        inner, last = self._inner(image, maps)
        text = text[:, :, 0]
        positions = tf.cast(tf.shape(image)[2], image.dtype)
        first, second, minimum, product = (term[:, tf.newaxis] for term in last)
        result = (first + product * text) * inner.sum_positions() + second * positions * text
        if not self.balanced:
            least = tf.minimum(inner.fused(), text[:, :, tf.newaxis])
            result += minimum * tf.reduce_sum(least, axis=2)
        return result

    def _inner(self, image: tf.Tensor, maps: Sequence[tf.Tensor]) -> tuple[_ImageNode, Terms]:
        """The node that receives the image, and the terms of the one after it."""
        mixtures = self.mixtures()
        operand = maps[0]
        if self.num_maps == 2:
            operand = node(mixtures.pop(0), maps[0], maps[1])
        inner, last = (four_terms(mixture) for mixture in mixtures)
        return _ImageNode(inner, image, operand, self.balanced), last

    def get_config(self):
        return super().get_config() | {
            "normalise": self.normalise,
            "hard": self.hard,
            "zeroed": self.zeroed,
            "initializer": keras.initializers.serialize(self.initializer),
        }


class _ImageNode:
    """O(image, operand) = scale * image + minimum * min(image, operand) + offset.

    Args:
        terms: of the node, each [cells].
        image: [batch, 1 or cells, positions, map_dim].
        operand: an attention map, [batch, 1 or cells, positions, 1], or attended image features,
            [batch, 1, 1, map_dim].
        balanced: the minimum cancels.
    """

    def __init__(self, terms: Terms, image: tf.Tensor, operand: tf.Tensor, balanced: bool):
        first, second, minimum, product = (x[:, tf.newaxis, tf.newaxis] for x in terms)
        self.image, self.over_channels = image, operand.shape[-1] != 1
        self.scale = first + product * operand  # [batch, cells, positions, 1] or [.., 1, map_dim]
        self.offset = second * operand
        self.parts = [(self.scale, image)]
        if not balanced:
            self.parts.append((minimum, tf.minimum(image, operand)))

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
            else:
                total += _weigh(part, kernel * scale[:, :, 0])
        return total

    def sum_positions(self) -> tf.Tensor:
        """sum_p node_p: [batch, cells, map_dim]."""
        positions = self.image.shape[2]
        total = tf.reduce_sum(self.offset, axis=2)
        if self.over_channels:
            total *= positions
        for scale, part in self.parts:
            if scale.shape.rank == 4 and scale.shape[2] != 1:  # a weight for each position
                weighed = _sum(scale[..., 0], part)
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
