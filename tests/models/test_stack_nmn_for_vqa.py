"""What Stack-NMN does differently on VQA."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.training.networks import build_network

SIZES = {
    "embed_dim": 7,
    "text_dim": 10,
    "kb_dim": 11,
    "mem_dim": 17,
    "mlp_dim": 19,
    "num_steps": 4,
    "stack_len": 3,
}


def make_config(**sizes):
    return RunConfig.create({"model": "stack_nmn_vqa", "features": "{split}.h5", **sizes}).model


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(5)
    return {
        "features": random.normal(size=[3, 2, 5, 11]).astype(np.float32),
        "question": random.integers(1, 13, size=[3, 7], dtype=np.int32),
    }


@pytest.fixture(scope="module")
def model(inputs):
    tf.keras.utils.set_random_seed(3)
    return build_network(
        make_config(**SIZES).replace(num_words=13, num_answers=5, feature_shape=(2, 5, 11))
    )


def answer(model, features, inputs):
    return model({**inputs, "features": features}, training=False)["logits"].numpy()


def test_it_has_the_six_modules_and_sizes_of_the_original():
    config = make_config()
    assert config.modules == ("no_op", "find", "transform", "filter", "and", "describe_one")
    assert (config.num_steps, config.stack_len) == (12, 6)


def test_the_length_of_the_features_does_not_matter(model, inputs):
    expected = answer(model, inputs["features"], inputs)
    assert np.allclose(answer(model, 7.0 * inputs["features"], inputs), expected, atol=1e-5)
    other = inputs["features"] * np.linspace(1, 3, 11, dtype=np.float32)
    assert not np.allclose(answer(model, other, inputs), expected, atol=1e-3)


def test_no_position_is_told_from_another(model, inputs):
    expected = answer(model, inputs["features"], inputs)
    places = inputs["features"].reshape(3, 10, 11)[:, np.random.default_rng(7).permutation(10)]
    moved = places.reshape(3, 2, 5, 11)
    assert np.allclose(answer(model, moved, inputs), expected, atol=1e-5)


def test_an_answer_leaves_the_stack_as_it_is(model, inputs):
    layout = np.zeros([3, 4, 6], np.float32)
    for step, module in enumerate(("find", "describe_one", "describe_one", "no_op")):
        layout[:, step, model.module_names.index(module)] = 1.0
    trace = model.trace({**inputs, "module_weights": layout})
    for step in (1, 2, 3):
        assert np.allclose(trace.stack[:, step], trace.stack[:, 0])
    assert not np.allclose(trace.memory[:, 1], 0.0)
