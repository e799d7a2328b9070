"""The questions of a split of VQA v1 or v2 as a question set; `vqa_files` draws the folder.

`trainval2014` is the union of train2014 and val2014, which models for test-dev2015 are trained on.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lnmn_tf.config.parts import parts_of
from lnmn_tf.data.fields import shown
from lnmn_tf.data.question_set import UNKNOWN_FAMILY, QuestionSet, pad
from lnmn_tf.data.vocabulary import UNKNOWN, Vocabulary
from lnmn_tf.data.vqa_answers import NUM_ANSWERS, answered, most_frequent_answers
from lnmn_tf.data.vqa_files import (
    ANSWER_TYPES,
    Said,
    files_of,
    picture_name,
    picture_split,
    pictures_in,
    read_annotation_file,
    read_question_file,
    together,
)
from lnmn_tf.errors import InputError


class _Images(NamedTuple):
    """I pictures that N questions are about."""

    names: tuple[str, ...]
    rows: np.ndarray  # int32 [I], among the pictures of their folder
    index: np.ndarray  # int32 [N], which of them
    in_folders: int  # pictures there are, asked about or not


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
        data_dir: the folder drawn in `vqa_files`; the files may also stand in it without folders.
        split: see there, or `trainval2014`. One that begins with "test" has no annotations.
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
    data_dir, parts = Path(data_dir), parts_of(split)
    if max_questions is not None and max_questions < 1:
        raise InputError(f"max_questions is {max_questions}; expected at least 1")
    if vocabulary is None and split.startswith("test"):
        raise ValueError(f"a vocabulary is built from a training split, not from {split!r}")
    files = [files_of(data_dir, part, version) for part in parts]
    asked = [read_question_file(path) for path, _ in files]
    texts = [text for part, _, _ in asked for text in part]
    question_ids = np.concatenate([ids for _, _, ids in asked])
    said = None
    if files[0][1] is not None:
        said = together(
            [
                read_annotation_file(annotations, path, ids, images)
                for (path, annotations), (_, images, ids) in zip(files, asked)
            ]
        )
    if vocabulary is None:
        vocabulary = Vocabulary.build(
            texts, most_frequent_answers(said.texts, said.said, num_answers), min_word_count
        )
    kept, images, left = slice(max_questions), [], max_questions
    for part, (_, image_ids, _) in zip(parts, asked):
        images.append(_images(data_dir, part, image_ids, require_images, image_names, slice(left)))
        left = None if left is None else max(left - len(image_ids), 0)
    return _question_set(
        " and ".join(str(path) for path, _ in files),
        vocabulary,
        texts[kept],
        question_ids[kept],
        said and said.select(kept),
        _all_images(images),
    )


def _question_set(
    source: str,
    vocabulary: Vocabulary,
    texts: list[str],
    question_ids: np.ndarray,
    said: Said | None,
    images: _Images,
) -> QuestionSet:
    count = len(texts)
    words, lengths = pad(map(vocabulary.encode, texts))
    unknown = int((words == UNKNOWN).sum())
    if unknown:
        logging.getLogger(__name__).warning(
            "%s: %d words are not in the vocabulary and become <unk>", source, unknown
        )
    return QuestionSet(
        source=source,
        vocabulary=vocabulary,
        question_ids=words,
        lengths=lengths,
        image_index=images.index,
        image_filenames=images.names,
        image_rows=images.rows,
        images_in_split=images.in_folders,
        families=np.full(count, UNKNOWN_FAMILY, np.int8) if said is None else said.answer_types,
        family_names=ANSWER_TYPES,
        question_family_index=(
            np.full(count, UNKNOWN_FAMILY, np.int32) if said is None else said.question_type
        ),
        program_lengths=np.zeros(count, np.int16),
        hop_counts=np.zeros(count, np.int16),
        question_index=question_ids,
        texts=np.array(texts, object),
        **({"answers": None} if said is None else answered(said, vocabulary)),
    )


def _images(
    data_dir: Path,
    split: str,
    image_ids: np.ndarray,
    require_images: bool,
    image_names: Sequence[str] | None,
    kept: slice,
) -> _Images:
    """The images that the kept questions of a split are about."""
    folder = data_dir / "images" / picture_split(split)
    if image_names is None and (present := pictures_in(folder)) is not None:
        image_names = present
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
    return _Images(tuple(names), rows, index.astype(np.int32), len(image_names))


def _all_images(parts: Sequence[_Images]) -> _Images:
    """The images of several splits, one after another; rows stay those in the folders of their own."""
    starts = np.cumsum([0, *(len(part.names) for part in parts)])
    return _Images(
        tuple(name for part in parts for name in part.names),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([start + part.index for start, part in zip(starts, parts)]).astype(np.int32),
        sum(part.in_folders for part in parts),
    )


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
