"""Which answers a model of VQA knows, and which of them is right for a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lnmn_tf.data.annotations import NO_TARGET, Annotations, soft_targets
from lnmn_tf.data.question_set import NO_ANSWER
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.data.vqa_files import Said
from lnmn_tf.errors import InputError

NUM_ANSWERS = 3000


def most_frequent_answers(texts: Sequence[str], said: np.ndarray, count: int) -> list[str]:
    """The answers that annotators gave most often; of equals, those given first.

    Args:
        texts: the different answers, in order of first appearance.
        said: int [N, A], which of them each annotator gave.
        count: how many, at least 1; fewer where there are no more.
    """
    if count < 1:
        raise InputError(f"max_answers is {count}; expected at least 1")
    votes = np.bincount(said.ravel(), minlength=len(texts))
    order = np.argsort(-votes, kind="stable")
    return [texts[index] for index in order if texts[index].strip()][:count]


def answered(said: Said, vocabulary: Vocabulary) -> dict[str, Any]:
    """The fields of a question set that follow from what annotators said."""
    answer_ids = vocabulary.answer_ids
    answer_of_text = np.array([answer_ids.get(text, NO_TARGET) for text in said.texts], np.int32)
    target_ids, target_scores = soft_targets(said.said, answer_of_text)
    return {
        "answers": np.where(target_ids[:, 0] == NO_TARGET, NO_ANSWER, target_ids[:, 0]),
        "annotations": Annotations(
            tuple(said.texts), said.said, tuple(said.question_types), target_ids, target_scores
        ),
    }
