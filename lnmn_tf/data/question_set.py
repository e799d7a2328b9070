"""The questions of one split as compact arrays."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lnmn_tf.data.annotations import Annotations
from lnmn_tf.data.vocabulary import PADDING, RESERVED_WORDS, UNKNOWN, Vocabulary
from lnmn_tf.errors import InputError

UNKNOWN_FAMILY = -1
NO_ANSWER = -1  # the annotators' answers are none of the vocabulary's
NO_MODULE = -1  # after the end of a layout


@dataclass(frozen=True, eq=False)
class QuestionSet:
    """N questions about I images; all arrays are [N] unless said otherwise.

    Args:
        source: the file the questions come from, for messages.
        vocabulary: what the ids below mean.
        question_ids: int32 [N, S], word ids, `PADDING` after the last word.
        lengths: int32, words per question, in [1, S].
        answers: int32, answer ids, or None for a split without answers (CLEVR's test split). With
            annotations, the answer that most annotators gave, or `NO_ANSWER`.
        image_index: int32, row of the question's image in `image_filenames` and `image_rows`.
        image_filenames: I names of pictures, each once.
        image_rows: int32 [I], the image's number in its split: its row in a feature file.
        images_in_split: number of pictures in the folder of the split, whether asked about or not;
            None where there is no such folder (features only).
        families: int8, index in `family_names`, or `UNKNOWN_FAMILY`.
        family_names: the kinds of question the data set tells apart.
        question_family_index: int32, the template the data set says the question was made from, or
            `UNKNOWN_FAMILY` where it says none. Templates of different `families` may share a number.
        program_lengths: int16, functions in the program, 0 where there is none.
        hop_counts: int16, steps from object to object (`relate`, `same_*`) in the program.
        question_index: int32, the number the data set gives the question.
        texts: object [N], the questions as written.
        layouts: int8 [N, L], the expert's modules (`lnmn_tf.data.expert_layouts.MODULES`), `NO_MODULE`
            after the last and for a question without a program; None where no question has one.
        annotations: what ten people said to each question (VQA), or None.
    """

    source: str
    vocabulary: Vocabulary
    question_ids: np.ndarray
    lengths: np.ndarray
    answers: np.ndarray | None
    image_index: np.ndarray
    image_filenames: tuple[str, ...]
    image_rows: np.ndarray
    images_in_split: int | None
    families: np.ndarray
    family_names: tuple[str, ...]
    question_family_index: np.ndarray
    program_lengths: np.ndarray
    hop_counts: np.ndarray
    question_index: np.ndarray
    texts: np.ndarray
    layouts: np.ndarray | None = None
    annotations: Annotations | None = None

    def __len__(self) -> int:
        return len(self.question_ids)

    @property
    def max_length(self) -> int:
        """S, the padded length."""
        return self.question_ids.shape[1]

    def select(self, indices: np.ndarray) -> QuestionSet:
        """The questions at `indices` (positions, or a boolean mask), in that order.

        Padding and images stay as they are, so an image store opened for the whole set serves every
        part of it.
        """
        return dataclasses.replace(
            self,
            question_ids=self.question_ids[indices],
            lengths=self.lengths[indices],
            answers=None if self.answers is None else self.answers[indices],
            image_index=self.image_index[indices],
            families=self.families[indices],
            question_family_index=self.question_family_index[indices],
            program_lengths=self.program_lengths[indices],
            hop_counts=self.hop_counts[indices],
            question_index=self.question_index[indices],
            texts=self.texts[indices],
            layouts=None if self.layouts is None else self.layouts[indices],
            annotations=None if self.annotations is None else self.annotations.select(indices),
        )

    def with_vocabulary(self, vocabulary: Vocabulary) -> QuestionSet:
        """The same questions with ids of another vocabulary; words that it lacks become `<unk>`.

        Raises InputError where it lacks an answer.
        """
        ids = {**vocabulary.word_ids, **{word: i for i, word in enumerate(RESERVED_WORDS)}}
        words = np.array([ids.get(word, UNKNOWN) for word in self.vocabulary.words], np.int32)
        answers = self.answers
        if answers is not None:
            used = np.unique(answers)
            new = np.full(self.vocabulary.num_answers, NO_ANSWER, np.int32)
            for answer in used[used != NO_ANSWER].tolist():
                new[answer] = vocabulary.encode_answer(self.vocabulary.answers[answer])
            answers = np.where(answers == NO_ANSWER, NO_ANSWER, new[answers])
        return dataclasses.replace(
            self, vocabulary=vocabulary, question_ids=words[self.question_ids], answers=answers
        )

    def padded_to(self, length: int) -> QuestionSet:
        """The same questions with S = `length`. Raises InputError where a question is longer."""
        if len(self) and length < self.lengths.max():
            longest = int(self.lengths.argmax())
            raise InputError(
                f"{self.describe(longest)} has {self.lengths[longest]} words; "
                f"expected at most {length}"
            )
        question_ids = np.full([len(self), length], PADDING, np.int32)
        kept = min(length, self.max_length)
        question_ids[:, :kept] = self.question_ids[:, :kept]
        return dataclasses.replace(self, question_ids=question_ids)

    def describe(self, position: int) -> str:
        """Names the question at a position, for messages."""
        image = self.image_filenames[self.image_index[position]]
        return (
            f"{self.source}: question {self.question_index[position]} "
            f"({self.texts[position]!r}, image {image})"
        )


def pad(sequences: Iterable[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Puts sequences of ids side by side.

    Returns:
        ids: int32 [N, S], `PADDING` after the end of each; S is the longest length.
        lengths: int32 [N].
    """
    flat = array("i")
    lengths = array("i")
    for ids in sequences:
        flat.extend(ids)
        lengths.append(len(ids))
    lengths = np.array(lengths, np.int32)
    return padded(np.array(flat, np.int32), lengths, PADDING), lengths


def padded(flat: np.ndarray, lengths: np.ndarray, filler: int) -> np.ndarray:
    """Sequences that lie one after another, side by side, [N, longest], `filler` after each."""
    rows = np.full([len(lengths), lengths.max(initial=0)], filler, flat.dtype)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = flat
    return rows


def split_for_structure(
    question_set: QuestionSet, fraction: float, seed: int
) -> tuple[QuestionSet, QuestionSet]:
    """Splits a training set by image into a part for the weights and one for the structure.

    LNMN learns its structure (alpha) on questions that its weights do not see; no image is in both
    parts. The result is a pure function of the images, `fraction` and `seed`.

    Args:
        fraction: share of the images that goes to the structure, in (0, 1).
        seed: which images.

    Returns:
        (weights part, structure part), each with its questions in the original order.
    """
    if not 0.0 < fraction < 1.0:
        raise InputError(f"structure fraction is {fraction}; expected a number between 0 and 1")
    images = np.unique(question_set.image_index)
    if len(images) < 2:
        raise InputError(
            f"{question_set.source}: the questions are about {len(images)} image; a split into "
            "weights and structure part needs at least 2"
        )
    held_out = int(np.clip(round(fraction * len(images)), 1, len(images) - 1))
    chosen = np.random.default_rng(seed).permutation(images)[:held_out]
    for_structure = np.isin(question_set.image_index, chosen)
    return question_set.select(~for_structure), question_set.select(for_structure)
