"""Fresh questions: others in every epoch, and in all else what the world's own files hold.

That they are well-posed is tested with the files' questions, in test_questions.py.
"""

import random
from collections import Counter, defaultdict

import numpy as np
import pytest

from lnmn_tf.data.vocabulary import tokenize
from lnmn_tf.errors import InputError
from lnmn_tf.world.filters import FilterIndex
from lnmn_tf.world.fresh import fresh_questions
from lnmn_tf.world.instances import DeadEnd, instantiate
from lnmn_tf.world.lexicon import answers_of, texts_of
from lnmn_tf.world.programs import SceneGraph
from lnmn_tf.world.questions import AnswerBalance, families_of, generate_questions
from lnmn_tf.world.scene_table import FILTERS, SceneTable
from lnmn_tf.world.scenes import sample_scene
from lnmn_tf.world.templates import FAMILIES, QUESTION_TYPES
from lnmn_tf.world.walks import walk

TYPES = ("zero_hop:3", "same_relate", "comparison:2")


@pytest.fixture(scope="module")
def scenes():
    return [
        sample_scene(np.random.default_rng([7, index]), index, "train").to_json(30, 20)
        for index in range(101)
    ]


def test_they_are_a_pure_function_of_seed_and_epoch(scenes):
    table = SceneTable(scenes)
    first = fresh_questions(scenes, TYPES, 5, seed=2, epoch=3)
    again = fresh_questions(table, TYPES, 5, seed=2, epoch=3)
    assert first.asked == again.asked
    for seed, epoch in ((2, 4), (3, 3), (3, 2)):
        other = fresh_questions(table, TYPES, 5, seed, epoch)
        same = sum(one == two for one, two in zip(first.texts, other.texts))
        assert same < 0.1 * len(first.texts)


def test_every_scene_is_asked_as_much_as_wanted_and_nothing_twice(scenes):
    fresh = fresh_questions(scenes, TYPES, 11, seed=0, epoch=0)
    assert Counter(fresh.scenes.tolist()) == dict.fromkeys(range(101), 11)
    assert fresh.scenes.tolist() == sorted(fresh.scenes)
    assert len(set(zip(fresh.scenes.tolist(), fresh.texts))) == len(fresh.texts)


def test_a_scene_with_little_to_ask_gives_fewer(scenes):
    lone = sample_scene(np.random.default_rng(0), 0, "train", 1, 1).to_json(30, 20)
    assert fresh_questions([lone], ("three_hop", "comparison"), 3, 0, 0).texts == []
    some = fresh_questions([lone, scenes[0]], ("zero_hop", "comparison"), 7, 0, 0)
    assert Counter(some.scenes.tolist())[1] == 7
    assert {FAMILIES[f].question_type for f in some.families[some.scenes == 0]} == {"zero_hop"}


@pytest.fixture(scope="module")
def both(scenes):
    """(family, answer, functions in the program) of fresh questions, and of a world's files."""
    fresh = [
        question
        for epoch in range(3)
        for made in [fresh_questions(scenes, TYPES, 12, seed=1, epoch=epoch)]
        for question in zip(made.families.tolist(), made.answers, made.program_lengths.tolist())
    ]
    filed, rng = [], random.Random(0)
    for _ in range(3):
        for first in range(0, len(scenes), 50):
            balance = AnswerBalance()
            for scene in scenes[first : first + 50]:
                filed += generate_questions(scene, rng, 12, TYPES, balance)
    filed = [(q["question_family_index"], q["answer"], len(q["program"])) for q in filed]
    assert len(fresh) == len(filed) == 3 * 12 * 101
    return fresh, filed


@pytest.mark.parametrize(
    "what",
    [
        lambda family, answer, length: family,
        lambda family, answer, length: (FAMILIES[family].function, answer),
        lambda family, answer, length: length,
    ],
    ids=["families", "answers", "program lengths"],
)
def test_they_are_distributed_as_in_the_worlds_files(both, what):
    """Counts of two samples of one distribution differ by few standard deviations."""
    fresh, filed = (Counter(what(*question) for question in questions) for questions in both)
    for kind in {**fresh, **filed}:
        deviation = np.sqrt(fresh[kind] + filed[kind])
        assert abs(fresh[kind] - filed[kind]) < 4.5 * deviation, (kind, fresh[kind], filed[kind])
    assert len(fresh) > 10


def test_walks_at_once_end_as_often_in_vain_and_name_as_much_as_one_at_a_time(scenes):
    """The two kinds of walk keep the same laws: by type, what lives and how long nouns are."""
    table, rng = SceneTable(scenes[:23]), np.random.default_rng(5)
    indices, one_rng = [FilterIndex(SceneGraph(scene)) for scene in scenes[:23]], random.Random(5)
    shares = defaultdict(lambda: np.zeros([2, 6]))  # alive, then nouns of 0 to 4 attributes
    for family in FAMILIES:
        tally = shares[family.question_type]
        rows = np.arange(230) % 23
        walked = walk(family.sketch, table, rows, rng)
        tally[0, 0] += walked.alive.sum()
        for ids in walked.nouns.values():
            for position in ids[walked.alive].tolist():
                tally[0, 1 + len(FILTERS[position])] += 1
        for row in rows.tolist():
            try:
                instance = instantiate(family.sketch, indices[row], one_rng)
            except DeadEnd:
                continue
            tally[1, 0] += 1
            for filters in instance.nouns.values():
                tally[1, 1 + len(filters)] += 1
    assert set(shares) == set(QUESTION_TYPES)
    for name, (at_once, one_by_one) in shares.items():
        deviation = np.sqrt(at_once + one_by_one + 1)
        assert (abs(at_once - one_by_one) < 5 * deviation).all(), (name, at_once, one_by_one)


@pytest.mark.parametrize("types", [(name,) for name in QUESTION_TYPES] + [("zero_hop", "one_hop")])
def test_the_lexicon_holds_every_word_and_answer(scenes, types):
    fresh = fresh_questions(scenes, types, 12, seed=4, epoch=1)
    words = {word for text in fresh.texts for word in tokenize(text)}
    known = {word for text in texts_of(types) for word in tokenize(text)}
    assert words <= known
    assert len(known - words) < 12
    assert set(fresh.answers) <= set(answers_of(types))


def test_the_lexicon_does_not_depend_on_weights():
    assert texts_of(("zero_hop:7", "one_hop")) == texts_of(("zero_hop", "one_hop:2"))
    assert set(families_of(("zero_hop:7",))) == set(families_of(("zero_hop",)))


@pytest.mark.parametrize("wrong", [{"questions_per_image": 0}, {"seed": -1}, {"epoch": -1}])
def test_arguments_out_of_range_are_named(scenes, wrong):
    arguments = {"questions_per_image": 1, "seed": 0, "epoch": 0, **wrong}
    (name,) = wrong
    with pytest.raises(InputError, match=f"{name} is {wrong[name]}"):
        fresh_questions(scenes[:1], TYPES, **arguments)


def test_a_scene_of_another_universe_is_named(scenes):
    foreign = {**scenes[0], "objects": [{**scenes[0]["objects"][0], "color": "mauve"}]}
    with pytest.raises(InputError, match=r"CLEVR_train_000000.png.*CLEVR's values"):
        SceneTable([foreign])
