"""Weights of a model for other words and answers: what both know keeps its weights.

A model of CLEVR is fine-tuned on CLEVR-Humans, whose people use many more words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lnmn_tf.data.vocabulary import RESERVED_WORDS, Vocabulary
from lnmn_tf.errors import InputError

NEW = -1


class VocabularyMap(NamedTuple):
    """Where each word and answer of a new vocabulary stands in an old one.

    Args:
        words: int32 [new.num_words], row of the old embedding, or `NEW`.
        answers: int32 [new.num_answers], column of the old classifier, or `NEW`.
        new_words: the words that the old vocabulary lacks.
        new_answers: the answers that it lacks.
        lost_answers: its answers that the new vocabulary lacks, and so cannot be given any more.
    """

    words: np.ndarray
    answers: np.ndarray
    new_words: tuple[str, ...]
    new_answers: tuple[str, ...]
    lost_answers: tuple[str, ...]

    def report(self) -> str:
        """What is known and what is not, in one line."""
        known = len(self.words) - len(self.new_words), len(self.answers) - len(self.new_answers)
        parts = [
            f"{known[0]} of {len(self.words)} words and {known[1]} of {len(self.answers)} answers keep "
            "their weights"
        ]
        for what, names in (
            ("answers begin fresh", self.new_answers),
            ("answers are dropped", self.lost_answers),
        ):
            if names:
                parts.append(
                    f"{len(names)} {what}: {', '.join(names[:10])}" + ", ..." * (len(names) > 10)
                )
        return "; ".join(parts)


def map_vocabulary(old: Vocabulary, new: Vocabulary) -> VocabularyMap:
    """Maps words and answers by their spelling; the reserved words map to themselves."""
    old_words = {**old.word_ids, **{word: i for i, word in enumerate(RESERVED_WORDS)}}
    words = [old_words.get(word, NEW) for word in new.words]
    answers = [old.answer_ids.get(answer, NEW) for answer in new.answers]
    return VocabularyMap(
        words=np.array(words, np.int32),
        answers=np.array(answers, np.int32),
        new_words=tuple(w for w, row in zip(new.words, words) if row == NEW),
        new_answers=tuple(a for a, row in zip(new.answers, answers) if row == NEW),
        lost_answers=tuple(a for a in old.answers if a not in new.answer_ids),
    )


def extended(old: Vocabulary, new: Vocabulary) -> Vocabulary:
    """Words and answers of both, those of the old one first and under their old numbers."""
    return Vocabulary.number((*old.words, *new.words), (*old.answers, *new.answers))


def carry_over(old: np.ndarray, fresh: np.ndarray, rows: np.ndarray, axis: int) -> np.ndarray:
    """An array of the old model as the new model wants it.

    Args:
        old: of the old model; along `axis` it numbers the old words or answers.
        fresh: of the new model before training; along `axis` it numbers the new ones.
        rows: `VocabularyMap.words` or `.answers`: what is `NEW` stays as in `fresh`.
        axis: of both arrays.

    Raises:
        InputError: the shapes differ in another axis.
    """
    axis %= fresh.ndim
    expected = list(fresh.shape)
    expected[axis] = old.shape[axis] if old.ndim == fresh.ndim else -1
    if list(old.shape) != expected or len(rows) != fresh.shape[axis]:
        raise InputError(
            f"--init_from: an array of the old model has the shape {list(old.shape)}; expected "
            f"{list(fresh.shape)}, up to axis {axis}"
        )
    result = np.moveaxis(fresh.copy(), axis, 0)
    known = rows != NEW
    result[known] = np.moveaxis(old, axis, 0)[rows[known]]
    return np.ascontiguousarray(np.moveaxis(result, 0, axis))
