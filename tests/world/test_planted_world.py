"""Planted truth: answers that known operators made, and what of them can be found out from answers."""

import numpy as np
import pytest

from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.features import FeatureStore
from lnmn_tf.errors import InputError
from lnmn_tf.world.planted import (
    ANSWERS,
    ATTRIBUTES,
    KINDS,
    OPERATORS,
    TRUTH,
    WORDS,
    planted_world,
    write_planted,
)

OTHERS = [(kind, name) for kind in KINDS for name in OPERATORS if name != TRUTH[kind]]


@pytest.fixture(scope="module", params=[0, 1, 2])
def world(request):
    return planted_world(24_000, request.param)


def test_answers_are_what_logic_says_of_the_signs():
    """*and*: both hold; *or*: one does; *compare*: both or neither. One example at a time."""
    world = planted_world(701, 3)
    for position in range(701):
        kind, *names = (WORDS[word] for word in world.question_ids[position])
        one, other = (float(world.degrees[position][ATTRIBUTES.index(name)]) > 0 for name in names)
        expected = {"and": one and other, "or": one or other, "compare": one == other}[kind]
        assert ANSWERS[world.answers[position]] == ("yes" if expected else "no")
        assert names[0] != names[1]
        assert names[0] in world.text(position)


@pytest.mark.parametrize("kind, name", OTHERS)
def test_another_operator_changes_at_least_15_percent_of_the_answers(world, kind, name):
    assert world.changed_by(kind, name) >= 0.15
    changed = world.answers_with({kind: name}) != world.answers
    assert not changed[~world.of_kind(kind)].any()


def test_the_planted_operators_change_nothing(world):
    np.testing.assert_array_equal(world.answers_with(TRUTH), world.answers)
    assert [world.changed_by(kind, TRUTH[kind]) for kind in KINDS] == [0.0, 0.0, 0.0]


def least_error(values: np.ndarray, answers: np.ndarray) -> float:
    """Share of wrong answers of the best threshold, in the better direction."""
    ordered = answers[np.argsort(values)]
    no_below = np.concatenate([[0], np.cumsum(ordered)])
    yes_above = np.arange(len(ordered), -1, -1) - (ordered.sum() - no_below)
    errors = (no_below + yes_above) / len(ordered)
    return min(errors.min(), 1.0 - errors.max())


def pooled(world, kind: str, name: str) -> np.ndarray:
    """o(map_i, map_j), summed over the places, of the questions of a kind: what a model would see."""
    rows = np.flatnonzero(world.of_kind(kind))
    first, second = (world.question_ids[rows, 1:] - WORDS.index(ATTRIBUTES[0])).T
    maps = world.features[rows]
    everywhere = np.arange(len(rows))
    return OPERATORS[name](maps[everywhere, :, :, first], maps[everywhere, :, :, second]).sum(
        (1, 2)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_noisy_features_and_answers_identify_the_operator_whatever_the_threshold(world, kind):
    answers = world.answers[world.of_kind(kind)]
    errors = {name: least_error(pooled(world, kind, name), answers) for name in OPERATORS}
    assert min(errors, key=errors.get) == TRUTH[kind]
    assert errors.pop(TRUTH[kind]) < 0.01
    assert errors.pop("sum") > 0.08
    assert min(errors.values()) > 0.15


def test_min_and_max_are_exchanged_by_a_change_of_sign(world):
    """The docstring's warning: with maps of the other sign, the other of the two fits."""
    mirrored = world._replace(features=-world.features)
    answers = world.answers[world.of_kind("and")]
    assert least_error(pooled(mirrored, "and", "max"), answers) < 0.01
    assert least_error(pooled(mirrored, "and", "min"), answers) > 0.15


@pytest.mark.parametrize("name", OPERATORS)
def test_any_operator_can_be_planted(name):
    world = planted_world(6_000, 4, operators={"or": name})
    assert world.of_kind("or").all()
    answers = np.array([float(value) > 0 for value in OPERATORS[name](*world.pairs())])
    np.testing.assert_array_equal(answers, world.answers)
    least = min(world.changed_by("or", other) for other in OPERATORS if other != name)
    assert least >= 0.15


def test_kinds_answers_and_pairs_are_as_frequent_as_one_another(world):
    for kind in KINDS:
        assert world.of_kind(kind).sum() == 8_000
        assert abs(world.answers[world.of_kind(kind)].mean() - 0.5) < 0.02
    pairs, counts = np.unique(world.question_ids[:, 1:], axis=0, return_counts=True)
    assert len(pairs) == 20
    assert counts.min() > 0.8 * counts.max()


def test_no_single_attribute_and_no_question_word_gives_the_answer_away(world):
    for kind in KINDS:
        rows = world.of_kind(kind)
        for side in world.pairs():
            assert least_error(side[rows], world.answers[rows]) > 0.15


def test_the_object_stands_out_of_the_noise_at_its_place(world):
    flat = world.features.reshape(24_000, 6, 5)
    rows = np.arange(24_000)
    np.testing.assert_allclose(flat[rows, world.places], world.degrees, atol=0.12)
    elsewhere = np.delete(flat, 0, axis=1)[world.places == 0]
    assert abs(elsewhere.std() - 0.02) < 0.001
    assert np.abs(world.degrees).min() >= 0.1 and np.abs(world.degrees).max() <= 1.0


def test_a_world_is_a_pure_function_of_its_seed():
    one, again, other = (planted_world(97, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.features, again.features)
    np.testing.assert_array_equal(one.answers, again.answers)
    assert (one.features != other.features).any()


def test_a_written_world_is_read_as_any_other(tmp_path):
    worlds = {"train": planted_world(53, 0), "val": planted_world(31, 1)}
    write_planted(tmp_path, worlds)
    train = read_questions(tmp_path, "train", require_images=False)
    val = read_questions(tmp_path, "val", train.vocabulary, require_images=False)
    for split, questions in (("train", train), ("val", val)):
        world = worlds[split]
        store = FeatureStore(tmp_path / f"{split}.h5", questions.image_rows)
        read = store.read(questions.image_index)
        np.testing.assert_allclose(read, world.features, rtol=1e-6)
        answers = [train.vocabulary.answers[answer] for answer in questions.answers]
        assert answers == [ANSWERS[answer] for answer in world.answers]
        kinds = [KINDS[index] for index in questions.question_family_index]
        assert kinds == [WORDS[word] for word in world.question_ids[:, 0]]
    assert train.vocabulary.num_answers == 2


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"operators": {"and": "mean"}}, "'mean'"),
        ({"operators": {"nor": "min"}}, "'nor'"),
        ({"operators": {}}, "operators are {}"),
        ({"height": 0}, "height=0"),
        ({"noise": -1.0}, "noise=-1.0"),
    ],
)
def test_a_world_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        planted_world(3, 0, **wrong)
