"""Questions with *same*, asked of another feature: does the answer follow the word?

Only a swap that changes the answer tells. "What color is the other cube that has the same size as the ball?" becomes ".. the same
material as .." where both have an answer, and these differ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lnmn_tf.analysis.subject import Subject
from lnmn_tf.training.examples import Examples
from lnmn_tf.world.programs import function_of
from lnmn_tf.world.shortcut import answers_by_feature, place_of_same

Records = Iterable[tuple[int, Mapping[str, Any], Mapping[str, Any]]]


def swapped(subject: Subject, records: Records) -> dict[str, np.ndarray]:
    """Asks a network all swaps that change the answer.

    Args:
        subject: the network and questions.
        records: position, record in CLEVR's JSON form, and scene of each question.

    Returns:
        `position` of the question of each swap, and whether the network says what is right after the swap, `follows`, or what was
        right before, `stays`, each [swaps].
    """
    positions, rows, after = [], [], []
    for position, record, scene in records:
        program = record["program"]
        if place_of_same(program) < 0:
            continue
        feature = function_of(program[place_of_same(program)]).partition("_")[2]
        for other, answer in answers_by_feature(program, scene).items():
            row = _named(subject, position, feature, other)
            if answer != record["answer"] and row is not None:
                positions.append(position)
                rows.append(row)
                after.append(answer)
    if not positions:
        return dict.fromkeys(("position", "follows", "stays"), np.zeros(0))
    questions = subject.questions
    before = questions.answers[positions]
    asked = dataclasses.replace(questions.select(np.array(positions)), question_ids=np.array(rows))
    said = np.zeros(len(rows), int)
    of_swaps = dataclasses.replace(subject, examples=Examples(asked, subject.examples.store))
    for batch in of_swaps.batches():
        logits = subject.probe.answer(batch.encoded)["logits"].numpy()[: batch.real]
        said[batch.positions] = logits.argmax(-1)
    follows = [subject.vocabulary.answers[i] == answer for i, answer in zip(said, after)]
    return {
        "position": np.array(positions, float),
        "follows": np.array(follows, float),
        "stays": (said == before).astype(float),
    }


def _named(subject: Subject, position: int, feature: str, other: str) -> np.ndarray | None:
    """The words of a question, with another feature behind "same"; None where it does not say so, or that word is not known."""
    words, row = subject.vocabulary.words, subject.questions.question_ids[position].copy()
    said = [words[i] for i in row]
    places = [i for i in range(1, len(said)) if said[i - 1 : i + 1] == ["same", feature]]
    if len(places) != 1 or other not in subject.vocabulary.word_ids:
        return None
    row[places[0]] = subject.vocabulary.word_ids[other]
    return row
