"""Each way of the search does to alpha, and to its gradient, what its paper says."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import TrainingConfig
from lnmn_tf.training.search import WAYS, Annealing, LateEntropy, Sampling, make_search
from tests.training.test_choice import make_tiny_trainer
from tests.training.tiny_network import tiny_config

STEPS = 1000  # of the run; the choice is at 600
ALPHA = np.random.default_rng(5).normal(size=[3, 2, 6]).astype("f")


def way(name, **choices):
    return make_search(TrainingConfig(search=name, **choices), STEPS)


def at(step):
    return tf.constant(step, tf.int64)


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_every_way_but_the_decay_ends_with_the_choice():
    assert {name for name in WAYS if way(name, structure_decay="coupled").end is None} == {"decay"}
    assert all(way(name).end == 600 for name in WAYS)


def test_annealing_divides_alpha_by_a_temperature_that_ends_at_its_last(monkeypatch):
    monkeypatch.setattr(Annealing, "LEAST", 0.0)
    search, alpha = way("asap", structure_every=2), tf.constant(ALPHA)
    for step in range(0, 600, 2):
        alpha = search.after(alpha, at(step))
    np.testing.assert_allclose(alpha, ALPHA / Annealing.LAST, rtol=1e-3)
    np.testing.assert_array_equal(search.after(alpha, at(700)), alpha)


def test_an_operator_that_was_pruned_never_comes_back():
    search = way("asap")
    alpha = search.after(tf.constant([[2.0, 1.5, -4.0, 0.0, 0.0, 0.0]]), at(0))
    assert tf.nn.softmax(alpha)[0, 2] < 1e-9
    for step in range(1, 200):  # each step of the optimizer is in its favour
        alpha = search.after(alpha + 0.05 * tf.one_hot([2], 6), at(step))
    assert tf.nn.softmax(alpha)[0, 2] < 1e-6


def test_a_drawn_node_is_one_operator_as_often_as_its_weight_says():
    search, alpha = way("gdas"), tf.constant(np.tile(ALPHA[:1, :1], [1, 400, 1]))
    counts = np.zeros(6)
    for step in range(50):
        mixture = softmax(search.shown(alpha, at(step), 0).numpy())
        assert mixture.max(axis=-1).min() > 0.99
        counts += mixture.round().sum(axis=(0, 1))
    share = softmax(ALPHA[0, 0])
    np.testing.assert_allclose(counts / 20_000, share, atol=0.02)


def test_draws_are_a_function_of_seed_and_step_and_differ_between_banks():
    search, alpha = way("gdas", seed=3), tf.constant(np.tile(ALPHA, [9, 1, 1]))
    shown = search.shown(alpha, at(7), 0)
    np.testing.assert_array_equal(way("gdas", seed=3).shown(alpha, at(7), 0), shown)
    others = [search.shown(alpha, at(8), 0), search.shown(alpha, at(7), 1)]
    others.append(way("gdas", seed=4).shown(alpha, at(7), 0))
    assert not any(np.array_equal(other, shown) for other in others)


@pytest.mark.parametrize("step", [0, 300, 599])
def test_the_gradient_of_a_draw_is_straight_through(step):
    """d/d alpha of L(one_hot + softmax((alpha + noise) / tau) - stop_gradient(the same))."""
    search, alpha = way("gdas"), tf.constant(ALPHA)
    weights = tf.constant(np.random.default_rng(6).normal(size=ALPHA.shape), tf.float32)

    def loss(mixture):
        return tf.reduce_sum(weights * mixture + tf.square(mixture) * weights)

    shown = search.shown(alpha, at(step), 1)
    with tf.GradientTape() as tape:
        tape.watch(shown)
        value = loss(tf.nn.softmax(shown))
    found = search.gradient(alpha, shown, tape.gradient(value, shown), at(step), 1)

    tau = Sampling.FIRST + (Sampling.LAST - Sampling.FIRST) * step / 600
    drawn = tf.one_hot(tf.argmax(shown, axis=-1), 6)
    with tf.GradientTape() as tape:
        tape.watch(alpha)
        soft = tf.nn.softmax((alpha + search.noise(alpha, at(step), 1)) / tau)
        value = loss(drawn + soft - tf.stop_gradient(soft))
    expected = tape.gradient(value, alpha).numpy()
    np.testing.assert_allclose(found, expected, atol=0.03 * np.abs(expected).max())


@pytest.mark.parametrize("step, weight", [(0, 0.0), (400, 0.0), (500, 0.5), (600, 1.0), (900, 1.0)])
def test_the_late_entropy_is_added_to_the_loss(step, weight):
    search, alpha = way("entropy"), tf.constant(ALPHA)
    of_loss = tf.constant(np.random.default_rng(6).normal(size=ALPHA.shape), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(alpha)
        mixture = tf.nn.softmax(alpha)
        entropy = -tf.reduce_sum(mixture * tf.math.log(mixture))
    expected = of_loss + weight * LateEntropy.HIGHEST * tape.gradient(entropy, alpha)
    np.testing.assert_allclose(
        search.gradient(alpha, alpha, of_loss, at(step), 0), expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", ["asap", "gdas", "entropy"])
def test_a_run_searches_so_and_ends_with_the_strongest_operators(tiny_world, name):
    choices = {"structure_learning_rate": 0.1, "search": name}
    trainer, examples = make_tiny_trainer(tiny_config(tiny_world, **choices))
    alpha = trainer.network.alpha
    step = 0
    for epoch in range(3):
        for pair in examples.epoch(epoch, 0):
            before = alpha.numpy()
            trainer.train_step(pair)
            if step % 2 == 1 and step < trainer.choose_step:  # the weights' step alone
                np.testing.assert_array_equal(alpha.numpy(), before)
            elif step < trainer.choose_step:
                assert np.abs(alpha.numpy() - before).max() > 0.0
            elif step == trainer.choose_step:
                assert softmax(alpha.numpy()).max() == 1.0
                assert alpha.numpy().argmax() == before.argmax()
            step += 1
