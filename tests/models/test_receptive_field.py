"""The paper's cells are 1x1: no map says anything of another place than its own."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.kernels.install import install
from lnmn_tf.models.registry import make_config, make_model
from tests.models.tiny import TINY

CELLS = {"attention_3": 2, "attention_4": 2, "answer_3": 1, "answer_4": 1}
SIZES = {**TINY, **CELLS, "num_steps": 4, "position_channels": 8}
del SIZES["looking_cells"]  # of `relational` alone, which has one
PLACE = (1, 0)  # whose features change


def change_of_maps(name):
    """|difference| of all maps after all steps where one place's features change, [height, width]."""
    tf.keras.utils.set_random_seed(3)
    model = install(make_model(make_config(name, **SIZES)))
    random = np.random.default_rng(4)
    features = random.normal(size=[5, 2, 3, 7]).astype(np.float32)
    question = tf.constant(random.integers(1, SIZES["num_words"], size=[5, 4]), tf.int32)
    before = model.trace({"features": tf.constant(features), "question": question}).stack
    features[:, PLACE[0], PLACE[1]] += random.normal(size=[5, 7])
    after = model.trace({"features": tf.constant(features), "question": question}).stack
    return np.abs(after.numpy() - before.numpy()).max(axis=(0, 1, 4))


@pytest.mark.parametrize("name", ["paper", "released"])
def test_maps_of_the_papers_cells_change_only_where_the_picture_does(name):
    change = change_of_maps(name)
    assert change[PLACE] > 1e-3
    change[PLACE] = 0.0
    np.testing.assert_array_equal(change, 0.0)


def test_a_relational_map_can_say_what_lies_beside_another_place():
    change = change_of_maps("relational")
    assert (change > 1e-5).all()
