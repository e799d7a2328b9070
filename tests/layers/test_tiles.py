"""A gradient that is computed tile by tile is the gradient."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers import tiles
from lnmn_tf.layers.nodes import NodeChain

BATCH, CELLS, POSITIONS, MAP_DIM = 2, 3, 5, 7


def make(cells, num_maps, own_inputs, **choices):
    """A chain, its inputs and a kernel."""
    tf.keras.utils.set_random_seed(3)
    chain = NodeChain(cells, num_maps, **choices)
    seen = cells if own_inputs else 1
    image = tf.random.normal([BATCH, seen, POSITIONS, MAP_DIM])
    text = tf.random.normal([BATCH, seen, 1, MAP_DIM])
    maps = [tf.random.normal([BATCH, 1, POSITIONS, 1]) for _ in range(num_maps)]
    chain(image, text, maps)
    return chain, image, text, maps, tf.random.normal([cells, MAP_DIM])


def value_and_gradients(chain, image, text, maps, kernel):
    sources = [image, text, *maps, kernel, chain.structure]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        weighed = chain.weigh_channels(image, text, maps, kernel)
        summed = chain.sum_positions(image, text, maps)
        target = tf.reduce_sum(tf.sin(weighed)) + tf.reduce_sum(tf.sin(summed))
    return [weighed, summed, *tape.gradient(target, sources, unconnected_gradients="zero")]


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize(
    "cells, num_maps, own_inputs, normalise",
    [(CELLS, 1, False, True), (CELLS, 2, True, False), (1, 2, False, True)],
)
def test_gradients_in_tiles_are_gradients(cells, num_maps, own_inputs, normalise, xla, monkeypatch):
    chain, *inputs = make(cells, num_maps, own_inputs, normalise=normalise)
    expected = value_and_gradients(chain, *inputs)
    cut = []
    whole = tiles._gradient
    monkeypatch.setattr(tiles, "CACHE", 0)
    monkeypatch.setattr(tiles, "TILE", 0)
    monkeypatch.setattr(tiles, "_gradient", lambda *args: cut.append(1) or whole(*args))
    found = tf.function(lambda: value_and_gradients(chain, *inputs), jit_compile=xla)()
    assert len(cut) == 2  # the two sums
    for x, y in zip(found, expected):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=2e-6)


def test_small_banks_and_batches_of_unknown_size_are_not_cut(monkeypatch):
    monkeypatch.setattr(tiles, "_gradient", None)
    value_and_gradients(*make(CELLS, 1, False))
