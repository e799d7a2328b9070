"""A file of CLEVR questions as arrays, built once and kept beside it.

CLEVR's training file is 1.3 GB of JSON. It is streamed once, into arrays that do not depend on any
vocabulary but the file's own; they are kept in `.<file>.index.npz`, if the file is large and its folder
can be written, and opened in its place for as long as the file stays as it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from array import array
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lnmn_tf.data.expert_layouts import layout_ids
from lnmn_tf.data.fields import Complaint, index_of, record_of, refuse, text_of
from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.data.programs import FAMILIES, count_hops, family_of, program_functions
from lnmn_tf.data.question_set import NO_ANSWER, UNKNOWN_FAMILY
from lnmn_tf.data.vocabulary import tokenize
from lnmn_tf.errors import InputError

INDEX_FROM_BYTES = 16 << 20  # a smaller file is read in a second or two
_FORMAT = 1  # of the index; another number makes older ones be built anew
_SAMPLE = 64 << 10  # bytes of the head and of the tail that tell whether a file is the same


class QuestionIndex(NamedTuple):
    """N questions of one file; arrays are [N] unless said otherwise.

    `tokens`, `layouts` and `text` hold all questions one after another; `..._ends` says where each ends.
    """

    words: tuple[str, ...]  # in order of first appearance, as `tokens` numbers them
    answers: tuple[str, ...]  # likewise, as `answer` numbers them
    images: tuple[str, ...]  # likewise, as `image` numbers them
    tokens: np.ndarray  # int32 [tokens]
    token_ends: np.ndarray  # int64
    answer: np.ndarray  # int32, `NO_ANSWER` for none
    image: np.ndarray  # int32
    image_row: np.ndarray  # int32
    question_index: np.ndarray  # int32
    family: np.ndarray  # int8
    template: np.ndarray  # int32
    program_length: np.ndarray  # int16
    hop_count: np.ndarray  # int16
    layouts: np.ndarray  # int8 [modules]
    layout_ends: np.ndarray  # int64
    text: np.ndarray  # uint8 [bytes], UTF-8
    text_ends: np.ndarray  # int64

    def __len__(self) -> int:
        return len(self.answer)

    def texts(self, count: int) -> list[str]:
        """The first questions as written."""
        content = self.text.tobytes()
        ends = [0, *self.text_ends[:count].tolist()]
        return [content[start:end].decode("utf-8") for start, end in zip(ends, ends[1:])]


def open_index(path: str | os.PathLike, max_questions: int | None = None) -> QuestionIndex:
    """Reads a file of questions, or the index that an earlier call left beside it.

    Args:
        path: JSON of CLEVR's form, with the array `questions`.
        max_questions: where no index is left, reads no more questions than these, and leaves none.

    Raises:
        InputError: no such file, damaged JSON, a field that is missing or of another type, a function
            that is unknown, no question at all.
    """
    path = Path(path)
    stored = index_path(path)
    try:
        large = path.stat().st_size >= INDEX_FROM_BYTES
        key = _key(path) if large else ""
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    index = _load(stored, key) if large else None
    if index is None:
        index = build_index(islice(stream_array(path, "questions"), max_questions), path)
        if large and max_questions is None:
            _save(stored, key, index)
    return index


def index_path(path: str | os.PathLike) -> Path:
    """Where the index of a file of questions is kept."""
    path = Path(path)
    return path.with_name(f".{path.name}.index.npz")


class _Numbering(dict):
    """Numbers its keys in order of first appearance."""

    def __missing__(self, key: str) -> int:
        self[key] = number = len(self)
        return number


def build_index(
    records: Iterable[Any], path: str | os.PathLike, complain: Complaint = refuse
) -> QuestionIndex:
    """The index of some records, of which wrong ones are left out, if `complain` does not raise."""
    numbers = {name: _Numbering() for name in ("words", "answers", "images")}
    words, answers, images = numbers.values()
    types = {"family": "b", "program_length": "h", "hop_count": "h", "layouts": "b", "text": "B"}
    types |= dict.fromkeys(("token_ends", "layout_ends", "text_ends"), "q")
    names = [name for name in QuestionIndex._fields if name not in numbers]
    columns = {name: array(types.get(name, "i")) for name in names}
    for position, record in enumerate(records):
        try:
            _add(record_of(record), position, columns, words, answers, images)
        except InputError as error:
            complain(InputError(f"{path}: questions[{position}]: {error}"))
    if not columns["answer"]:
        raise InputError(f"{path}: field 'questions' is an empty list; expected questions")
    return QuestionIndex(
        **{name: tuple(number) for name, number in numbers.items()},
        **{name: np.array(column) for name, column in columns.items()},
    )


def _add(
    record: dict[str, Any],
    position: int,
    columns: dict[str, array],
    words: _Numbering,
    answers: _Numbering,
    images: _Numbering,
) -> None:
    """Adds one question to the columns."""
    text = text_of(record, "question")
    # No program (CLEVR's test split, CLEVR-Humans), None and [] mean the same.
    functions = program_functions(record["program"]) if record.get("program") else []
    values = {
        "answer": (
            NO_ANSWER if record.get("answer") is None else answers[text_of(record, "answer")]
        ),
        "image": images[text_of(record, "image_filename")],
        "image_row": index_of(record, "image_index"),
        "question_index": index_of(record, "question_index", default=position),
        "family": FAMILIES.index(family_of(functions)) if functions else UNKNOWN_FAMILY,
        "template": (
            UNKNOWN_FAMILY
            if record.get("question_family_index") is None
            else index_of(record, "question_family_index")
        ),
        "program_length": len(functions),
        "hop_count": count_hops(functions),
    }
    for name, value in values.items():
        columns[name].append(value)
    columns["tokens"].extend([words[word] for word in tokenize(text)])
    columns["text"].frombytes(text.encode("utf-8"))
    columns["layouts"].extend(_layout(record["program"]) if functions else ())
    for name, ends in (("tokens", "token_ends"), ("text", "text_ends"), ("layouts", "layout_ends")):
        columns[ends].append(len(columns[name]))


def _layout(program: Any) -> list[int]:
    """The expert's layout; none where the program says too little, which only its user minds."""
    try:
        return layout_ids(program)
    except InputError:
        return []


