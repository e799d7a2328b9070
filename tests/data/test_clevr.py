import json
import logging

import numpy as np
import pytest

from lnmn_tf.data.clevr import FAMILIES, read_questions
from lnmn_tf.errors import InputError

EXIST = [{"type": "scene"}, {"type": "unique"}, {"type": "relate"}, {"type": "exist"}]


@pytest.fixture
def entries(question):
    """Three questions about images 0 and 2; image 1 is asked nothing."""
    return [
        question(0, 2, question_family_index=41),
        question(1, 0, question="Is there a Ball; left?", answer="yes", program=EXIST),
        question(2, 2, answer="0"),
    ]


def test_arrays_say_what_the_file_says(clevr_folder, entries):
    questions = read_questions(clevr_folder(entries), "train")
    words, answers = questions.vocabulary.words, questions.vocabulary.answers
    read = [" ".join(words[i] for i in ids if i) for ids in questions.question_ids]
    assert read[:2] == ["how many cubes are there ?", "is there a ball ; left ?"]
    assert questions.question_ids.shape == (3, 7)
    assert questions.lengths.tolist() == [6, 7, 6]
    assert [answers[i] for i in questions.answers] == ["2", "yes", "0"]
    assert [FAMILIES[i] for i in questions.families] == ["count", "exist", "count"]
    assert questions.question_family_index.tolist() == [41, -1, -1]
    assert questions.program_lengths.tolist() == [3, 4, 3]
    assert questions.hop_counts.tolist() == [0, 1, 0]
    assert questions.image_index.tolist() == [1, 0, 1]
    assert questions.image_filenames == ("CLEVR_train_000000.png", "CLEVR_train_000002.png")
    assert questions.image_rows.tolist() == [0, 2]
    assert questions.images_in_split == 3
    assert questions.question_index.tolist() == [0, 1, 2]
    assert "question 1 ('Is there a Ball; left?', image CLEVR_train_000000" in questions.describe(1)
    for array in (questions.question_ids, questions.answers, questions.image_index):
        assert array.dtype == np.int32
    assert questions.families.dtype == np.int8


def test_real_clevr_is_read_whole(clevr_sample):
    train = read_questions(clevr_sample, "train")
    val = read_questions(clevr_sample, "val", train.vocabulary)
    assert (len(train), len(train.image_filenames), train.images_in_split) == (1520, 152, 152)
    assert (len(val), len(val.image_filenames)) == (300, 30)
    assert train.vocabulary.num_answers == 25
    # Counted from the last functions in the file, by hand.
    assert np.bincount(train.families).tolist() == [358, 205, 51 + 51 + 35, 4 * 137, 4 * 68]
    with open(clevr_sample / "questions" / "CLEVR_val_questions.json") as file:
        raw = json.load(file)["questions"]
    assert [train.vocabulary.answers[i] for i in val.answers] == [entry["answer"] for entry in raw]
    assert [val.image_filenames[i] for i in val.image_index] == [q["image_filename"] for q in raw]


def test_max_questions_keeps_the_first_but_the_vocabulary_is_of_the_whole_file(
    clevr_folder, entries
):
    folder = clevr_folder(entries)
    first = read_questions(folder, "train", max_questions=1)
    assert len(first) == 1
    assert first.vocabulary == read_questions(folder, "train").vocabulary
    assert first.image_filenames == ("CLEVR_train_000002.png",)
    assert first.images_in_split == 3
    with pytest.raises(InputError, match="max_questions is 0"):
        read_questions(folder, "train", max_questions=0)


def test_unknown_words_become_unknown_with_one_warning_that_counts_them(
    clevr_folder, entries, caplog, question
):
    vocabulary = read_questions(clevr_folder(entries), "train").vocabulary
    val = [question(i, 0, "val", question="How many odd odd cones?") for i in range(5)]
    with caplog.at_level(logging.WARNING):
        questions = read_questions(clevr_folder(val, "val"), "val", vocabulary)
    assert (questions.question_ids == 1).sum() == 15
    assert len(caplog.records) == 1
    assert "CLEVR_val_questions.json: 15 words, the first of them 'odd'" in caplog.text


def test_a_test_split_may_lack_answers_and_programs(clevr_folder, entries, question):
    vocabulary = read_questions(clevr_folder(entries), "train").vocabulary
    bare = [question(i, i, "test", answer=None, program=None) for i in range(3)]
    questions = read_questions(clevr_folder(bare, "test"), "test", vocabulary)
    assert questions.answers is None
    assert questions.families.tolist() == [-1, -1, -1]
    assert questions.select(np.array([2])).answers is None
    bare[1]["answer"] = "2"
    with pytest.raises(InputError, match=r"questions\[0\]: field 'answer' is missing \(in 2 of 3"):
        read_questions(clevr_folder(bare, "test"), "test", vocabulary)


