"""`kernels.image_node.ImageNode` equals `layers.operators.node` of the image, and sums of it."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.kernels.four_terms import four_terms
from lnmn_tf.kernels.image_node import ImageNode
from lnmn_tf.layers.operators import node, operator_weights
from tests.kernels.gradients import assert_equal

BATCH, CELLS, POSITIONS, MAP_DIM = 2, 3, 5, 7
OPERANDS = {
    "map": [BATCH, 1, POSITIONS, 1],
    "map of each cell": [BATCH, CELLS, POSITIONS, 1],
    "features": [BATCH, CELLS, 1, MAP_DIM],
    "features of each place": [BATCH, CELLS, POSITIONS, MAP_DIM],
}


@pytest.mark.parametrize("cells", [1, CELLS])
@pytest.mark.parametrize("shape", OPERANDS.values(), ids=OPERANDS)
def test_the_node_and_its_sums_are_those_of_the_equation(shape, cells):
    random = np.random.default_rng(7)
    shapes = [CELLS, 6], [BATCH, cells, POSITIONS, MAP_DIM], shape, [BATCH, CELLS, MAP_DIM]
    structure, image, operand, kernel = (
        tf.constant(random.normal(size=s), tf.float32) for s in shapes
    )
    sources = [structure, image, operand, kernel]

    def kernels():
        fast = ImageNode(four_terms(operator_weights(structure)), image, operand)
        return fast.fused(), fast.weigh_channels(kernel), fast.sum_positions()

    def equations():
        fused = node(operator_weights(structure), image, operand)
        weighed = tf.einsum("bkpc,bkc->bkp", fused, kernel)
        return fused, weighed, tf.reduce_sum(fused, axis=2)

    assert_equal(kernels, equations, sources)
