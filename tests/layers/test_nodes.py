"""The short ways through a chain of nodes lead where the long way leads."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers.fusion import Fusion
from lnmn_tf.layers.nodes import NodeChain, StructureInitializer
from lnmn_tf.layers.operators import OPERATORS

BATCH, CELLS, POSITIONS, MAP_DIM = 2, 3, 5, 7


def make(num_maps, over_channels, own_projection, seed=3, **choices):
    """A chain with its inputs: image, text, maps, kernel."""
    tf.keras.utils.set_random_seed(seed)
    chain = NodeChain(CELLS, num_maps, **choices)
    cells = CELLS if own_projection else 1
    image = tf.random.normal([BATCH, cells, POSITIONS, MAP_DIM])
    text = tf.random.normal([BATCH, cells, 1, MAP_DIM])
    shape = [BATCH, CELLS, 1, MAP_DIM] if over_channels else [BATCH, 1, POSITIONS, 1]
    maps = [tf.random.normal(shape) for _ in range(num_maps)]
    chain(image, text, maps)
    return chain, image, text, maps, tf.random.normal([CELLS, MAP_DIM])


def value_and_gradients(function, sources):
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value = function()
        target = tf.reduce_sum(tf.sin(value))
    return [value, *tape.gradient(target, sources, unconnected_gradients="zero")]


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("own_projection", [False, True])
@pytest.mark.parametrize("over_channels", [False, True])
@pytest.mark.parametrize("num_maps", [1, 2])
def test_sums_without_the_fused_map_are_sums_of_it(
    num_maps, over_channels, own_projection, normalise
):
    chain, image, text, maps, kernel = make(
        num_maps, over_channels, own_projection, normalise=normalise
    )
    sources = [image, text, *maps, kernel, chain.structure]
    for short, long in (
        (
            lambda: chain.weigh_channels(image, text, maps, kernel),
            lambda: Fusion.weigh_channels(chain, image, text, maps, kernel),
        ),
        (
            lambda: chain.sum_positions(image, text, maps),
            lambda: Fusion.sum_positions(chain, image, text, maps),
        ),
    ):
        found, expected = value_and_gradients(short, sources), value_and_gradients(long, sources)
        for x, y in zip(found, expected):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("num_maps", [1, 2])
def test_minima_may_be_left_out_where_min_and_max_weigh_the_same(num_maps):
    initializer = StructureInitializer(stddev=0.0, product_bias=2.0)
    chain, *inputs = make(num_maps, False, False, initializer=initializer)
    assert chain.is_balanced()
    image, text, maps, kernel = inputs
    sources = [image, text, *maps, kernel]

    def run():
        return value_and_gradients(
            lambda: chain.weigh_channels(image, text, maps, kernel), sources
        ) + value_and_gradients(lambda: chain.sum_positions(image, text, maps), sources)

    expected = run()
    chain.balanced = True
    for x, y in zip(run(), expected):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


def test_a_structure_that_prefers_a_minimum_is_not_balanced():
    chain = make(1, False, False)[0]
    chain.structure.assign(tf.zeros_like(chain.structure))
    assert chain.is_balanced()
    chain.structure[0, 1, OPERATORS.index("min")].assign(0.1)
    assert not chain.is_balanced()


def test_first_structure_leans_towards_the_product():
    alpha = StructureInitializer(stddev=0.0, product_bias=2.0)([2, 3, 6], tf.float32).numpy()
    assert (alpha.argmax(-1) == OPERATORS.index("product")).all()
    np.testing.assert_array_equal(alpha.sum(-1), 2.0)
