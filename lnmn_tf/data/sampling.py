"""Parts and mixtures of question sets: some of the images, or two data sets about the same pictures."""

from __future__ import annotations

import dataclasses

import numpy as np

from lnmn_tf.config.parts import check_limit
from lnmn_tf.data.question_set import NO_MODULE, QuestionSet
from lnmn_tf.errors import InputError


def number_of_images(limit: str, images: int) -> int:
    """How many of so many images a limit asks for: "10%" or "500"; empty = all.

    Raises:
        InputError: no such number, not more than 0, more than there are.
    """
    if not limit:
        return images
    number, share = check_limit(limit, images)
    return max(1, round(images * number / 100)) if share else int(number)


def limit_images(question_set: QuestionSet, limit: str, seed: int) -> QuestionSet:
    """The questions about some of the images, for data-efficiency curves.

    Which images is a pure function of the images and the seed, and a larger limit holds the images of a
    smaller one.

    Args:
        question_set: of the training split.
        limit: see `number_of_images`.
        seed: which images.
    """
    images = np.unique(question_set.image_index)
    count = number_of_images(limit, len(images))
    if count == len(images):
        return question_set
    chosen = np.random.default_rng(seed).permutation(images)[:count]
    return _without_other_images(question_set.select(np.isin(question_set.image_index, chosen)))


def _without_other_images(question_set: QuestionSet) -> QuestionSet:
    """The same questions, without the images that they are not about: nobody need read those."""
    used, image_index = np.unique(question_set.image_index, return_inverse=True)
    return dataclasses.replace(
        question_set,
        image_index=image_index.astype(np.int32),
        image_filenames=tuple(question_set.image_filenames[image] for image in used.tolist()),
        image_rows=question_set.image_rows[used],
    )


def mix(question_set: QuestionSet, other: QuestionSet, share: float, seed: int) -> QuestionSet:
    """A question set with as many questions of another as make up a share of the whole.

    Both are about pictures of the same split. All questions of the first are there; those of the other
    are drawn without repetition, and are all of them where they do not suffice.

    Args:
        question_set: N questions.
        other: of the same vocabulary, families and split.
        share: of `other` in the result, in (0, 1).
        seed: which questions of `other`.

    Returns:
        The questions of the first set, then those of the other in their order.

    Raises:
        InputError: the vocabularies or families differ, or an image has two names.
    """
    if question_set.vocabulary.hash != other.vocabulary.hash:
        raise InputError(
            f"{other.source}: has another vocabulary than {question_set.source}; expected one of both"
        )
    if question_set.family_names != other.family_names or (other.annotations is not None):
        raise InputError(
            f"{other.source}: is of another kind than {question_set.source}; expected questions of "
            "CLEVR's form in both"
        )
    wanted = min(round(len(question_set) * share / (1 - share)), len(other))
    drawn = np.random.default_rng(seed).choice(len(other), wanted, replace=False)
    return _concatenated(question_set, other.select(np.sort(drawn)))


def _concatenated(first: QuestionSet, second: QuestionSet) -> QuestionSet:
    names: dict[int, str] = {}
    for part in (first, second):
        for row, name in zip(part.image_rows.tolist(), part.image_filenames):
            if names.setdefault(row, name) != name:
                raise InputError(
                    f"{part.source}: image {row} is {name!r}, but {names[row]!r} in {first.source}; "
                    "expected both about the pictures of one split"
                )
    rows = np.array(sorted(names), np.int32)
    index = [np.searchsorted(rows, part.image_rows)[part.image_index] for part in (first, second)]
    length = max(first.max_length, second.max_length)
    first, second = first.padded_to(length), second.padded_to(length)
    together = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in [
            "question_ids",
            "lengths",
            "answers",
            "families",
            "question_family_index",
            "program_lengths",
            "hop_counts",
            "question_index",
            "texts",
        ]
    }
    return dataclasses.replace(
        first,
        source=f"{first.source} and {second.source}",
        image_index=np.concatenate(index).astype(np.int32),
        image_filenames=tuple(names[row] for row in rows.tolist()),
        image_rows=rows,
        layouts=_layouts(first, second),
        **together,
    )


def _layouts(first: QuestionSet, second: QuestionSet) -> np.ndarray | None:
    if first.layouts is None and second.layouts is None:
        return None
    width = max(part.layouts.shape[1] for part in (first, second) if part.layouts is not None)
    rows = np.full([len(first) + len(second), width], NO_MODULE, np.int8)
    for start, part in ((0, first), (len(first), second)):
        if part.layouts is not None:
            rows[start : start + len(part), : part.layouts.shape[1]] = part.layouts
    return rows
