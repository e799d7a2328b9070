"""The two optimizers against their definitions, in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import TrainingConfig
from lnmn_tf.training.gradients import global_norm
from lnmn_tf.training.optimizers import (
    answering_weights,
    create_slots,
    structure_optimizer,
    weight_optimizer,
)


def adam(start, gradients, rate, beta_1, beta_2, coupled=0.0, decoupled=0.0):
    """Adam as Keras has it (epsilon before the bias correction), with either weight decay."""
    value, first, second, path = np.float64(start), 0.0, 0.0, []
    for step, gradient in enumerate(gradients, start=1):
        gradient = gradient + coupled * value
        value = value - rate * decoupled * value
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        corrected = rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        value = value - corrected * first / (np.sqrt(second) + 1e-8)
        path.append(value)
    return np.array(path)


START = np.array([0.5, -2.0, 3.0])
GRADIENTS = np.random.default_rng(7).normal(size=[5, 3])


def run(optimizer, start=START, gradients=GRADIENTS):
    variable = tf.Variable(start, dtype=tf.float32)
    path = []
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
        path.append(variable.numpy())
    return np.array(path)


def test_weights_follow_adam():
    config = TrainingConfig(learning_rate=0.1)
    expected = adam(START, GRADIENTS, 0.1, 0.9, 0.999)
    np.testing.assert_allclose(run(weight_optimizer(config, 9)), expected, rtol=1e-5)


def test_weight_decay_is_decoupled_and_follows_the_rate():
    config = TrainingConfig(learning_rate=0.1, weight_decay=0.2)
    expected = adam(START, GRADIENTS, 0.1, 0.9, 0.999, decoupled=0.2)
    np.testing.assert_allclose(run(weight_optimizer(config, 9)), expected, rtol=1e-5)


@pytest.mark.parametrize("decay", ["coupled", "decoupled"])
def test_structure_decay_is_coupled_or_decoupled(decay):
    config = TrainingConfig(
        structure_learning_rate=0.1, structure_weight_decay=0.3, structure_decay=decay
    )
    expected = adam(START, GRADIENTS, 0.1, 0.5, 0.999, **{decay: 0.3})
    np.testing.assert_allclose(run(structure_optimizer(config, 9)), expected, rtol=1e-5)


def test_warm_up_begins_with_a_small_step():
    config = TrainingConfig(learning_rate=0.1, warmup_steps=4)
    first = run(weight_optimizer(config, 9))[0]
    expected = adam(START, GRADIENTS, 0.1 / 4, 0.9, 0.999)[0]
    np.testing.assert_allclose(first, expected, rtol=1e-5)


@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
def test_answering_weights_are_the_moving_average_and_give_the_trained_ones_back(weight_decay):
    decay = 0.6
    config = TrainingConfig(learning_rate=0.1, ema_decay=decay, weight_decay=weight_decay)
    optimizer = weight_optimizer(config, 9)
    variable = tf.Variable(START, dtype=tf.float32)
    create_slots(optimizer, [variable])
    average = START
    trained = adam(START, GRADIENTS, 0.1, 0.9, 0.999, decoupled=weight_decay)
    for step, gradient in enumerate(GRADIENTS):
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
        share = min(decay, (1 + step) / (10 + step))
        average = share * average + (1 - share) * trained[step]
    np.testing.assert_allclose(variable.numpy(), trained[-1], rtol=1e-5)
    with answering_weights(optimizer, [variable]):
        np.testing.assert_allclose(variable.numpy(), average, rtol=1e-4)
    np.testing.assert_allclose(variable.numpy(), trained[-1], rtol=1e-5)


def test_without_an_average_the_answering_weights_are_the_trained_ones():
    variable = tf.Variable(START)
    with answering_weights(weight_optimizer(TrainingConfig(), 9), [variable]):
        np.testing.assert_array_equal(variable.numpy(), START)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_create_slots_leaves_nothing_to_be_made_later(ema_decay):
    config = TrainingConfig(ema_decay=ema_decay)
    optimizer = weight_optimizer(config, 9)
    variable = tf.Variable(START, dtype=tf.float32)
    create_slots(optimizer, [variable])
    before = len(optimizer.variables())
    optimizer.apply_gradients([(tf.zeros(3), variable)])
    assert len(optimizer.variables()) == before


@pytest.mark.parametrize("scale", [1.0, 1e25])
def test_a_gradient_whose_square_is_beyond_float32_has_a_norm_and_is_clipped(scale):
    gradients = [scale * tf.constant([3.0, 0.0]), scale * tf.constant([[4.0]])]
    norm = global_norm(gradients)
    np.testing.assert_allclose(norm, 5.0 * scale, rtol=1e-6)
    clipped, _ = tf.clip_by_global_norm(gradients, 2.0, use_norm=norm)
    np.testing.assert_allclose(clipped[0], [1.2, 0.0], rtol=1e-5)
    np.testing.assert_allclose(clipped[1], [[1.6]], rtol=1e-5)


def test_a_gradient_that_is_not_finite_has_no_norm():
    assert not np.isfinite(global_norm([tf.constant([1.0, np.inf])]))


def test_without_clipping_a_gradient_whose_square_is_beyond_float32_makes_its_weight_nan():
    path = run(weight_optimizer(TrainingConfig(), 9), gradients=[[1e25, 1.0, 1.0], [1.0] * 3])
    assert np.isnan(path[-1, 0]) and np.isfinite(path[:, 1:]).all()
