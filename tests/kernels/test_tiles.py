"""`kernels.tiles.in_tiles` equals the function that it is given, and so does its gradient."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.kernels import tiles
from lnmn_tf.kernels.nodes import NodeSums
from lnmn_tf.layers.nodes import NodeChain
from tests.kernels.gradients import value_and_gradients

BATCH, CELLS, POSITIONS, MAP_DIM = 2, 3, 5, 7


def make(cells, num_maps, own_inputs, **choices):
    """Both sums of a chain with their gradients, as a function of nothing."""
    tf.keras.utils.set_random_seed(3)
    chain = NodeChain(cells, num_maps, **choices)
    seen = cells if own_inputs else 1
    image = tf.random.normal([BATCH, seen, POSITIONS, MAP_DIM])
    text = tf.random.normal([BATCH, seen, 1, MAP_DIM])
    maps = [tf.random.normal([BATCH, 1, POSITIONS, 1]) for _ in range(num_maps)]
    kernel = tf.random.normal([cells, MAP_DIM])
    chain.build(image.shape)
    sums = NodeSums(chain)

    def both():
        weighed = sums.weigh_channels(image, text, maps, kernel)
        return weighed, sums.sum_positions(image, text, maps)

    sources = [image, text, *maps, kernel, chain.structure]
    return lambda: value_and_gradients(both, sources)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize(
    "cells, num_maps, own_inputs, normalise",
    [(CELLS, 1, False, True), (CELLS, 2, True, False), (1, 2, False, True)],
)
def test_gradients_in_tiles_are_gradients(cells, num_maps, own_inputs, normalise, xla, monkeypatch):
    run = make(cells, num_maps, own_inputs, normalise=normalise)
    expected = run()
    cut = []
    whole = tiles._gradient
    monkeypatch.setattr(tiles, "CACHE", 0)
    monkeypatch.setattr(tiles, "TILE", 0)
    monkeypatch.setattr(tiles, "_gradient", lambda *args: cut.append(1) or whole(*args))
    found = tf.function(run, jit_compile=xla)()
    assert len(cut) == 2  # the two sums
    for x, y in zip(found, expected):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=2e-6)


def test_small_banks_and_batches_of_unknown_size_are_not_cut(monkeypatch):
    def refuse(*_):
        raise AssertionError("a gradient was cut into tiles")

    monkeypatch.setattr(tiles, "_gradient", refuse)
    assert np.isfinite(make(CELLS, 1, False)()[0]).all()
    monkeypatch.setattr(tiles, "CACHE", 0)
    monkeypatch.setattr(tiles, "TILE", 0)
    with pytest.raises(AssertionError, match="cut into tiles"):
        make(CELLS, 1, False)()

    def square(inputs, weights):
        return tf.square(inputs[0]) * weights[0][:, tf.newaxis]

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tiles.in_tiles(square, [x], [tf.ones([1, 1])], tile_bytes=10**9)
        return tape.gradient(value, x)

    unknown = tf.function(gradient, [tf.TensorSpec([None, 1, POSITIONS, MAP_DIM])])
    x = tf.random.normal([BATCH, 1, POSITIONS, MAP_DIM])
    np.testing.assert_allclose(unknown(x), 2.0 * x)
