"""`kernels.nodes.NodeSums` equals `Fusion.weigh_channels` and `Fusion.sum_positions` of a chain."""

import pytest
import tensorflow as tf

from lnmn_tf.kernels.nodes import NodeSums
from lnmn_tf.layers.nodes import NodeChain
from tests.kernels.gradients import assert_equal

BATCH, CELLS, POSITIONS, MAP_DIM = 2, 3, 5, 7


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("own_projection", [False, True])
@pytest.mark.parametrize("over_channels", [False, True])
@pytest.mark.parametrize("num_maps", [1, 2])
def test_sums_without_the_fused_map_are_sums_of_it(
    num_maps, over_channels, own_projection, normalise
):
    tf.keras.utils.set_random_seed(3)
    chain = NodeChain(CELLS, num_maps, normalise=normalise)
    cells = CELLS if own_projection else 1
    image = tf.random.normal([BATCH, cells, POSITIONS, MAP_DIM])
    text = tf.random.normal([BATCH, cells, 1, MAP_DIM])
    shape = [BATCH, CELLS, 1, MAP_DIM] if over_channels else [BATCH, 1, POSITIONS, 1]
    maps = [tf.random.normal(shape) for _ in range(num_maps)]
    kernel = tf.random.normal([CELLS, MAP_DIM])
    chain.build(image.shape)
    sums, sources = NodeSums(chain), [image, text, *maps, kernel, chain.structure]
    assert_equal(
        lambda: sums.weigh_channels(image, text, maps, kernel),
        lambda: chain.weigh_channels(image, text, maps, kernel),
        sources,
    )
    assert_equal(
        lambda: sums.sum_positions(image, text, maps),
        lambda: chain.sum_positions(image, text, maps),
        sources,
    )
