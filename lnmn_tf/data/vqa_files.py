"""VQA's official files, v1 and v2: questions about COCO's pictures, and ten answers to each.

    images/{train2014,val2014,test2015}/COCO_train2014_000000000009.jpg
    Questions/v2_OpenEnded_mscoco_{split}_questions.json    (v1: without "v2_")
    Annotations/v2_mscoco_{split}_annotations.json

Splits are train2014, val2014, test-dev2015 and test2015; the last two have no annotations.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lnmn_tf.data.fields import Complaint, index_of, record_of, refuse, shown, text_of
from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.errors import InputError

ANNOTATORS = 10
# How questions about COCO's pictures begin; the longest that fits is a question's type.
QUESTION_TYPES = tuple(
    """
are|are the|are there|are there any|are these|are they|can you|could|do|do you|does the|does this|has|how|how many
how many people are|how many people are in|is|is he|is it|is that a|is the|is the man|is the person
is the woman|is there|is there a|is this|is this a|is this an|is this person|none of the above|was|what
what animal is|what are|what are the|what brand|what color|what color are the|what color is
what color is the|what does the|what is|what is in the|what is on the|what is the|what is the color of the
what is the man|what is the name|what is the person|what is the woman|what is this|what kind of
what number is|what room is|what sport is|what time|what type of|where are the|where is the|which|who is|why
why is the
""".strip()
    .replace("\n", "|")
    .split("|")
)
ANSWER_TYPES = ("yes/no", "number", "other")
_PREFIX = {1: "", 2: "v2_"}  # of the file names, by version


class Said(NamedTuple):
    """The annotations of N questions."""

    texts: list[str]  # the different answers, in order of first appearance
    said: np.ndarray  # int32 [N, ANNOTATORS], which of them
    answer_types: np.ndarray  # int8 [N]
    question_types: list[str]  # the different types
    question_type: np.ndarray  # int32 [N], which of them

    def select(self, kept: slice) -> Said:
        """Those of some of the questions."""
        names = ("said", "answer_types", "question_type")
        return self._replace(**{name: getattr(self, name)[kept] for name in names})


def together(parts: Sequence[Said]) -> Said:
    """The annotations of several splits, one after another."""
    texts: dict[str, int] = {}
    types: dict[str, int] = {}
    said, question_type = [], []
    for part in parts:
        of_text = [texts.setdefault(text, len(texts)) for text in part.texts]
        said.append(np.array(of_text, np.int32)[part.said])
        of_type = [types.setdefault(name, len(types)) for name in part.question_types]
        question_type.append(np.array(of_type, np.int32)[part.question_type])
    answer_types = np.concatenate([part.answer_types for part in parts])
    return Said(
        list(texts), np.concatenate(said), answer_types, list(types), np.concatenate(question_type)
    )


def files_of(data_dir: str | os.PathLike, split: str, version: int = 2) -> tuple[Path, Path | None]:
    """The files of questions and annotations of a split; a split for testing has none of the latter.

    Raises:
        InputError: no such version, or a file is missing.
    """
    if version not in _PREFIX:
        raise InputError(f"version of VQA is {version}; expected 1 or 2")
    data_dir, prefix = Path(data_dir), _PREFIX[version]
    questions = _find(data_dir, "Questions", f"{prefix}OpenEnded_mscoco_{split}_questions.json")
    if split.startswith("test"):
        return questions, None
    return questions, _find(data_dir, "Annotations", f"{prefix}mscoco_{split}_annotations.json")


def _find(data_dir: Path, folder: str, name: str) -> Path:
    places = [data_dir / folder / name, data_dir / folder.lower() / name, data_dir / name]
    for path in places:
        if path.is_file():
            return path
    raise InputError(f"{places[0]}: is missing; expected VQA's file there, or in {data_dir} itself")


def read_question_file(
    path: Path, complain: Complaint = refuse
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Texts, image ids [N] and question ids [N]; wrong records are left out, or refused."""
    texts: list[str] = []
    image_ids: dict[int, int] = {}  # by question id
    for position, record in enumerate(stream_array(path, "questions")):
        try:
            text = text_of(record_of(record), "question")
            image, question = index_of(record, "image_id"), index_of(record, "question_id")
            if question in image_ids:
                raise InputError(
                    f"field 'question_id' is {question}, as in an earlier question; expected each once"
                )
        except InputError as error:
            complain(InputError(f"{path}: questions[{position}]: {error}"))
        else:
            texts.append(text)
            image_ids[question] = image
    if not texts:
        raise InputError(f"{path}: field 'questions' is an empty list; expected questions")
    ids, images = image_ids.keys(), image_ids.values()
    return texts, np.fromiter(images, np.int32), np.fromiter(ids, np.int32)


