"""Results on VQA: the accuracy tables of a split, and the file that the evaluation server takes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lnmn_tf.data.fields import index_of, record_of, shown, text_of
from lnmn_tf.data.question_set import QuestionSet
from lnmn_tf.data.vqa_accuracy import accuracy_by_type
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_text


def vqa_table(predictions: Sequence[str], questions: QuestionSet, rules: str = "official") -> dict:
    """The official accuracy of predictions, over all and by type.

    Args:
        predictions: N answers.
        questions: N questions with annotations.
        rules: "official" or "strict", see `lnmn_tf.data.vqa_accuracy`.

    Returns:
        {"accuracy": in [0, 1], "families": {answer type: in [0, 1]}, "question_types": {type: in [0, 1]},
        "questions": N, "vqa_rules": rules}; shares of whole hundredths of a percent, as the server has
        them.
    """
    annotations = questions.annotations
    if annotations is None:
        raise InputError(f"{questions.source}: has no annotations; expected a split that has")
    table = accuracy_by_type(
        (annotations.accuracy(i, text, rules) for i, text in enumerate(predictions)),
        (annotations.question_types[i] for i in questions.question_family_index),
        (questions.family_names[i] for i in questions.families),
    )
    shares = {
        name: {kind: _share(percent) for kind, percent in sorted(table[name].items())}
        for name in ("answer_types", "question_types")
    }
    return {
        "accuracy": _share(table["overall"]),
        "families": shares["answer_types"],
        "question_types": shares["question_types"],
        "questions": len(questions),
        "vqa_rules": rules,
    }


def write_results(
    path: str | os.PathLike, predictions: Sequence[str], questions: QuestionSet
) -> None:
    """Writes [{"question_id": 1, "answer": "yes"}, ...], as the evaluation server wants it."""
    pairs = zip(questions.question_index.tolist(), predictions)
    entries = [{"question_id": question, "answer": answer} for question, answer in pairs]
    write_text(path, json.dumps(entries, ensure_ascii=False) + "\n")


def read_results(path: str | os.PathLike, questions: QuestionSet) -> list[str]:
    """The predictions of a result file, in the order of the questions.

    Raises:
        InputError: no such file, not JSON, another form, a question that the split does not have, or one
            without an answer or with two.
    """
    try:
        entries = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(entries, list):
        raise InputError(f"{path}: is {shown(entries)}; expected a list of results")
    position_of = {q: position for position, q in enumerate(questions.question_index.tolist())}
    predictions: list[str | None] = [None] * len(questions)
    for number, entry in enumerate(entries):
        try:
            question = index_of(record_of(entry), "question_id")
            position = position_of.get(question)
            if position is None:
                raise InputError(
                    f"field 'question_id' is {question}; expected a question of {questions.source}"
                )
            if predictions[position] is not None:
                raise InputError(
                    f"field 'question_id' is {question}, as before; expected each once"
                )
            predictions[position] = text_of(entry, "answer", may_be_empty=True)
        except InputError as error:
            raise InputError(f"{path}: [{number}]: {error}") from None
    missing = np.flatnonzero([prediction is None for prediction in predictions])
    if len(missing):
        raise InputError(
            f"{path}: has no answer to question {questions.question_index[missing[0]]} (and to "
            f"{len(missing) - 1} more); expected one to each of the {len(questions)} questions of "
            f"{questions.source}"
        )
    return predictions


def _share(percent: float) -> float:
    return round(percent / 100, 4)
