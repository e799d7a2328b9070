"""The graded world: what its answers mean, and what they tell apart."""

import numpy as np
import pytest

from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.expert_layouts import expert_layout
from lnmn_tf.data.features import FeatureStore
from lnmn_tf.errors import InputError
from lnmn_tf.world.graded import (
    ANSWERS,
    COLORS,
    KINDS,
    MARGIN,
    SHARPNESS,
    TRUTH,
    graded_world,
    write_graded,
)
from lnmn_tf.world.planted import ATTRIBUTES, OPERATORS


@pytest.fixture(scope="module")
def world():
    return graded_world(1500, 3)


def test_answers_are_what_the_kinds_say(world):
    """One question at a time, in plain Python."""
    for position in range(400):
        text = world.text(position).strip("?").split()
        named = [ATTRIBUTES.index(word) for word in text if word in ATTRIBUTES]
        things = world.degrees[position].tolist()
        a = [thing[named[0]] for thing in things]
        b = [thing[named[-1]] for thing in things]
        colors = [COLORS[c] for c in world.colors[position]]
        kind, best = KINDS[world.kinds[position]], colors[a.index(max(a))]
        both, either = [min(p) for p in zip(a, b)], [max(p) for p in zip(a, b)]
        expected = {
            "one": best,
            "and": colors[both.index(max(both))],
            "or": colors[either.index(max(either))],
            "same": "yes" if best == colors[b.index(max(b))] else "no",
            "more": "yes" if sum(a) > sum(b) else "no",
        }[kind]
        assert ANSWERS[world.answers[position]] == expected
        assert len(named) == (1 if kind == "one" else 2)


@pytest.mark.parametrize("kind", list(TRUTH))
def test_contested_questions_refute_every_other_symmetric_operator_and_soft_forms(world, kind):
    rows = world.of_kind(kind) & world.contested
    assert rows.sum() >= 0.4 * world.of_kind(kind).sum()
    assert (world.answers_with(TRUTH[kind]) == world.answers)[rows].all()
    for name in {"min", "max", "sum", "product"} - {TRUTH[kind]}:
        assert not (world.answers_with(name) == world.answers)[rows].any()
    sign = -1 if kind == "and" else 1
    for sharpness in SHARPNESS:
        soft = sign * sum(np.exp(sign * sharpness * x) for x in world.pairs())
        theirs = world.colors[np.arange(len(soft)), soft.argmax(axis=1)]
        assert not (theirs == world.answers)[rows].any()


def test_min_and_max_do_not_care_how_a_degree_is_measured(world):
    a, b = world.pairs()
    for kind, name in TRUTH.items():
        values = OPERATORS[name](np.exp(5 * a), np.exp(5 * b))
        theirs = world.colors[np.arange(len(a)), values.argmax(axis=1)]
        assert (theirs == world.answers)[world.of_kind(kind)].all()


def test_winners_are_clear_and_answers_balanced(world):
    for kind, name in TRUTH.items():
        values = np.sort(OPERATORS[name](*world.pairs())[world.of_kind(kind)], axis=1)
        assert (values[:, -1] - values[:, -2] > MARGIN).all()
    for kind in ("same", "more"):
        yes = np.mean(world.answers[world.of_kind(kind)] == ANSWERS.index("yes"))
        assert 0.4 < yes < 0.6


def test_the_folder_is_read_as_any_other_and_has_expert_layouts(world, tmp_path):
    write_graded(tmp_path, {"train": world})
    questions = read_questions(tmp_path, "train", require_images=False)
    store = FeatureStore(tmp_path / "train.h5", questions.image_rows)
    np.testing.assert_array_equal(store.read(np.arange(3)), world.features[:3])
    np.testing.assert_array_equal(questions.question_family_index, world.kinds)
    import json

    records = json.loads((tmp_path / "questions" / "CLEVR_train_questions.json").read_text())
    layouts = {
        KINDS[record["question_family_index"]]: expert_layout(record["program"])
        for record in records["questions"]
    }
    assert layouts == {
        "one": ["find", "describe_one"],
        "and": ["find", "find", "and", "describe_one"],
        "or": ["find", "find", "or", "describe_one"],
        "same": ["find", "find", "describe_two"],
        "more": ["find", "find", "describe_two"],
    }


def test_a_world_is_a_function_of_its_seed_and_refuses_nonsense(world):
    again = graded_world(1500, 3)
    assert all(np.array_equal(x, y) for x, y in zip(world, again))
    with pytest.raises(InputError, match="expected some of one, and"):
        graded_world(3, 0, kinds=["xor"])
    with pytest.raises(InputError, match="expected at least 1 example"):
        graded_world(0, 0)
