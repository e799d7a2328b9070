"""Reads the questions of a CLEVR v1.0 folder.

    images/{split}/*.png
    questions/CLEVR_{split}_questions.json

The synthetic world has the same format, CLEVR-CoGenT too (splits `trainA`, `valA`, `valB`, ...), and
the CLEVR-Humans files differ in their name alone. Everything is checked here, before training.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.data.programs import (
    FAMILIES,
    count_hops,
    family_of,
    program_functions,
    question_family,
)
from lnmn_tf.data.question_set import UNKNOWN_FAMILY, QuestionSet, pad, split_for_structure
from lnmn_tf.data.vocabulary import UNKNOWN, Vocabulary, tokenize
from lnmn_tf.errors import InputError

__all__ = ["FAMILIES", "QuestionSet", "question_family", "read_questions", "split_for_structure"]

_LARGEST_INDEX = np.iinfo(np.int32).max


class _Question(NamedTuple):
    """One entry of the JSON file, checked."""

    text: str
    answer: str | None
    image_filename: str
    image_row: int
    question_index: int
    family: int
    question_family_index: int
    program_length: int
    hop_count: int


def read_questions(
    data_dir: str | os.PathLike,
    split: str,
    vocabulary: Vocabulary | None = None,
    max_questions: int | None = None,
    *,
    questions_file: str | os.PathLike | None = None,
    require_images: bool = True,
) -> QuestionSet:
    """Reads the questions of one split.

    Args:
      data_dir: a folder of CLEVR's form.
      split: "train", "val", "test" or another for which there is a file. Only a split whose name
        begins with "test" may be without answers.
      vocabulary: of the training split. None builds it, from the *whole* file whatever
        `max_questions` is, and is for training splits only.
      max_questions: keeps the first questions of the file.
      questions_file: another file than `questions/CLEVR_{split}_questions.json`.
      require_images: whether each picture must exist. False for reading features.

    Raises:
      InputError: a folder, file or picture is missing; the JSON is damaged; a field is missing or
        of another type; a function is unknown; an answer is none of the vocabulary's.
    """
    data_dir = Path(data_dir)
    path = _questions_path(data_dir, split) if questions_file is None else Path(questions_file)
    if max_questions is not None and max_questions < 1:
        raise InputError(f"max_questions is {max_questions}; expected at least 1")
    if vocabulary is None and not split.startswith("train"):
        raise ValueError(f"a vocabulary is built from a training split, not from {split!r}")

    records = stream_array(path, "questions")
    if vocabulary is not None:
        records = islice(records, max_questions)
    questions = list(_parsed(records, path))
    if not questions:
        raise InputError(f"{path}: field 'questions' is an empty list; expected questions")
    has_answers = _has_answers(questions, path, required=not split.startswith("test"))
    if vocabulary is None:
        vocabulary = Vocabulary.build((q.text for q in questions), (q.answer for q in questions))
        questions = questions[:max_questions]

    image_filenames, image_rows, image_index = _images(questions, path)
    images_in_split = _check_images(data_dir / "images" / split, image_filenames, require_images)
    question_ids, lengths = pad(_encoded(questions, vocabulary, path))
    return QuestionSet(
        source=str(path),
        vocabulary=vocabulary,
        question_ids=question_ids,
        lengths=lengths,
        answers=_encoded_answers(questions, vocabulary, path) if has_answers else None,
        image_index=image_index,
        image_filenames=image_filenames,
        image_rows=image_rows,
        images_in_split=images_in_split,
        families=np.array([q.family for q in questions], np.int8),
        family_names=FAMILIES,
        question_family_index=np.array([q.question_family_index for q in questions], np.int32),
        program_lengths=np.array([q.program_length for q in questions], np.int16),
        hop_counts=np.array([q.hop_count for q in questions], np.int16),
        question_index=np.array([q.question_index for q in questions], np.int32),
        texts=np.array([q.text for q in questions], object),
    )


def _questions_path(data_dir: Path, split: str) -> Path:
    prefix, suffix = "CLEVR_", "_questions.json"
    folder = data_dir / "questions"
    path = folder / f"{prefix}{split}{suffix}"
    if not folder.is_dir():
        raise InputError(
            f"{data_dir}: is no CLEVR folder; expected 'questions/{path.name}' and "
            f"'images/{split}/' in it"
        )
    if not path.is_file():
        files = folder.glob(f"{prefix}*{suffix}")
        splits = sorted(file.name[len(prefix) : -len(suffix)] for file in files)
        raise InputError(f"{path}: is missing; the folder has questions for the splits {splits}")
    return path


def _parsed(records: Iterable[Any], path: Path) -> Iterator[_Question]:
    for position, record in enumerate(records):
        try:
            yield _parse(record, position)
        except InputError as error:
            raise InputError(f"{path}: questions[{position}]: {error}") from None


def _parse(record: Any, position: int) -> _Question:
    if not isinstance(record, dict):
        raise InputError(f"is {_shown(record)}; expected an object")
    # No program (CLEVR's test split, CLEVR-Humans), None and [] mean the same.
    functions = program_functions(record["program"]) if record.get("program") else []
    return _Question(
        text=_text(record, "question"),
        answer=None if record.get("answer") is None else sys.intern(_text(record, "answer")),
        image_filename=sys.intern(_text(record, "image_filename")),
        image_row=_index(record, "image_index"),
        question_index=_index(record, "question_index", default=position),
        family=FAMILIES.index(family_of(functions)) if functions else UNKNOWN_FAMILY,
        question_family_index=(
            UNKNOWN_FAMILY
            if record.get("question_family_index") is None
            else _index(record, "question_family_index")
        ),
        program_length=len(functions),
        hop_count=count_hops(functions),
    )


def _text(record: dict[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"field '{field}' is {_shown(value)}; expected a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate, which no TF string can hold
        raise InputError(f"field '{field}' is not valid Unicode: {ascii(value)}") from None
    return value


def _index(record: dict[str, Any], field: str, default: int | None = None) -> int:
    value = record.get(field, default)
    if type(value) is not int or not 0 <= value <= _LARGEST_INDEX:  # bool is an int, too
        raise InputError(f"field '{field}' is {_shown(value)}; expected a whole number from 0")
    return value


def _shown(value: Any, limit: int = 80) -> str:
    """A value as it stands in the file, cut to a readable length; 'missing' for none."""
    text = "missing" if value is None else f"{value!r} ({type(value).__name__})"
    return text if len(text) <= limit else text[:limit] + "..."


def _has_answers(questions: list[_Question], path: Path, required: bool) -> bool:
    missing = [position for position, q in enumerate(questions) if q.answer is None]
    if missing and (required or len(missing) < len(questions)):
        raise InputError(
            f"{path}: questions[{missing[0]}]: field 'answer' is missing (in {len(missing)} of "
            f"{len(questions)} questions); only a test split may be without answers, then wholly"
        )
    return not missing


def _images(
    questions: list[_Question], path: Path
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Unique images by their number in the split, and which of them each question is about."""
    filename_of_row: dict[int, str] = {}
    row_of_filename: dict[str, int] = {}
    for position, question in enumerate(questions):
        filename = filename_of_row.setdefault(question.image_row, question.image_filename)
        row = row_of_filename.setdefault(question.image_filename, question.image_row)
        if (filename, row) != (question.image_filename, question.image_row):
            raise InputError(
                f"{path}: questions[{position}]: fields 'image_filename' and 'image_index' are "
                f"{question.image_filename!r} and {question.image_row}, but an earlier question "
                f"has {filename!r} for that index or {row} for that file"
            )
    rows = np.array([q.image_row for q in questions], np.int32)
    image_rows, image_index = np.unique(rows, return_inverse=True)
    image_filenames = tuple(filename_of_row[row] for row in image_rows.tolist())
    return image_filenames, image_rows, image_index.astype(np.int32)


