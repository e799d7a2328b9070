"""The index of a file of questions: the same questions, in less time, and never those of another file."""

import dataclasses
import json
import logging
import os

import numpy as np
import pytest

from lnmn_tf.data import question_index
from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.question_index import index_path, open_index
from lnmn_tf.errors import InputError


@pytest.fixture
def folder(clevr_folder, question, monkeypatch):
    """Five questions, in a file that is large enough for an index."""
    monkeypatch.setattr(question_index, "INDEX_FROM_BYTES", 1)
    entries = [
        question(0, 2, question="How many ünits; left?", question_family_index=41),
        question(1, 0, answer="yes", program=[{"type": "scene", "inputs": []}, {"type": "exist"}]),
        question(2, 2, answer="0", program=None),
        question(
            3,
            1,
            program=[{"function": "scene", "inputs": []}, {"function": "count", "inputs": [0]}],
        ),
        question(4, 3, question="a"),
    ]
    return clevr_folder(entries)


@pytest.fixture
def path(folder):
    return folder / "questions" / "CLEVR_train_questions.json"


def forbid_reading(monkeypatch):
    def stop(*arguments):
        raise AssertionError("the JSON is read again")

    monkeypatch.setattr(question_index, "stream_array", stop)


def same(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second))


def test_an_index_gives_the_questions_that_the_file_gives(folder, path, monkeypatch):
    read = read_questions(folder, "train")
    assert index_path(path).is_file()
    forbid_reading(monkeypatch)
    again = read_questions(folder, "train")
    for field in dataclasses.fields(read):
        first, second = getattr(read, field.name), getattr(again, field.name)
        equal = np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second
        assert equal, field.name
    assert again.texts[0] == "How many ünits; left?"
    assert again.layouts.tolist() == [[-1, -1], [-1, -1], [-1, -1], [6, 7], [-1, -1]]
    assert read_questions(folder, "train", read.vocabulary, 2).texts.tolist() == list(
        again.texts[:2]
    )


def test_a_file_that_changed_is_read_anew(path):
    open_index(path)
    content = json.loads(path.read_text())
    content["questions"][0]["answer"] = "3"  # of the same length
    status = path.stat()
    path.write_text(json.dumps(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert open_index(path).answers[0] == "3"
    path.write_text(json.dumps({"questions": content["questions"][:2]}))
    assert len(open_index(path)) == 2


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"not an index"])
def test_a_damaged_index_is_made_anew(path, damage, caplog):
    index = open_index(path)
    index_path(path).write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert same(open_index(path), index)
    assert "is damaged and made anew" in caplog.text
    assert index_path(path).stat().st_size > 1000


def test_an_index_cut_anywhere_is_made_anew(path):
    index, stored = open_index(path), index_path(path)
    content = stored.read_bytes()
    for end in range(0, len(content), 503):
        stored.write_bytes(content[:end])
        assert same(open_index(path), index)


def test_an_index_that_cannot_be_kept_is_no_error(path, monkeypatch, caplog):
    def refuse(*arguments, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(question_index.np, "savez", refuse)
    with caplog.at_level(logging.WARNING):
        assert len(open_index(path)) == 5
    assert "No space left on device" in caplog.text
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_small_file_and_the_first_questions_of_one_leave_no_index(path, monkeypatch):
    assert len(open_index(path, max_questions=2)) == 2
    monkeypatch.setattr(question_index, "INDEX_FROM_BYTES", 1 << 20)
    assert len(open_index(path)) == 5
    assert not index_path(path).exists()


def test_a_wrong_question_leaves_no_index(path):
    content = json.loads(path.read_text())
    content["questions"][3]["image_index"] = "one"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"questions\[3\]: field 'image_index' is 'one'"):
        open_index(path)
    assert not index_path(path).exists()
