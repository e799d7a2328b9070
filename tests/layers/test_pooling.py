"""What maps point at: the same thing has the same features in every map, and counts begin with the map on top."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers.pooling import Pooling

BATCH, CELLS, PLACES, DIM = 3, 2, 5, 4


@pytest.fixture(scope="module")
def pooling():
    tf.keras.utils.set_random_seed(1)
    layer = Pooling(CELLS, 2)
    layer.build([BATCH, 1, PLACES, DIM])
    return layer


@pytest.fixture(scope="module")
def image():
    return tf.constant(np.random.default_rng(2).normal(size=[BATCH, 1, PLACES, DIM]), tf.float32)


@pytest.fixture(scope="module")
def maps():
    random = np.random.default_rng(3)
    return [tf.constant(random.normal(size=[BATCH, PLACES]), tf.float32) for _ in range(2)]


def features(pooling, image, maps):
    """The operands without what they say of counts."""
    counts = pooling.count_kernel.numpy()
    pooling.count_kernel.assign(tf.zeros_like(counts))
    operands = [x.numpy() for x in pooling(image, maps).operands]
    pooling.count_kernel.assign(counts)
    return operands


def test_a_thing_has_the_same_features_whichever_map_shows_it(pooling, image, maps):
    top, below = features(pooling, image, maps)
    swapped = features(pooling, image, maps[::-1])
    np.testing.assert_array_equal(swapped, [below, top])
    assert np.abs(top - below).max() > 0.1


def test_the_product_of_two_operands_begins_as_a_similarity_of_two_things():
    """Two unit vectors with a cosine of .8 have a larger expected product than two with one of 0."""
    sums = []
    for seed in range(30):
        tf.keras.utils.set_random_seed(seed)
        layer = Pooling(CELLS, 2)
        layer.build([1, 1, 3, DIM])
        things = np.zeros([1, 1, 3, DIM], np.float32)
        things[0, 0] = [[1, 0, 0, 0], [0.8, 0.6, 0, 0], [0, 0, 1, 0]]
        at = [tf.constant([[50.0 * (p == place) - 50.0 for p in range(3)]]) for place in range(3)]
        sums.append(
            [
                np.sum(np.prod(features(layer, things, [at[0], at[other]]), axis=0))
                for other in (1, 2)
            ]
        )
    alike, unlike = np.mean(sums, axis=0)
    assert alike > 0.5 * CELLS * 0.8 and abs(unlike) < 0.25 * CELLS * 0.8


@pytest.mark.parametrize("scaled", [0, 1])
def test_counts_begin_with_the_map_on_top(pooling, image, maps, scaled):
    """exp(a) three times as large counts three times as much, and attends to the same."""
    more = [a + (np.log(3.0) if i == scaled else 0.0) for i, a in enumerate(maps)]
    before, after = (pooling(image, a).operands for a in (maps, more))
    np.testing.assert_allclose(after[1], before[1], atol=1e-6)
    changed = np.abs(after[0] - before[0]).max()
    assert changed < 1e-6 if scaled else changed > 0.1


def test_the_count_of_the_map_below_is_learned(pooling, image, maps):
    with tf.GradientTape() as tape:
        top, below = pooling(image, maps).operands
        loss = tf.reduce_sum(top * below)
    gradient = tape.gradient(loss, pooling.count_kernel).numpy()
    assert np.abs(gradient).min() > 0.0
