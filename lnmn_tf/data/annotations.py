"""What several people answered to each question, and the soft targets that follow from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from lnmn_tf.data.vqa_accuracy import question_accuracy

NO_TARGET = -1


@dataclass(frozen=True, eq=False)
class Annotations:
    """The answers of A annotators to N questions.

    Args:
        texts: the different answers, as written.
        said: int32 [N, A], which of `texts` each annotator gave.
        question_types: names of the ways in which questions begin; `question_family_index` of the
            question set numbers them.
        target_ids: int32 [N, A], the answers of the vocabulary that annotators gave, each once,
            `NO_TARGET` after the last.
        target_scores: float32 [N, A], in [0, 1], min(n / 3, 1) where n annotators gave the answer.
    """

    texts: tuple[str, ...]
    said: np.ndarray
    question_types: tuple[str, ...]
    target_ids: np.ndarray
    target_scores: np.ndarray

    def select(self, indices: np.ndarray) -> Annotations:
        """Those of some of the questions."""
        return dataclasses.replace(
            self,
            said=self.said[indices],
            target_ids=self.target_ids[indices],
            target_scores=self.target_scores[indices],
        )

    def answers(self, position: int) -> list[str]:
        """What each annotator said to a question, as written."""
        return [self.texts[index] for index in self.said[position]]

    def accuracy(self, position: int, prediction: str, rules: str = "official") -> float:
        """Accuracy of a prediction, in [0, 1]; see `question_accuracy`."""
        return question_accuracy(prediction, self.answers(position), rules)

    def targets(self, positions: np.ndarray, num_answers: int) -> np.ndarray:
        """Soft targets for a sigmoid of each answer, float32 [n, num_answers]."""
        ids, scores = self.target_ids[positions], self.target_scores[positions]
        dense = np.zeros([len(ids), num_answers], np.float32)
        rows, columns = np.nonzero(ids != NO_TARGET)
        dense[rows, ids[rows, columns]] = scores[rows, columns]
        return dense


def soft_targets(said: np.ndarray, answer_of_text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers of the vocabulary with their scores min(n / 3, 1) (Hu et al., 2018).

    Args:
        said: int32 [N, A], see `Annotations`.
        answer_of_text: int32 [texts], the answer id of each text, or `NO_TARGET`.

    Returns:
        ids int32 [N, A], the most frequent first (of equals, the one given first), and scores float32
        [N, A].
    """
    given = answer_of_text[said]
    votes = (given[:, :, None] == given[:, None, :]).sum(axis=2)
    # Equal answers have equal votes; the first of each stands for all.
    earlier = np.tril(np.ones(2 * given.shape[1:], bool), k=-1)
    repeated = ((given[:, :, None] == given[:, None, :]) & earlier).any(axis=2)
    wanted = (given != NO_TARGET) & ~repeated
    order = np.argsort(np.where(wanted, -votes, 1), axis=1, kind="stable")
    wanted = np.take_along_axis(wanted, order, axis=1)
    ids = np.where(wanted, np.take_along_axis(given, order, axis=1), NO_TARGET)
    votes = np.take_along_axis(votes, order, axis=1)
    scores = np.where(wanted, np.minimum(votes / 3.0, 1.0), 0.0)
    return ids.astype(np.int32), scores.astype(np.float32)
