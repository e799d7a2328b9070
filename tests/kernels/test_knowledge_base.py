"""`kernels.knowledge_base.known` equals the knowledge base, and a projection after it."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.kernels.knowledge_base import known
from lnmn_tf.layers.encoders import KnowledgeBase
from tests.kernels.gradients import assert_equal

HEIGHT, WIDTH, CHANNELS, KB_DIM = 3, 5, 7, 11


def make(position, units):
    random = np.random.default_rng(3)
    features = tf.constant(random.normal(size=[2, HEIGHT, WIDTH, CHANNELS]), tf.float32)
    layer = KnowledgeBase(KB_DIM, position)
    projection = tf.keras.layers.Dense(units) if units else None
    known(layer, features, projection)  # which builds what is not built
    variables = [*layer.trainable_variables, *(projection.trainable_variables if units else ())]
    assert len(variables) == (6 if units else 4)
    for variable in variables:
        variable.assign(random.normal(size=variable.shape).astype(np.float32))  # biases, too
    return layer, features, projection, variables


@pytest.mark.parametrize("position", ["sinusoids", "coordinates", "none"])
@pytest.mark.parametrize("units", [0, 13, 31])  # 30 places: 13 units are one product, 31 are two
def test_known_equals_the_layers_one_after_the_other(position, units):
    layer, features, projection, variables = make(position, units)

    def equation():
        base = layer(features)
        return projection(base) if projection else base

    assert_equal(
        lambda: known(layer, features, projection),
        equation,
        [features, *variables],
        relative=1e-3,
        absolute=3e-3,
    )


def test_a_batch_of_unknown_size_is_projected_alike():
    layer, features, projection, _ = make("sinusoids", 13)
    unknown = tf.TensorSpec([None, HEIGHT, WIDTH, CHANNELS], tf.float32)
    found = tf.function(lambda x: known(layer, x, projection), [unknown])(features)
    expected = projection(layer(features)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
