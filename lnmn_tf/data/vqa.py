"""Reads VQA v1 and v2: questions about COCO's pictures, ten answers to each.

    images/{train2014,val2014,test2015}/COCO_train2014_000000000009.jpg
    Questions/v2_OpenEnded_mscoco_{split}_questions.json    (v1: without "v2_")
    Annotations/v2_mscoco_{split}_annotations.json

Splits are train2014, val2014, test-dev2015 and test2015; the last two have no annotations.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lnmn_tf.data.annotations import NO_TARGET, Annotations, soft_targets
from lnmn_tf.data.fields import Complaint, index_of, record_of, refuse, shown, text_of
from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.data.question_set import NO_ANSWER, UNKNOWN_FAMILY, QuestionSet, pad
from lnmn_tf.data.vocabulary import UNKNOWN, Vocabulary
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
NUM_ANSWERS = 3000
_PREFIX = {1: "", 2: "v2_"}  # of the file names, by version


class _Said(NamedTuple):
    """The annotations of N questions."""

    texts: list[str]  # the different answers
    said: np.ndarray  # int32 [N, ANNOTATORS], which of them
    answer_types: np.ndarray  # int8 [N]
    question_types: list[str]  # the different types
    question_type: np.ndarray  # int32 [N], which of them


def read_vqa(
    data_dir: str | os.PathLike,
    split: str,
    vocabulary: Vocabulary | None = None,
    max_questions: int | None = None,
    *,
    version: int = 2,
    num_answers: int = NUM_ANSWERS,
    min_word_count: int = 1,
    require_images: bool = True,
    image_names: Sequence[str] | None = None,
) -> QuestionSet:
    """Reads the open-ended questions of one split.

    `families` are the answer types, `question_family_index` numbers the question types (those of
    `QUESTION_TYPES` alike in every split; others follow as they come), and
    `question_index` is the data set's `question_id`.

    Args:
      data_dir: the folder drawn above; the files may also stand in it without folders.
      split: see above. One that begins with "test" has no annotations.
      vocabulary: of the training split. None builds it, from the whole file.
      max_questions: keeps the first questions of the file.
      version: 1 or 2.
      num_answers: how many answers a new vocabulary has: those that annotators gave most often, as
        written; of equals, those given first.
      min_word_count: rarer words of a new vocabulary become `<unk>`.
      require_images: whether each picture must exist. False for reading features.
      image_names: names of pictures in the order of a feature file's rows. None takes the order of
        their names in the folder of pictures or, without one, in the questions.

    Raises:
      InputError: a file or picture is missing; the JSON is damaged; a field is missing or of another
        type; questions and annotations do not belong together.
    """
    data_dir = Path(data_dir)
    if max_questions is not None and max_questions < 1:
        raise InputError(f"max_questions is {max_questions}; expected at least 1")
    if vocabulary is None and split.startswith("test"):
        raise ValueError(f"a vocabulary is built from a training split, not from {split!r}")
    path, annotations = files_of(data_dir, split, version)
    texts, image_ids, question_ids = read_question_file(path)
    said = None
    if annotations is not None:
        said = read_annotation_file(annotations, path, question_ids, image_ids)
    if vocabulary is None:
        vocabulary = Vocabulary.build(
            texts, most_frequent_answers(said.texts, said.said, num_answers), min_word_count
        )
    kept = slice(max_questions)
    return _question_set(
        path,
        vocabulary,
        texts[kept],
        question_ids[kept],
        said and said._replace(**{name: getattr(said, name)[kept] for name in _PER_QUESTION}),
        *_images(data_dir, split, image_ids, require_images, image_names, kept),
    )


_PER_QUESTION = ("said", "answer_types", "question_type")


def _question_set(
    path: Path,
    vocabulary: Vocabulary,
    texts: list[str],
    question_ids: np.ndarray,
    said: _Said | None,
    image_filenames: tuple[str, ...],
    image_rows: np.ndarray,
    image_index: np.ndarray,
    images_in_split: int,
) -> QuestionSet:
    count = len(texts)
    words, lengths = pad(map(vocabulary.encode, texts))
    unknown = int((words == UNKNOWN).sum())
    if unknown:
        logging.getLogger(__name__).warning(
            "%s: %d words are not in the vocabulary and become <unk>", path, unknown
        )
    return QuestionSet(
        source=str(path),
        vocabulary=vocabulary,
        question_ids=words,
        lengths=lengths,
        image_index=image_index,
        image_filenames=image_filenames,
        image_rows=image_rows,
        images_in_split=images_in_split,
        families=np.full(count, UNKNOWN_FAMILY, np.int8) if said is None else said.answer_types,
        family_names=ANSWER_TYPES,
        question_family_index=(
            np.full(count, UNKNOWN_FAMILY, np.int32) if said is None else said.question_type
        ),
        program_lengths=np.zeros(count, np.int16),
        hop_counts=np.zeros(count, np.int16),
        question_index=question_ids,
        texts=np.array(texts, object),
        **({"answers": None} if said is None else _answered(said, vocabulary)),
    )


def _answered(said: _Said, vocabulary: Vocabulary) -> dict[str, Any]:
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
) -> _Said:
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
    return _Said(list(texts), said, answer_types, list(types), question_type)


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


def _images(
    data_dir: Path,
    split: str,
    image_ids: np.ndarray,
    require_images: bool,
    image_names: Sequence[str] | None,
    kept: slice,
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, int]:
    """File names and rows of the images, which of them each question is about, and how many exist."""
    folder = data_dir / "images" / picture_split(split)
    if image_names is None and folder.is_dir():
        image_names = sorted(name for name in os.listdir(folder) if name.endswith((".jpg", ".png")))
    elif require_images:
        raise InputError(f"{folder}: the folder of the pictures is missing")
    if image_names is None:
        if split != picture_split(split):
            raise InputError(
                f"{folder}: is missing, and the questions of {split} are about some of its pictures "
                "alone; expected it, to know which row of the features is whose"
            )
        image_names = [picture_name(split, image) for image in np.unique(image_ids).tolist()]
    row_of = {Path(name).name: row for row, name in enumerate(image_names)}
    unique, index = np.unique(image_ids[kept], return_inverse=True)
    names = [picture_name(split, image) for image in unique.tolist()]
    missing = [name for name in names if name not in row_of]
    if missing:
        raise InputError(
            f"{folder}: {len(missing)} of {len(names)} pictures are missing; the first is {missing[0]!r}"
        )
    rows = np.array([row_of[name] for name in names], np.int32)
    return tuple(names), rows, index.astype(np.int32), len(image_names)


def read_complementary_pairs(path: str | os.PathLike, questions: QuestionSet) -> np.ndarray:
    """Pairs of positions in a question set: the same question about two pictures, answered differently.

    Args:
      path: VQA v2's `..._complementary_pairs.json`, a list of pairs of question ids.
      questions: of that split.

    Returns:
      int32 [pairs, 2]. Pairs of which the set does not hold both questions are left out.

    Raises:
      InputError: no such file, not JSON, or something else than pairs of question ids.
    """
    try:
        pairs = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(pairs, list):
        raise InputError(f"{path}: is {shown(pairs)}; expected a list of pairs of question ids")
    position_of = {q: position for position, q in enumerate(questions.question_index.tolist())}
    found = []
    for number, pair in enumerate(pairs):
        if not isinstance(pair, list) or [type(entry) for entry in pair] != [int, int]:
            raise InputError(f"{path}: [{number}] is {shown(pair)}; expected two question ids")
        if pair[0] in position_of and pair[1] in position_of:
            found.append([position_of[pair[0]], position_of[pair[1]]])
    return np.array(found, np.int32).reshape(-1, 2)
