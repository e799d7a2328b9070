"""The package `easy-vqa` becomes a folder that the program reads, with every picture under its question."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from lnmn_tf.config import DataConfig
from lnmn_tf.data import easy_vqa
from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.data.verification import verify_split
from lnmn_tf.errors import InputError

ENTRIES = [["what shape?", "circle", 10], ["is it blue?", "no", 2], ["what color?", "red", 10]]


@pytest.fixture
def source(tmp_path):
    """A folder of the package's form; a picture's red is its number."""
    for name in easy_vqa.SPLITS:
        folder = tmp_path / "package" / name
        (folder / "images").mkdir(parents=True)
        for image in (2, 10, 11):
            pixels = np.full([8, 8, 3], image, np.uint8)
            Image.fromarray(pixels).save(folder / "images" / f"{image}.png")
        (folder / "questions.json").write_text(json.dumps(ENTRIES))
    return tmp_path / "package"


def test_questions_meet_their_own_pictures_in_the_order_of_their_numbers(source, tmp_path):
    assert easy_vqa.convert(source, tmp_path / "out") == {"train": 3, "val": 3}
    vocabulary = read_questions(tmp_path / "out", "train").vocabulary
    for split in ("train", "val"):
        questions = read_questions(tmp_path / "out", split, vocabulary)
        assert questions.texts.tolist() == [text for text, _, _ in ENTRIES]
        assert questions.image_index.tolist() == [1, 0, 1]  # rows are in the order of the numbers
        store = PixelStore(tmp_path / "out", split, questions.image_filenames, 8, 8)
        assert store.read(questions.image_index)[:, 0, 0, 0].tolist() == [10, 2, 10]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["images", "questions"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a": 1}', "expected a list of questions"),
        ('[["what?", "red"]]', r"\[0\] is .*expected a question, an answer and an image's number"),
        ('[["what?", "red", 3]]', r"images/3\.png: is missing; question \[0\]"),
        ("[", "JSON"),
    ],
)
def test_a_package_of_another_form_is_one_sentence_and_leaves_nothing(
    source, tmp_path, content, words
):
    (source / "test" / "questions.json").write_text(content)
    with pytest.raises(InputError, match=words):
        easy_vqa.convert(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_a_folder_that_is_there_is_not_written_over(source, tmp_path, capsys):
    with pytest.raises(InputError, match="is there already"):
        easy_vqa.convert(source, source)
    assert easy_vqa.main([]) == 1
    assert "error: arguments are []; expected one" in capsys.readouterr().err


def test_without_the_package_the_command_says_how_to_get_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(easy_vqa, "find_package", lambda: None)
    assert easy_vqa.main([str(tmp_path / "out")]) == 1
    assert "pip install easy-vqa==1.0" in capsys.readouterr().err


@pytest.mark.skipif(
    easy_vqa.find_package() is None,
    reason="the package easy-vqa (requirements-test.txt) is missing",
)
def test_the_whole_data_set_is_read_and_sound(tmp_path, capsys):
    assert easy_vqa.main([str(tmp_path / "easy")]) == 0
    assert "38,575 questions of train, 9,673 questions of val" in capsys.readouterr().out
    train = read_questions(tmp_path / "easy", "train")
    val = read_questions(tmp_path / "easy", "val", train.vocabulary)
    assert (len(train), len(val)) == (38_575, 9_673)
    assert (train.images_in_split, val.images_in_split) == (4_000, 1_000)
    assert train.vocabulary.num_answers == 13
    yes_no = [train.vocabulary.answer_ids[answer] for answer in ("yes", "no")]
    assert np.isin(train.answers, yes_no).sum() == 28_407  # as the package's description says
    # A picture's shape has one colour: the answers to "what color" about one picture agree.
    colours = [bool(re.search("what (is the )?color", text)) for text in val.texts]
    chosen = val.select(np.array(colours))
    assert len(chosen) > 500
    for image in np.unique(chosen.image_index)[:200]:
        assert len(set(chosen.answers[chosen.image_index == image])) == 1
    verified = verify_split(
        DataConfig(data_dir=str(tmp_path / "easy")), "val", train.vocabulary, print
    )
    assert verified == (9_673, 1_000, None, 0)
