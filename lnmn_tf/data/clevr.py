"""Reads the questions of a CLEVR v1.0 folder.

    images/{split}/*.png
    questions/CLEVR_{split}_questions.json

The synthetic world has the same format, CLEVR-CoGenT too (splits `trainA`, `valA`, `valB`, ...), and
the files of CLEVR-Humans and CLOSURE differ in their name alone. Everything is checked here, before
training.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np

from lnmn_tf.data.programs import FAMILIES, question_family
from lnmn_tf.data.question_index import QuestionIndex, open_index
from lnmn_tf.data.question_set import (
    NO_ANSWER,
    NO_MODULE,
    QuestionSet,
    padded,
    split_for_structure,
)
from lnmn_tf.data.vocabulary import PADDING, UNKNOWN, Vocabulary
from lnmn_tf.errors import InputError

__all__ = [
    "FAMILIES",
    "QuestionSet",
    "question_family",
    "read_questions",
    "scenes_path",
    "split_for_structure",
]


def scenes_path(data_dir: str | os.PathLike, split: str) -> Path:
    """Where CLEVR's scenes of a split stand."""
    return Path(data_dir) / "scenes" / f"CLEVR_{split}_scenes.json"


def read_questions(
    data_dir: str | os.PathLike,
    split: str,
    vocabulary: Vocabulary | None = None,
    max_questions: int | None = None,
    *,
    questions_file: str | os.PathLike | None = None,
    require_images: bool = True,
    min_word_count: int = 1,
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
        min_word_count: rarer words of a new vocabulary become `<unk>`, which trains its embedding; useful
            where people chose the words (CLEVR-Humans).

    Raises:
        InputError: a folder, file or picture is missing; the JSON is damaged; a field is missing or
            of another type; a function is unknown; an answer is none of the vocabulary's.
    """
    data_dir = Path(data_dir)
    path = questions_path(data_dir, split) if questions_file is None else Path(questions_file)
    if max_questions is not None and max_questions < 1:
        raise InputError(f"max_questions is {max_questions}; expected at least 1")
    if vocabulary is None and not split.startswith("train"):
        raise ValueError(f"a vocabulary is built from a training split, not from {split!r}")

    index = open_index(path, max_questions if vocabulary is not None else None)
    has_answers = _has_answers(index, path, required=not split.startswith("test"))
    if vocabulary is None:
        counts = np.bincount(index.tokens, minlength=len(index.words))
        words = [w for w, n in zip(index.words, counts) if n >= min_word_count]
        vocabulary = Vocabulary.number(words, index.answers)
    count = min(len(index), max_questions or len(index))

    image_filenames, image_rows, image_index = _images(index, count, path)
    images_in_split = _check_images(data_dir / "images" / split, image_filenames, require_images)
    question_ids, lengths = _encoded(index, count, vocabulary, path)
    return QuestionSet(
        source=str(path),
        vocabulary=vocabulary,
        question_ids=question_ids,
        lengths=lengths,
        answers=_encoded_answers(index, count, vocabulary, path) if has_answers else None,
        image_index=image_index,
        image_filenames=image_filenames,
        image_rows=image_rows,
        images_in_split=images_in_split,
        families=index.family[:count],
        family_names=FAMILIES,
        question_family_index=index.template[:count],
        program_lengths=index.program_length[:count],
        hop_counts=index.hop_count[:count],
        question_index=index.question_index[:count],
        texts=np.array(index.texts(count), object),
        layouts=_layouts(index, count),
    )


def questions_path(data_dir: str | os.PathLike, split: str) -> Path:
    """The file of a split. Raises InputError where there is none."""
    data_dir = Path(data_dir)
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


def _has_answers(index: QuestionIndex, path: Path, required: bool) -> bool:
    missing = np.flatnonzero(index.answer == NO_ANSWER)
    if len(missing) and (required or len(missing) < len(index)):
        raise InputError(
            f"{path}: questions[{missing[0]}]: field 'answer' is missing (in {len(missing)} of "
            f"{len(index)} questions); only a test split may be without answers, then wholly"
        )
    return not len(missing)


def _images(
    index: QuestionIndex, count: int, path: Path
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Unique images by their number in the split, and which of them each question is about."""
    rows, names = index.image_row[:count], index.image[:count]
    image_rows, first, image_index = np.unique(rows, return_index=True, return_inverse=True)
    _, first_of_name = np.unique(index.image, return_index=True)
    name_of_row, row_of_name = names[first][image_index], index.image_row[first_of_name][names]
    wrong = (name_of_row != names) | (row_of_name != rows)
    if wrong.any():
        position = int(wrong.argmax())
        raise InputError(
            f"{path}: questions[{position}]: fields 'image_filename' and 'image_index' are "
            f"{index.images[names[position]]!r} and {rows[position]}, but an earlier question "
            f"has {index.images[name_of_row[position]]!r} for that index or {row_of_name[position]} "
            "for that file"
        )
    image_filenames = tuple(index.images[name] for name in names[first].tolist())
    return image_filenames, image_rows.astype(np.int32), image_index.astype(np.int32)


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


def _encoded(
    index: QuestionIndex, count: int, vocabulary: Vocabulary, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Padded word ids [N, S] and lengths [N]."""
    word_ids = vocabulary.word_ids
    id_of = np.array([word_ids.get(word, UNKNOWN) for word in index.words], np.int32)
    ids = id_of[index.tokens[: index.token_ends[count - 1]]]
    unknown = np.flatnonzero(ids == UNKNOWN)
    if len(unknown):
        logging.getLogger(__name__).warning(
            "%s: %d words, the first of them %r, are not in the vocabulary and become <unk>",
            path,
            len(unknown),
            index.words[index.tokens[unknown[0]]],
        )
    lengths = np.diff(index.token_ends[:count], prepend=0).astype(np.int32)
    return padded(ids, lengths, PADDING), lengths


def _layouts(index: QuestionIndex, count: int) -> np.ndarray | None:
    lengths = np.diff(index.layout_ends[:count], prepend=0)
    if not lengths.any():
        return None
    return padded(index.layouts[: index.layout_ends[count - 1]], lengths, NO_MODULE)


def _encoded_answers(
    index: QuestionIndex, count: int, vocabulary: Vocabulary, path: Path
) -> np.ndarray:
    known = np.array([answer in vocabulary.answer_ids for answer in index.answers])
    wrong = ~known[index.answer[:count]]
    if wrong.any():
        position = int(wrong.argmax())
        try:
            vocabulary.encode_answer(index.answers[index.answer[position]])
        except InputError as error:
            raise InputError(f"{path}: questions[{position}]: {error}") from None
    ids = np.array([vocabulary.answer_ids.get(answer, NO_ANSWER) for answer in index.answers])
    return ids[index.answer[:count]].astype(np.int32)
