"""What a data set holds, in words and numbers: `--mode=inspect`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from lnmn_tf.data.question_set import NO_ANSWER, QuestionSet
from lnmn_tf.data.vocabulary import RESERVED_WORDS, UNKNOWN, Vocabulary

SAMPLES = 10
_MOST_FREQUENT = 8  # answers shown for each family
_LISTED = 100  # words and answers of the vocabulary


def describe(splits: Mapping[str, QuestionSet], vocabulary: Vocabulary, seed: int = 0) -> str:
    """A report on the splits of a data set.

    Args:
        splits: question sets by the name of their split.
        vocabulary: of the training split.
        seed: which questions are shown as samples.

    Returns:
        Lines of text: sizes, lengths, answers by family, vocabulary, and samples of each split.
    """
    lines = [
        f"vocabulary: {vocabulary.num_words - len(RESERVED_WORDS)} words, "
        f"{vocabulary.num_answers} answers",
        f"  answers: {_listed(vocabulary.answers)}",
        f"  words: {_listed(vocabulary.words[len(RESERVED_WORDS) :])}",
    ]
    for name, questions in splits.items():
        lines += ["", *_sizes(name, questions), *_families(questions), *_samples(questions, seed)]
    return "\n".join(lines)


def _sizes(name: str, questions: QuestionSet) -> Iterator[str]:
    asked = len(np.unique(questions.image_index))
    in_folder = questions.images_in_split
    pictures = "" if in_folder is None else f" of {in_folder} in the folder"
    yield f"{name}: {len(questions)} questions about {asked} images{pictures} ({questions.source})"
    yield f"  words in a question: {_spread(questions.lengths)}"
    unknown = int((questions.question_ids == UNKNOWN).sum())
    if unknown:
        yield f"  <unk>: {unknown} of {int(questions.lengths.sum())} words"
    if questions.program_lengths.any():
        yield f"  functions in a program: {_spread(questions.program_lengths)}"
        hops = np.bincount(questions.hop_counts)
        yield "  steps from object to object (relate, same_*): " + ", ".join(
            f"{count} questions with {hop}" for hop, count in enumerate(hops) if count
        )
    if questions.layouts is not None:
        lengths = (questions.layouts >= 0).sum(axis=1)
        yield (
            f"  modules in an expert layout: {_spread(lengths[lengths > 0])}; "
            + f"{int((lengths == 0).sum())} questions without"
        )
    if questions.annotations is not None:
        names = questions.annotations.question_types
        types = np.bincount(questions.question_family_index, minlength=len(names))
        order = np.argsort(-types, kind="stable")[:_MOST_FREQUENT]
        yield f"  question types: {np.count_nonzero(types)}; " + ", ".join(
            f"{names[i]} {types[i]}" for i in order if types[i]
        )
        without = int((questions.answers == NO_ANSWER).sum())
        yield f"  no annotator gave an answer of the vocabulary: {without} questions"


def _families(questions: QuestionSet) -> Iterator[str]:
    if questions.answers is None:
        yield "  answers: none"
        return
    named = [(name, questions.families == i) for i, name in enumerate(questions.family_names)]
    named.append(("of no family", ~np.isin(questions.families, range(len(questions.family_names)))))
    for name, chosen in named:
        if not chosen.any():
            continue
        answers = questions.answers[chosen]
        counts = np.bincount(
            answers[answers != NO_ANSWER], minlength=questions.vocabulary.num_answers
        )
        order = np.argsort(-counts, kind="stable")[:_MOST_FREQUENT]
        shares = ", ".join(
            f"{questions.vocabulary.answers[i]} {100 * counts[i] / len(answers):.1f} %"
            for i in order
            if counts[i]
        )
        yield f"  {name}: {len(answers)} questions, {np.count_nonzero(counts)} answers: {shares}"


def _samples(questions: QuestionSet, seed: int) -> Iterator[str]:
    chosen = np.random.default_rng(seed).permutation(len(questions))[:SAMPLES]
    yield f"  {len(chosen)} of the questions, drawn at random:"
    for position in np.sort(chosen).tolist():
        image = questions.image_filenames[questions.image_index[position]]
        answer = "" if questions.answers is None else f" {_answer(questions, position)}"
        yield f"    {image}: {questions.texts[position]}{answer}"


def _answer(questions: QuestionSet, position: int) -> str:
    if questions.annotations is not None:
        said = questions.annotations.answers(position)
        counts = {answer: said.count(answer) for answer in said}
        return ", ".join(f"{answer} ({count})" for answer, count in counts.items())
    return questions.vocabulary.answers[questions.answers[position]]


def _spread(values: np.ndarray) -> str:
    return f"{values.min()} to {values.max()}, {values.mean():.1f} on average"


def _listed(entries: tuple[str, ...]) -> str:
    """The first in the order of the alphabet, numbers before words by their size."""
    in_order = sorted(
        entries, key=lambda text: (not text.isdecimal(), len(text) * text.isdecimal(), text)
    )
    return ", ".join(in_order[:_LISTED]) + (", ..." if len(entries) > _LISTED else "")
