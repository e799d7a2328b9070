"""Accuracy tables and prediction files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.question_set import UNKNOWN_FAMILY
from lnmn_tf.training.baselines import (
    _of_like_length,
    most_frequent_answer,
    question_only_lstm,
)
from lnmn_tf.training.evaluation import accuracy_table, format_table, write_predictions


@pytest.fixture(scope="module")
def questions(tiny_world):
    return read_questions(tiny_world, "train")


def test_accuracy_is_the_share_of_right_answers_and_its_families_weighted(questions):
    rng = np.random.default_rng(5)
    predictions = rng.integers(questions.vocabulary.num_answers, size=len(questions))
    table = accuracy_table(predictions, questions)
    assert table["accuracy"] == np.mean(predictions == questions.answers)
    assert table["questions"] == len(questions)
    counts = {
        name: np.sum(questions.families == i) for i, name in enumerate(questions.family_names)
    }
    weighted = sum(counts[name] * value for name, value in table["families"].items())
    assert weighted / len(questions) == pytest.approx(table["accuracy"])
    hops = questions.hop_counts
    assert set(table["hops"]) == {str(h) for h in hops} and len(table["hops"]) > 1
    for h, families in table["hops"].items():
        for name, value in families.items():
            asked = (hops == int(h)) & (questions.families == questions.family_names.index(name))
            assert value == np.mean((predictions == questions.answers)[asked])


def test_right_answers_are_all_right(questions):
    table = accuracy_table(questions.answers, questions)
    assert table["accuracy"] == 1.0
    assert set(table["families"].values()) == {1.0}
    assert "100.0" in format_table({"val": table})


def test_predictions_stand_one_a_line_in_the_order_of_the_questions(questions, tmp_path):
    path = tmp_path / "predictions.txt"
    write_predictions(path, questions.answers, questions.vocabulary)
    lines = path.read_text().splitlines()
    assert lines == [questions.vocabulary.answers[i] for i in questions.answers]


def test_no_constant_answer_of_a_template_beats_the_most_frequent_one(questions):
    right = most_frequent_answer(questions, questions) == questions.answers
    templates = questions.question_family_index
    assert len(np.unique(templates)) > len(np.unique(questions.families))
    for template in np.unique(templates):
        answers = questions.answers[templates == template]
        best = max(np.mean(answers == answer) for answer in np.unique(answers))
        assert right[templates == template].mean() == pytest.approx(best)


def test_without_templates_the_most_frequent_answer_is_the_familys(questions):
    unknown = np.full(len(questions), UNKNOWN_FAMILY, np.int32)
    questions = dataclasses.replace(questions, question_family_index=unknown)
    table = accuracy_table(most_frequent_answer(questions, questions), questions)
    for index, name in enumerate(questions.family_names):
        answers = questions.answers[questions.families == index]
        if len(answers):
            best = max(np.mean(answers == answer) for answer in np.unique(answers))
            assert table["families"][name] == pytest.approx(best)


def test_what_training_never_saw_gets_the_answer_of_the_next_wider_kind(questions):
    """Six training questions; numbers are ids of answers, families and templates."""

    def kinds(answers, families, templates):
        return dataclasses.replace(
            questions.select(np.arange(len(answers))),
            answers=np.array(answers, np.int32),
            families=np.array(families, np.int8),
            question_family_index=np.array(templates, np.int32),
        )

    train = kinds([3, 3, 3, 1, 1, 2], [0, 0, 0, 1, 1, 1], [7, 7, 7, 5, 5, 7])
    reported = kinds([0] * 5, [0, 1, 1, 1, 2], [7, 7, 5, 9, 7])
    assert most_frequent_answer(train, reported).tolist() == [3, 2, 1, 1, 3]


def test_the_question_only_lstm_is_asked_each_question_once_without_needless_padding(questions):
    def with_answers(ids, answers):
        return sorted((*words[words > 0], -1, answer) for words, answer in zip(ids, answers))

    asked = []
    for words, answers in _of_like_length(questions, seed=3):
        asked += with_answers(words.numpy(), answers.numpy())
        assert (words.numpy() > 0).any(axis=0).all()
    assert sorted(asked) == with_answers(questions.question_ids, questions.answers)


def test_the_question_only_lstm_gives_one_answer_to_one_question(questions):
    predictions = question_only_lstm(questions, questions, seed=3)
    assert predictions.shape == (len(questions),)
    by_text = {}
    for text, answer in zip(questions.texts, predictions):
        assert by_text.setdefault(text, answer) == answer
