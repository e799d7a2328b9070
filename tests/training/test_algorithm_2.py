"""What the two losses of Algorithm 2 add up, and second-order structure gradients."""

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


def make_network():
    tf.keras.utils.set_random_seed(7)
    sizes = {"embed_dim": 5, "text_dim": 6, "kb_dim": 7, "map_dim": 3, "mem_dim": 5, "mlp_dim": 8}
    cells = {"attention_3": 2, "attention_4": 1, "looking_cells": 1, "feature_shape": (2, 3, 5)}
    config = make_config(
        "relational", num_words=7, num_answers=4, num_steps=2, stack_len=2, **sizes, **cells
    )
    return build_network(config)


def test_coverage_adds_its_weight_times_the_unread_words_to_the_loss():
    network = make_network()
    trainer = AlternatingTrainer(network, xla=False, covers=True)
    trainer.compile(keras.optimizers.legacy.Adam(RATE), keras.optimizers.legacy.Adam(1e-3))
    batch = make_batch(1)
    batch["question"] = tf.constant([[3, 4, 5, 0], [1, 2, 3, 4], [6, 1, 0, 0]])
    trace = network.trace({k: batch[k] for k in ("features", "question")})
    works = 1.0 - trace.module_weights.numpy()[:, :, -1:]
    read = (works * trace.word_attention.numpy()).sum(axis=1)  # [batch, words]
    lost = np.mean([-np.log(0.02 + row[:n]).mean() for row, n in zip(read, (3, 4, 2))])
    without, _ = trainer.weight_loss(batch)
    trainer.coverage_weight.assign(0.5)
    total, report = trainer.weight_loss(batch)
    np.testing.assert_allclose(report["unread_words"], lost, rtol=1e-4)
    np.testing.assert_allclose(total - without, 0.5 * lost, rtol=1e-4)


def test_unrolled_gradient_is_the_slope_of_the_loss_after_a_step():
    network = make_network()
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
