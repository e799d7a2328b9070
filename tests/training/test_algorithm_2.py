"""Second-order structure gradients are those of the loss after a step of the weights."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.models.registry import make_config
from lnmn_tf.training.algorithm_2 import AlternatingTrainer
from lnmn_tf.training.networks import build_network
from tests.conftest import run_eagerly

RATE, STEP = 0.5, 2e-2


def make_batch(seed):
    random = np.random.default_rng(seed)
    return {
        "features": tf.constant(random.normal(size=[3, 2, 3, 5]), tf.float32),
        "question": tf.constant(random.integers(1, 7, size=[3, 4]), tf.int32),
        "answer": tf.constant(random.integers(0, 4, size=[3]), tf.int32),
    }


@pytest.fixture(autouse=True)
def eagerly():
    with run_eagerly():
        yield


def test_unrolled_gradient_is_the_slope_of_the_loss_after_a_step():
    tf.keras.utils.set_random_seed(7)
    sizes = {"embed_dim": 5, "text_dim": 6, "kb_dim": 7, "map_dim": 3, "mem_dim": 5, "mlp_dim": 8}
    cells = {"attention_3": 2, "attention_4": 1, "looking_cells": 1, "feature_shape": (2, 3, 5)}
    config = make_config(
        "relational", num_words=7, num_answers=4, num_steps=2, stack_len=2, **sizes, **cells
    )
    network = build_network(config)
    train, val = make_batch(1), make_batch(2)
    trainer = AlternatingTrainer(network, sparsity=0.1, unrolled=True, xla=False)
    trainer.compile(keras.optimizers.legacy.Adam(RATE), keras.optimizers.legacy.Adam(1e-3))
    weights = trainer.weights_of_network
    kept = [variable.numpy() for variable in weights]
    alpha = [variable.numpy() for variable in trainer.structure]

    _, second = trainer._unrolled_gradients(train, val)
    for variable, before in zip(weights, kept):  # looking ahead leaves the weights where they were
        np.testing.assert_array_equal(variable, before)
    _, first = trainer._of_structure(val)

    def loss_after_a_step(shift):
        for variable, before, along in zip(trainer.structure, alpha, second):
            variable.assign(before + shift * along)
        _, descent = trainer._of_weights(train)
        for variable, before, slope in zip(weights, kept, descent):
            variable.assign(before - RATE * slope)
        losses, _ = trainer._of_structure(val)
        for variable, before in zip(weights, kept):
            variable.assign(before)
        return float(losses["loss"])

    norm = float(tf.linalg.global_norm(second))
    shift = STEP / norm
    slope = (loss_after_a_step(shift) - loss_after_a_step(-shift)) / (2.0 * shift)
    np.testing.assert_allclose(slope, norm**2, rtol=0.05)
    along_first = sum(float(tf.reduce_sum(a * b)) for a, b in zip(first, second))
    assert abs(along_first - norm**2) > 0.1 * norm**2  # the second order matters here
