"""What training descends, held against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.training.objectives import answer_probabilities, layout_loss, soft_cross_entropy

BATCH, STEPS, MODULES, ANSWERS = 3, 5, 7, 11


@pytest.fixture
def logits():
    return np.random.default_rng(3).normal(size=[BATCH, STEPS, MODULES]).astype(np.float32)


@pytest.fixture
def expert():
    return np.random.default_rng(5).integers(MODULES, size=[BATCH, STEPS])


def losses(logits, expert):
    """-log softmax of the expert's module, [batch, steps]."""
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return -np.log(np.take_along_axis(shares, expert[..., None], axis=-1)[..., 0])


def test_layout_loss_is_the_mean_cross_entropy_of_the_experts_modules(logits, expert):
    expected = losses(logits, expert)
    assert layout_loss(logits, expert).numpy() == pytest.approx(expected.mean(), rel=1e-5)
    same = layout_loss(logits, expert, allowed=np.eye(MODULES))
    assert same.numpy() == pytest.approx(expected.mean(), rel=1e-5)


def test_questions_outside_of_the_mask_count_as_zero(logits, expert):
    expected = losses(logits, expert)
    questions = np.array([1.0, 0.0, 1.0])
    assert layout_loss(logits, expert, questions).numpy() == pytest.approx(
        expected[[0, 2]].sum() / (BATCH * STEPS), rel=1e-5
    )
    assert layout_loss(logits, expert, 0 * questions).numpy() == 0.0


def test_modules_that_may_do_the_same_work_count_together(logits, expert):
    kinds = np.array([0, 0, 1, 1, 1, 2, 2])  # of each module
    allowed = (kinds == np.arange(3)[:, None]).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    wanted = expert % 3
    expected = -np.log((shares * allowed[wanted]).sum(-1)).mean()
    found = layout_loss(logits, wanted, allowed=allowed)
    assert found.numpy() == pytest.approx(expected, rel=1e-5)


def test_layout_loss_pulls_towards_the_expert_and_stays_finite(expert):
    logits = tf.Variable(
        tf.fill([BATCH, STEPS, MODULES], 300.0) * tf.range(MODULES, dtype=tf.float32)
    )
    allowed = np.eye(MODULES, dtype=np.float32)
    for table in (None, allowed):
        with tf.GradientTape() as tape:
            loss = layout_loss(logits, expert, allowed=table)
        gradient = tape.gradient(loss, logits).numpy()
        assert np.isfinite(loss.numpy())
        assert np.isfinite(gradient).all()
        at_expert = np.take_along_axis(gradient, expert[..., None], axis=-1)
        assert (at_expert <= 0).all()
        assert at_expert.min() < 0


def test_soft_cross_entropy_sums_over_answers_and_is_least_at_the_targets():
    rng = np.random.default_rng(7)
    logits = rng.normal(size=[BATCH, ANSWERS]).astype(np.float32)
    targets = rng.uniform(size=[BATCH, ANSWERS]).astype(np.float32)
    shares = 1 / (1 + np.exp(-logits))
    expected = -(targets * np.log(shares) + (1 - targets) * np.log(1 - shares)).sum(-1).mean()
    assert soft_cross_entropy(logits, targets).numpy() == pytest.approx(expected, rel=1e-5)
    best = tf.Variable(np.log(targets / (1 - targets)))
    with tf.GradientTape() as tape:
        loss = soft_cross_entropy(best, targets)
    assert np.abs(tape.gradient(loss, best).numpy()).max() < 1e-6


def test_answers_of_softmax_share_one_probability_and_those_of_sigmoid_have_their_own(logits):
    logits = logits[:, 0]
    exp = np.exp(logits)
    np.testing.assert_allclose(
        answer_probabilities(logits, "softmax"), exp / exp.sum(-1, keepdims=True), rtol=1e-5
    )
    np.testing.assert_allclose(answer_probabilities(logits, "sigmoid"), exp / (1 + exp), rtol=1e-5)
