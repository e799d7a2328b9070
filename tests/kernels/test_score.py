"""`kernels.score.score` equals `layers.handcrafted.Score.score`."""

import numpy as np
import tensorflow as tf

from lnmn_tf.kernels.score import score
from lnmn_tf.layers.handcrafted import Score
from tests.kernels.gradients import assert_equal

BATCH, POSITIONS, KB_DIM = 2, 5, 7


def make():
    random = np.random.default_rng(13)
    x = tf.constant(random.normal(size=[BATCH, POSITIONS, KB_DIM]), tf.float32)
    query = tf.constant(random.normal(size=[BATCH, KB_DIM]), tf.float32)
    layer = Score()
    layer(x, x**2, query)
    layer.bias.assign([0.3])
    return layer, x, query


def test_a_score_without_its_map_is_the_score():
    layer, x, query = make()
    assert_equal(
        lambda: score(layer, x, x**2, query),
        lambda: layer.score(x, x**2, query),
        [x, query, *layer.trainable_variables],
    )


def test_score_of_nothing_is_the_bias_with_finite_gradients():
    layer, x, query = make()
    x = tf.zeros_like(x)
    with tf.GradientTape() as tape:
        tape.watch([x, query])
        found = score(layer, x, x**2, query)
    np.testing.assert_allclose(found, 0.3)
    for gradient in tape.gradient(found, [x, query, layer.kernel]):
        assert np.isfinite(gradient).all()
