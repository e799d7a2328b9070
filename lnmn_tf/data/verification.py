"""Finds everything that is wrong with a data set, not only the first: `--mode=verify`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from lnmn_tf.config import DataConfig
from lnmn_tf.data.clevr import questions_path
from lnmn_tf.data.expert_layouts import expert_layout
from lnmn_tf.data.feature_verification import check_features
from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.data.pixels import check_picture
from lnmn_tf.data.programs import family_of, program_functions
from lnmn_tf.data.question_index import QuestionIndex, build_index
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.data.vqa_files import (
    files_of,
    picture_name,
    read_annotation_file,
    read_question_file,
)
from lnmn_tf.errors import InputError

MOST_SHOWN = 1000  # problems of a split that are listed
_PICTURES = (".png", ".jpg", ".jpeg")

Report = Callable[[str], None]


def verify_split(
    data: DataConfig, split: str, vocabulary: Vocabulary | None, report: Report
) -> Verified:
    """Checks the questions, pictures and features of one split.

    Every record is of the right form; every program is well-formed and every answer known; every
    question has its picture, and every picture of the folder opens; features are what
    `feature_verification.check_features` says.

    Args:
        data: where they are.
        split: its name; of several in one (trainval2014), each is a split of its own here.
        vocabulary: of the training split, to know the answers; None for that split itself.
        report: called with each problem, one sentence with its file and index; after `MOST_SHOWN` of
            them with how many more there are.

    Returns:
        What was looked at, and how many problems there are.

    Raises:
        InputError: the split has no file of questions.
    """
    problems, pictures, rows = _Problems(report), 0, None
    check = _check_vqa if data.is_vqa else _check_clevr
    questions, images = check(data, split, vocabulary, problems)
    folder = Path(data.data_dir) / "images" / data.folders_of(split)[0]
    if folder.is_dir() or not data.features:
        pictures = _check_pictures(folder, images, problems)
    if data.features:
        path = data.features.replace("{split}", folder.name)
        rows = check_features(path, folder, images, problems)
    problems.close()
    return Verified(questions, pictures, rows, problems.count)


class Verified(NamedTuple):
    """What a verification has looked at, and found."""

    questions: int  # that are sound enough to be read
    pictures: int  # decoded, in the folder of the split
    rows: int | None  # of the feature file; None = there is none to read
    problems: int

    def __str__(self) -> str:
        parts = [_count(self.questions, "question"), _count(self.pictures, "picture")]
        parts += [] if self.rows is None else [_count(self.rows, "row") + " of features"]
        found = _count(self.problems, "problem") if self.problems else "nothing is wrong"
        return f"{', '.join(parts)}: {found}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


class _Problems:
    """Reports problems up to a number, and counts them all."""

    def __init__(self, report: Report):
        self._report, self.count = report, 0

    def __call__(self, error: InputError | str) -> None:
        self.count += 1
        if self.count <= MOST_SHOWN:
            self._report(str(error))

    def close(self) -> None:
        """Says how many were not shown."""
        if self.count > MOST_SHOWN:
            self._report(f"... and {self.count - MOST_SHOWN} more")


def _check_clevr(
    data: DataConfig, split: str, vocabulary: Vocabulary | None, problems: _Problems
) -> tuple[int, dict[str, int]]:
    """Checks the records; returns how many, and the row of each image that is asked about, by its name."""
    file = data.questions_file.replace("{split}", split)
    path = Path(file) if file else questions_path(data.data_dir, split)
    known = None if vocabulary is None else vocabulary.answer_ids
    has_answers = not split.startswith("test")

    def records() -> Iterator[Any]:
        for position, record in enumerate(stream_array(path, "questions")):
            if isinstance(record, dict):
                for error in _of_record(record, known, has_answers):
                    problems(f"{path}: questions[{position}]: {error}")
            yield record

    try:
        index = build_index(records(), path, problems)
    except InputError as error:  # damage, after which nothing can be read
        problems(error)
        return 0, {}
    return len(index.answer), _images_of(index, path, problems)


def _of_record(record: dict, known: dict | None, has_answers: bool) -> Iterator[str]:
    """What reading does not mind, or leaves to the use of an answer or a program."""
    answer, program = record.get("answer"), record.get("program")
    if answer is None and has_answers:
        yield "field 'answer' is missing; only a test split may be without answers"
    elif known is not None and isinstance(answer, str) and answer not in known:
        yield f"answer {answer!r} is none of the {len(known)} answers of the training split"
    if (
        isinstance(program, list)
        and program
        and isinstance(program[0], dict)
        and "inputs" in program[0]
    ):
        try:
            family_of(program_functions(program))
        except InputError:
            return  # reading says so
        try:
            expert_layout(program)
        except InputError as error:
            yield str(error)


def _images_of(index: QuestionIndex, path: Path, problems: _Problems) -> dict[str, int]:
    rows: dict[str, int] = {}
    names: dict[int, str] = {}
    pairs = zip(index.image.tolist(), index.image_row.tolist())
    for image, row in dict.fromkeys(pairs):
        name = index.images[image]
        if rows.setdefault(name, row) != row or names.setdefault(row, name) != name:
            problems(
                f"{path}: fields 'image_filename' and 'image_index' are {name!r} and {row} in one "
                f"question, but {names.get(row, name)!r} and {rows[name]} in another"
            )
    return rows


def _check_vqa(
    data: DataConfig, split: str, vocabulary: Vocabulary | None, problems: _Problems
) -> tuple[int, dict[str, int]]:
    asked, said = files_of(data.data_dir, split, int(data.data_format[-1]))
    try:
        _, image_ids, question_ids = read_question_file(asked, problems)
        if said is not None:
            read_annotation_file(said, asked, question_ids, image_ids, problems)
    except InputError as error:
        problems(error)
        return 0, {}
    names = [picture_name(split, image) for image in np.unique(image_ids).tolist()]
    folder = Path(data.data_dir) / "images" / data.folders_of(split)[0]
    order = sorted(os.listdir(folder)) if folder.is_dir() else names
    row_of = {name: row for row, name in enumerate(order)}
    return len(question_ids), {name: row_of.get(name, -1) for name in names}


def _check_pictures(folder: Path, asked: dict[str, int], problems: _Problems) -> int:
    """Decodes every picture of a folder; returns how many there are."""
    if not folder.is_dir():
        problems(f"{folder}: the folder of the pictures is missing")
        return 0
    present = sorted(name for name in os.listdir(folder) if name.lower().endswith(_PICTURES))
    for name in sorted(asked.keys() - set(present)):
        problems(f"{folder / name}: is missing; a question is about it")

    def check(name: str) -> str | None:
        try:
            check_picture(folder / name)
        except InputError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        checked = pool.map(check, present)
        for problem in tqdm(checked, f"decoding {folder}", len(present), disable=None):
            if problem:
                problems(problem)
    return len(present)