def _check_images(folder: Path, filenames: tuple[str, ...], required: bool) -> int | None:
    """Number of pictures in a folder, from one listing, or None without the folder."""
    if not folder.is_dir():
        if required:
            raise InputError(f"{folder}: the folder of the pictures is missing")
        return None
    present = set(os.listdir(folder))
    missing = [filename for filename in filenames if filename not in present]
    if required and missing:
        raise InputError(
            f"{folder}: {len(missing)} of {len(filenames)} pictures are missing; "
            f"the first is {missing[0]!r}"
        )
    return sum(filename.endswith((".png", ".jpg")) for filename in present)


def _encoded(questions: list[_Question], vocabulary: Vocabulary, path: Path) -> Iterator[list[int]]:
    unknown_words = 0
    example = None
    for question in questions:
        ids = vocabulary.encode(question.text)
        if UNKNOWN in ids:
            unknown_words += ids.count(UNKNOWN)
            example = example or tokenize(question.text)[ids.index(UNKNOWN)]
        yield ids
    if unknown_words:
        logging.getLogger(__name__).warning(
            "%s: %d words, the first of them %r, are not in the vocabulary and become <unk>",
            path,
            unknown_words,
            example,
        )


def _encoded_answers(questions: list[_Question], vocabulary: Vocabulary, path: Path) -> np.ndarray:
    answers = np.empty(len(questions), np.int32)
    for position, question in enumerate(questions):
        try:
            answers[position] = vocabulary.encode_answer(question.answer)
        except InputError as error:
            raise InputError(f"{path}: questions[{position}]: {error}") from None
    return answers