def read_annotation_file(
    path: Path,
    questions_path: Path,
    question_ids: np.ndarray,
    image_ids: np.ndarray,
    complain: Complaint = refuse,
) -> Said:
    """Annotations in the order of the questions; wrong records are left out, or refused."""
    position_of = {question: position for position, question in enumerate(question_ids.tolist())}
    texts: dict[str, int] = {}
    types = {name: number for number, name in enumerate(QUESTION_TYPES)}
    said = np.full([len(question_ids), ANNOTATORS], -1, np.int32)
    answer_types = np.zeros(len(question_ids), np.int8)
    question_type = np.zeros(len(question_ids), np.int32)
    for number, record in enumerate(stream_array(path, "annotations")):
        try:
            question = index_of(record_of(record), "question_id")
            position = position_of.get(question)
            if position is None:
                raise InputError(
                    f"field 'question_id' is {question}, which {questions_path} does not have; expected "
                    "annotations of those questions"
                )
            if said[position, 0] >= 0:
                raise InputError(
                    f"field 'question_id' is {question}, as before; expected each once"
                )
            if index_of(record, "image_id") != image_ids[position]:
                raise InputError(
                    f"field 'image_id' is {record['image_id']}, but question {question} of "
                    f"{questions_path} is about image {image_ids[position]}"
                )
            answers, answer_type = _answers(record), _answer_type(record)
            kind = text_of(record, "question_type")
        except InputError as error:
            complain(InputError(f"{path}: annotations[{number}]: {error}"))
        else:
            said[position] = [texts.setdefault(answer, len(texts)) for answer in answers]
            answer_types[position] = answer_type
            question_type[position] = types.setdefault(kind, len(types))
    missing = np.flatnonzero(said[:, 0] < 0)
    if len(missing):
        complain(
            InputError(
                f"{path}: has no annotation of question {question_ids[missing[0]]} of {questions_path} "
                f"(and of {len(missing) - 1} more); expected one for each of {len(question_ids)} questions"
            )
        )
    return Said(list(texts), said, answer_types, list(types), question_type)


def _answers(record: dict[str, Any]) -> list[str]:
    """What each annotator said; a person may have said nothing, and is counted all the same."""
    answers = record.get("answers")
    if not isinstance(answers, list) or len(answers) != ANNOTATORS:
        found = f"{len(answers)} entries" if isinstance(answers, list) else shown(answers)
        raise InputError(f"field 'answers' is or has {found}; expected a list of {ANNOTATORS}")
    texts, people = [], set()
    for number, answer in enumerate(answers):
        try:
            texts.append(text_of(record_of(answer), "answer", may_be_empty=True))
            people.add(index_of(answer, "answer_id", default=number))
        except InputError as error:
            raise InputError(f"answers[{number}]: {error}") from None
    if len(people) < ANNOTATORS:
        raise InputError(
            f"field 'answers' has the fields 'answer_id' {sorted(people)}; expected {ANNOTATORS} "
            "different ones"
        )
    return texts


def _answer_type(record: dict[str, Any]) -> int:
    kind = text_of(record, "answer_type")
    if kind not in ANSWER_TYPES:
        raise InputError(f"field 'answer_type' is {kind!r}; expected one of {ANSWER_TYPES}")
    return ANSWER_TYPES.index(kind)


def picture_name(split: str, image_id: int) -> str:
    """How COCO calls a picture.

    >>> picture_name("test-dev2015", 9)
    'COCO_test2015_000000000009.jpg'
    """
    return f"COCO_{picture_split(split)}_{image_id:012d}.jpg"


def picture_split(split: str) -> str:
    """The folder of a split's pictures."""
    return split.replace("-dev", "")  # its pictures are some of the test split's


def pictures_in(folder: Path) -> list[str] | None:
    """Names of the pictures in a folder, sorted: the order of the rows of features. None = no folder."""
    if not folder.is_dir():
        return None
    return sorted(name for name in os.listdir(folder) if name.endswith((".jpg", ".png")))
