"""Laws of the six operators and of the node that mixes them."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers.operators import OPERATORS, l2_normalise, node, operator_mixture

CELLS, BATCH, POSITIONS, CHANNELS = 3, 2, 5, 7


def six_operators(mixture, x1, x2):
    """The paper's formula, an operator at a time."""
    outputs = [tf.minimum(x1, x2), tf.maximum(x1, x2), x1 + x2, x1 * x2, x1, x2]
    weights = tf.unstack(mixture[:, None, None], axis=-1)
    return tf.add_n([w * tf.broadcast_to(y, outputs[2].shape) for w, y in zip(weights, outputs)])


@pytest.fixture
def operands():
    random = np.random.default_rng(3)
    return (
        tf.constant(random.normal(size=[CELLS, 6]), tf.float32),
        tf.constant(random.normal(size=[BATCH, CELLS, POSITIONS, CHANNELS]), tf.float32),
        tf.constant(random.normal(size=[BATCH, 1, POSITIONS, 1]), tf.float32),
    )


def test_four_term_node_equals_six_operators_in_values_and_gradients(operands):
    results = []
    for function in (node, six_operators):
        with tf.GradientTape() as tape:
            tape.watch(operands)
            structure, x1, x2 = operands
            output = function(operator_mixture(structure), x1, x2)
            loss = tf.reduce_sum(tf.sin(output))
        results.append([output, *tape.gradient(loss, operands)])
    for found, expected in zip(*results):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_mixture_is_a_distribution_whatever_the_alpha(operands):
    mixture = operator_mixture(100.0 * operands[0]).numpy()
    np.testing.assert_allclose(mixture.sum(axis=-1), 1.0, atol=1e-6)
    assert (mixture >= 0.0).all()


def test_zeroed_operators_are_removed_and_the_rest_stay_as_they_were(operands):
    zeroed = ("max", "product")
    before = operator_mixture(operands[0]).numpy()
    after = operator_mixture(operands[0], zeroed).numpy()
    for index, name in enumerate(OPERATORS):
        expected = 0.0 if name in zeroed else before[:, index]
        np.testing.assert_array_equal(after[:, index], expected)


def test_normalised_node_does_not_see_the_scale_of_its_mixture(operands):
    structure, x1, x2 = operands
    mixture = operator_mixture(structure)
    output = node(mixture, x1, x2, normalise=True)
    np.testing.assert_allclose(tf.norm(output, axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(node(3.0 * mixture, x1, x2, normalise=True), output, atol=1e-5)


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
    output = node(operator_mixture(structure), x2, -0.5 * x2, normalise=True)
    np.testing.assert_allclose(tf.abs(output), 1.0, atol=1e-6)