def _key(path: Path) -> str:
    """Says whether a file is the one that an index was built of, without reading all of it."""
    status = path.stat()
    with open(path, "rb") as stream:
        digest = hashlib.sha256(stream.read(_SAMPLE))
        stream.seek(max(0, status.st_size - _SAMPLE))
        digest.update(stream.read(_SAMPLE))
    return json.dumps([_FORMAT, status.st_size, status.st_mtime_ns, digest.hexdigest()])


def _load(stored: Path, key: str) -> QuestionIndex | None:
    """The index, or None where there is none that fits: it is then built anew."""
    try:
        with np.load(stored, allow_pickle=False) as file:
            if file["key"].tobytes().decode() != key:
                return None
            arrays = {name: file[name] for name in QuestionIndex._fields}
        for name in ("words", "answers", "images"):
            arrays[name] = tuple(json.loads(arrays[name].tobytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logging.getLogger(__name__).warning("%s: is damaged and made anew: %s", stored, error)
        return None
    return QuestionIndex(**arrays)


def _save(stored: Path, key: str, index: QuestionIndex) -> None:
    """Keeps an index under its name once it is whole; a folder that cannot be written is no error."""
    arrays = {"key": _bytes(key), **index._asdict()}
    for name in ("words", "answers", "images"):
        arrays[name] = _bytes(json.dumps(arrays[name]))
    temporary = stored.with_name(f"{stored.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            np.savez(stream, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, stored)
    except OSError as error:
        logging.getLogger(__name__).warning(
            "%s: the index cannot be kept (%s); the questions will be read anew each time",
            stored,
            error.strerror,
        )
    finally:
        if temporary.exists():
            temporary.unlink()


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)