def test_a_file_of_another_name_is_read_with_the_pictures_of_the_split(clevr_folder, entries):
    folder = clevr_folder(entries)
    path = folder / "CLEVR-Humans-train.json"
    for entry in entries:
        del entry["program"], entry["question_index"]
    path.write_text(json.dumps({"questions": entries}))
    questions = read_questions(folder, "train", questions_file=path)
    assert questions.source == str(path)
    assert questions.question_index.tolist() == [0, 1, 2]


def test_only_a_training_split_gives_a_vocabulary(clevr_folder, entries):
    with pytest.raises(ValueError, match="training split, not from 'val'"):
        read_questions(clevr_folder(entries, "val"), "val")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"question": None}, "'question' is missing; expected a text"),
        ({"question": ""}, "'question' is '' "),
        ({"question": " \n"}, "'question' is ' "),
        ({"question": 7}, r"'question' is 7 \(int\)"),
        ({"question": "a\ud800"}, r"'question' is not valid Unicode: 'a\\ud800'"),
        ({"answer": None}, "'answer' is missing"),
        ({"answer": True}, r"'answer' is True \(bool\)"),
        ({"image_filename": None}, "'image_filename' is missing"),
        ({"image_index": None}, "'image_index' is missing"),
        ({"image_index": -1}, "'image_index' is -1"),
        ({"image_index": True}, "'image_index' is True"),
        ({"image_index": 1.0}, "'image_index' is 1.0"),
        ({"image_index": 2**31}, "'image_index' is 2147483648"),
        ({"image_index": 0}, "'image_filename' and 'image_index'"),
        ({"image_filename": "CLEVR_train_000000.png"}, "'image_filename' and 'image_index'"),
        ({"program": [{"function": "guess"}]}, "unknown function 'guess'"),
        ({"program": [{"function": "scene"}]}, "ends in 'scene'"),
        ({"program": 3}, "'program' is '3'"),
    ],
)
def test_a_wrong_field_is_named_with_file_and_position(
    clevr_folder, entries, fields, message, question
):
    folder = clevr_folder(entries)
    entries[2] = question(2, 2, **fields)
    path = folder / "questions" / "CLEVR_train_questions.json"
    path.write_text(json.dumps({"questions": entries}))
    with pytest.raises(InputError, match=message) as error:
        read_questions(folder, "train")
    assert f"{path}: questions[2]" in str(error.value)


def test_an_answer_outside_the_vocabulary_is_named(clevr_folder, entries, question):
    vocabulary = read_questions(clevr_folder(entries), "train").vocabulary
    folder = clevr_folder([question(0, 0, "val"), question(1, 0, "val", answer="9")], "val")
    with pytest.raises(InputError, match=r"val_questions.json: questions\[1\]: answer '9' is none"):
        read_questions(folder, "val", vocabulary)


def test_a_missing_folder_split_or_picture_is_named(clevr_folder, entries, tmp_path):
    with pytest.raises(InputError, match="nowhere: is no CLEVR folder; expected 'questions/CLEVR_"):
        read_questions(tmp_path / "nowhere", "train")
    folder = clevr_folder(entries, pictures=2)
    with pytest.raises(InputError, match=r"trainA_questions.json: is missing; .*\['train'\]"):
        read_questions(folder, "trainA")
    with pytest.raises(InputError, match="train: 1 of 2 pictures are missing.*_000002.png"):
        read_questions(folder, "train")
    for picture in (folder / "images" / "train").iterdir():
        picture.unlink()
    (folder / "images" / "train").rmdir()
    with pytest.raises(InputError, match="train: the folder of the pictures is missing"):
        read_questions(folder, "train")
    assert read_questions(folder, "train", require_images=False).images_in_split is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"info": {}, "questions": [{"question": "a', "cut short"),
        ('{"info": {}, "scenes": []}', r"\['info', 'scenes'\]; expected one called 'questions'"),
        ('{"questions": []}', "empty list"),
        ('{"questions": ["what?"]}', r"questions\[0\]: is 'what\?' \(str\); expected an object"),
        ("[]", "expected '{'"),
    ],
)
def test_a_damaged_file_is_named(clevr_folder, entries, text, message):
    folder = clevr_folder(entries)
    (folder / "questions" / "CLEVR_train_questions.json").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_questions(folder, "train")
    assert "CLEVR_train_questions.json" in str(error.value)
