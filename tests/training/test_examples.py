"""Which examples are trained on, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from lnmn_tf.errors import InputError
from lnmn_tf.training.examples import TrainingExamples
from tests.training.tiny_network import tiny_config


def positions(dataset) -> np.ndarray:
    """[steps, weight batch and structure batch, batch]."""
    return np.array([[pair["position"].numpy() for pair in pairs] for pairs in dataset])


@pytest.fixture(scope="module")
def examples(tiny_world):
    return TrainingExamples.open(tiny_config(tiny_world, structure_every=3))


def test_the_structure_part_shares_no_image_with_the_weights_part(examples):
    weights, structure = examples.weights.questions, examples.structure.questions
    assert not set(weights.image_index) & set(structure.image_index)
    assert len(weights) + len(structure) == 60


@pytest.mark.parametrize("epoch, start", [(0, 1), (0, 2), (1, 0), (1, 3)])
def test_an_epoch_begun_in_its_middle_goes_on_as_the_whole_one(examples, epoch, start):
    whole = positions(examples.epoch(epoch, 0))
    np.testing.assert_array_equal(positions(examples.epoch(epoch, start)), whole[start:])


def test_each_structure_batch_stands_as_often_as_steps_share_it(examples):
    steps = np.concatenate([positions(examples.epoch(epoch, 0))[:, 1] for epoch in range(3)])
    for step, batch in enumerate(steps):
        np.testing.assert_array_equal(batch, steps[step - step % 3])
    assert (steps[0] != steps[3]).any()


def test_an_epoch_of_pairs_does_not_wait_for_the_thread_that_tunes_it(examples):
    assert examples.epoch(0, 0).options().autotune.enabled is False


def test_an_epoch_of_the_weights_asks_no_question_twice(examples):
    seen = positions(examples.epoch(0, 0))[:, 0].ravel()
    assert len(seen) == len(set(seen.tolist()))


def test_a_limit_on_hops_holds_for_training(tiny_world):
    examples = TrainingExamples.open(tiny_config(tiny_world, max_hops=1))
    assert examples.weights.questions.hop_counts.max() <= 1


@pytest.mark.parametrize(
    "choices, words",
    [
        ({"batch_size": 59}, ["--batch_size", "59"]),
        ({"warmup_steps": 1000}, ["warmup_steps", "1000"]),
    ],
)
def test_too_little_data_is_told_before_training(tiny_world, choices, words):
    with pytest.raises(InputError) as caught:
        TrainingExamples.open(tiny_config(tiny_world, **choices))
    for word in words:
        assert word in str(caught.value)
