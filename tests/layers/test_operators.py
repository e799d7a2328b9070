"""Laws of the six operators and of the node that mixes them."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import OPERATORS
from lnmn_tf.layers.operators import l2_normalise, node, operator_weights

CELLS, BATCH, POSITIONS, CHANNELS = 3, 2, 5, 7


def six_operators(weights, x1, x2):
    """The paper's formula in numpy, one cell and one operator at a time."""
    cells = []
    for cell, (a1, a2, a3, a4, a5, a6) in enumerate(weights):
        a, b = np.broadcast_arrays(x1[:, cell], x2[:, 0])
        both = a1 * np.minimum(a, b) + a2 * np.maximum(a, b) + a3 * (a + b) + a4 * a * b
        cells.append(both + a5 * a + a6 * b)
    return np.stack(cells, axis=1)


@pytest.fixture
def operands():
    random = np.random.default_rng(3)
    return (
        tf.constant(random.normal(size=[CELLS, 6]), tf.float32),
        tf.constant(random.normal(size=[BATCH, CELLS, POSITIONS, CHANNELS]), tf.float32),
        tf.constant(random.normal(size=[BATCH, 1, POSITIONS, 1]), tf.float32),
    )


def test_node_is_the_sum_of_six_operators(operands):
    structure, x1, x2 = operands
    weights = operator_weights(structure).numpy()
    found = node(operator_weights(structure), x1, x2)
    np.testing.assert_allclose(found, six_operators(weights, x1, x2), rtol=1e-5, atol=1e-5)


def test_hard_weights_are_the_limit_of_sharp_ones(operands):
    hard = operator_weights(operands[0], hard=True)
    np.testing.assert_allclose(hard, operator_weights(1000.0 * operands[0]), atol=1e-6)


def test_mixture_is_a_distribution_whatever_the_alpha(operands):
    mixture = operator_weights(100.0 * operands[0]).numpy()
    np.testing.assert_allclose(mixture.sum(axis=-1), 1.0, atol=1e-6)
    assert (mixture >= 0.0).all()


def test_zeroed_operators_are_removed_and_the_rest_stay_as_they_were(operands):
    zeroed = ("max", "product")
    before = operator_weights(operands[0]).numpy()
    after = operator_weights(operands[0], zeroed=zeroed).numpy()
    for index, name in enumerate(OPERATORS):
        expected = 0.0 if name in zeroed else before[:, index]
        np.testing.assert_array_equal(after[:, index], expected)


def test_normalised_node_does_not_see_the_scale_of_its_mixture(operands):
    structure, x1, x2 = operands
    weights = operator_weights(structure)
    output = l2_normalise(node(weights, x1, x2))
    np.testing.assert_allclose(tf.norm(output, axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(l2_normalise(node(3.0 * weights, x1, x2)), output, atol=1e-5)


def test_normalised_zero_is_zero_with_a_zero_gradient():
    x = tf.constant([[0.0, 0.0, 0.0], [0.0, 3.0, 4.0], [1e-20, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = l2_normalise(x)
    np.testing.assert_allclose(y[:2], [[0, 0, 0], [0, 0.6, 0.8]], atol=1e-7)
    gradient = tape.gradient(y, x)
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[0], 0.0)


def test_node_of_two_one_channel_maps_is_their_sign_when_normalised(operands):
    structure, _, x2 = operands
    output = l2_normalise(node(operator_weights(structure), x2, -0.5 * x2))
    np.testing.assert_allclose(tf.abs(output), 1.0, atol=1e-6)
