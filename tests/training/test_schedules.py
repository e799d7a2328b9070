"""Courses of lambda_w and of the learning rate."""

from __future__ import annotations

import numpy as np
import pytest
from tensorflow import keras

from lnmn_tf.config import TrainingConfig
from lnmn_tf.training.schedules import (
    StructureDecay,
    WarmUpAndDecay,
    entropy_weight,
    first_step,
    freedom,
    turning,
)


@pytest.mark.parametrize(
    "epoch, expected", [(0, 1.0), (5, 0.75), (20, 0.0), (25, -0.5), (30, -1.0), (47.5, -1.0)]
)
def test_the_papers_lambda_falls_to_zero_in_20_epochs_and_to_minus_one_in_10(epoch, expected):
    config = TrainingConfig(entropy_schedule="paper")
    assert entropy_weight(epoch, config) == pytest.approx(expected)


@pytest.mark.parametrize(
    "epoch, expected",
    [(0, 1.0), (0.99, 1.0), (19, 0.224490), (20, 0.102041), (21, -0.020408), (49, -3.448980)],
)
def test_the_released_lambda_is_that_of_the_authors_program(epoch, expected):
    config = TrainingConfig(entropy_schedule="released")
    summed = 1e-2 * expected * config.batch_size  # of the mean, where theirs is of the sum
    assert entropy_weight(epoch, config) == pytest.approx(summed, rel=1e-4)


@pytest.mark.parametrize("epochs", [3, 50])
def test_an_annealed_lambda_turns_after_the_share_of_search_and_ends_at_its_negative(epochs):
    config = TrainingConfig(epochs=epochs, search_share=0.25, entropy_weight=0.4)
    for share, expected in ((0.0, 0.4), (0.125, 0.2), (0.25, 0.0), (0.625, -0.2), (1.0, -0.4)):
        found = entropy_weight(share * epochs, config)
        assert found == pytest.approx(expected, abs=1e-9)


def test_the_annealed_decay_of_alpha_takes_the_course_of_lambda():
    decay = StructureDecay(0.3, total_steps=40, zero=0.25)
    found = [float(decay(step)) for step in range(41)]
    expected = [0.3 * turning(step / 40, 0.25) for step in range(41)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert float(decay(99)) == pytest.approx(-0.3)  # an extended run goes on so


def test_no_schedule_is_zero():
    assert entropy_weight(3, TrainingConfig(entropy_schedule="none")) == 0.0


@pytest.mark.parametrize("decay", ["constant", "cosine", "linear"])
def test_the_rate_rises_in_a_line_then_falls_to_its_share_without_ever_rising_again(decay):
    schedule = WarmUpAndDecay(0.3, warmup_steps=5, total_steps=29, decay=decay, final=0.1)
    rates = np.array([float(schedule(step)) for step in range(40)])
    np.testing.assert_allclose(rates[:5], 0.3 * np.arange(1, 6) / 5, rtol=1e-6)
    assert (np.diff(rates[5:]) <= 1e-8).all()
    expected_end = 0.3 if decay == "constant" else 0.03
    np.testing.assert_allclose(rates[29:], expected_end, rtol=1e-5)


def test_half_way_cosine_and_line_are_half():
    for decay in ("cosine", "linear"):
        schedule = WarmUpAndDecay(2.0, warmup_steps=0, total_steps=14, decay=decay)
        assert float(schedule(7)) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_without_a_rise_the_rate_is_that_of_keras(final):
    schedules = keras.optimizers.schedules
    for decay, theirs in (
        ("linear", schedules.PolynomialDecay(0.3, 29, end_learning_rate=0.3 * final)),
        ("cosine", schedules.CosineDecay(0.3, 29, alpha=final)),
    ):
        ours = WarmUpAndDecay(0.3, 0, 29, decay, final)
        steps = range(0, 40, 3)
        expected = [float(theirs(step)) for step in steps]
        np.testing.assert_allclose([float(ours(step)) for step in steps], expected, atol=1e-7)


def test_a_late_decay_stays_at_its_peak_until_then():
    schedule = WarmUpAndDecay(2.0, 4, 24, "linear", final=0.5, start=0.6)  # falls from step 16
    rates = [float(schedule(step)) for step in (4, 10, 16, 20, 24, 30)]
    np.testing.assert_allclose(rates, [2.0, 2.0, 2.0, 1.5, 1.0, 1.0], rtol=1e-6)


def test_a_schedule_survives_serialisation():
    schedule = WarmUpAndDecay(0.3, 5, 29, "cosine", 0.1, 0.5)
    again = WarmUpAndDecay.from_config(schedule.get_config())
    assert float(again(17)) == float(schedule(17))


@pytest.mark.parametrize(
    "num_steps, course",
    [
        (2, {0.0: 0, 1.0: 0}),
        (3, {0.0: 1, 0.09: 1, 0.1: 0, 1.0: 0}),
        (5, {0.0: 3, 0.09: 3, 0.1: 2, 1.0: 2}),
    ],
)
def test_a_growing_machine_opens_its_third_step(num_steps, course):
    config = TrainingConfig(grow_shares=(0.1, 0.5, 0.7))
    for share, expected in course.items():
        assert first_step(share, num_steps, config) == expected


@pytest.mark.parametrize("shares", [(0.1, 0.5, 0.7), (0.0, 0.0, 1.0), (0.1, 0.6, 0.6)])
def test_a_plan_fades_evenly_in_its_logarithm_and_is_gone_in_the_end(shares):
    config = TrainingConfig(grow_shares=shares)
    _, begin, end = shares
    for share in np.linspace(0.0, 1.0, 21):
        if share < begin:
            assert freedom(share, config) == 0.0
        elif share >= end:
            assert freedom(share, config) == 1.0
        else:
            left = (end - share) / (end - begin)
            assert np.log(freedom(share, config)) == pytest.approx(-10.0 * left)
