"""`kernels.four_terms.node` equals `layers.operators.node`."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.kernels import four_terms
from lnmn_tf.layers import operators
from tests.kernels.gradients import assert_equal

CELLS, BATCH, POSITIONS, CHANNELS = 3, 2, 5, 7
MAPS, VECTORS = [BATCH, 1, POSITIONS, 1], [BATCH, CELLS, 1, CHANNELS]


@pytest.mark.parametrize("zeroed", [(), ("max", "choose_2")])
@pytest.mark.parametrize("shape", [MAPS, VECTORS])
def test_four_terms_equal_six_operators_in_values_and_gradients(shape, zeroed):
    random = np.random.default_rng(3)
    shapes = [CELLS, 6], [BATCH, CELLS, POSITIONS, CHANNELS], shape
    structure, x1, x2 = (tf.constant(random.normal(size=s), tf.float32) for s in shapes)

    def run(node):
        return node(operators.operator_weights(structure, zeroed=zeroed), x1, x2)

    assert_equal(
        lambda: run(four_terms.node), lambda: run(operators.node), [structure, x1, x2], 1e-5, 1e-5
    )
