import json

import numpy as np
import pytest

from lnmn_tf.data.annotations import soft_targets
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.data.question_set import NO_ANSWER
from lnmn_tf.data.vqa import read_complementary_pairs, read_vqa
from lnmn_tf.data.vqa_answers import most_frequent_answers
from lnmn_tf.data.vqa_files import QUESTION_TYPES
from lnmn_tf.data.vqa_results import read_results, vqa_table, write_results
from lnmn_tf.errors import InputError
from tests.data import vqa_folder


@pytest.fixture
def folder(tmp_path):
    vqa_folder.write(tmp_path)
    return tmp_path


@pytest.fixture
def questions(folder):
    return read_vqa(folder, "train2014", num_answers=4)


def test_arrays_say_what_the_files_say(questions):
    words = questions.vocabulary.words
    read = [" ".join(words[i] for i in ids if i) for ids in questions.question_ids]
    assert read[:2] == ["is this a dog ?", "how many dogs are there ?"]
    ids = [vqa_folder.question_id(position) for position in range(5)]
    assert questions.question_index.tolist() == ids
    assert questions.image_filenames[0] == "COCO_train2014_000000000009.jpg"
    assert [questions.image_filenames[i][-6:-4] for i in questions.image_index] == [
        "09", "09", "42", "25", "42",
    ]  # fmt: skip
    # The row in a feature file counts picture 77, too, about which nothing is asked.
    assert questions.image_rows.tolist() == [0, 1, 2]
    assert questions.images_in_split == 4
    kinds = [questions.family_names[i] for i in questions.families]
    assert kinds == ["yes/no", "number", "other", "yes/no", "other"]
    types = questions.annotations.question_types
    assert [types[i] for i in questions.question_family_index] == [
        q[2] for q in vqa_folder.QUESTIONS
    ]
    assert questions.annotations.answers(3) == vqa_folder.QUESTIONS[3][4]
    assert questions.program_lengths.tolist() == [0] * 5


def test_pictures_are_those_of_the_questions(folder, questions):
    store = PixelStore(folder, "train2014", questions.image_filenames, 5, 7)
    reds = store.read(questions.image_index)[:, 0, 0, 0].tolist()
    assert np.allclose(reds, [9, 9, 42, 25, 42], atol=2)  # JPEG


def test_the_vocabulary_has_the_answers_given_most_often(questions):
    # blue 9 times, yes 8 + 4, 2 six times, no 1 + 4
    assert questions.vocabulary.answers == ("yes", "blue", "2", "no")
    assert [NO_ANSWER if i < 0 else questions.vocabulary.answers[i] for i in questions.answers] == [
        "yes", "2", "blue", "no", NO_ANSWER,
    ]  # fmt: skip
    assert most_frequent_answers(["b", "a", " ", "c"], np.array([[0, 1, 1], [0, 2, 2]]), 3) == [
        "b",
        "a",
        "c",
    ]
    with pytest.raises(InputError, match="^max_answers is 0"):
        most_frequent_answers(["a"], np.array([[0]]), 0)


def test_soft_targets_are_a_third_for_each_vote_up_to_one(questions):
    targets = questions.annotations.targets(np.arange(5), 4)
    third = np.float32(1 / 3)
    assert targets.tolist() == [
        [1, 0, 0, third],
        [0, 0, 1, 0],
        [0, 1, 0, 0],
        [1, 0, 0, 1],
        [0, 0, 0, 0],
    ]
    assert targets.dtype == np.float32
    part = questions.select(np.array([3, 0]))
    assert part.annotations.targets(np.array([1]), 4).tolist() == targets[[0]].tolist()
    assert part.annotations.answers(0) == questions.annotations.answers(3)


def test_targets_come_by_falling_votes_and_then_in_the_order_given():
    said = np.array([[3, 1, 2, 1, 0, 0, 4, 4, 4, 4]])
    ids, scores = soft_targets(said, np.array([10, 11, 12, 13, -1]))
    assert ids[0].tolist() == [11, 10, 13, 12] + [-1] * 6
    assert np.allclose(scores[0], [2 / 3, 2 / 3, 1 / 3, 1 / 3] + [0] * 6)


def test_another_split_is_read_with_the_vocabulary_of_training(folder, questions):
    vqa_folder.write(folder, "val2014", pictures=(9, 25, 42))
    val = read_vqa(folder, "val2014", questions.vocabulary, max_questions=2)
    assert len(val) == 2
    assert val.vocabulary is questions.vocabulary
    assert val.images_in_split == 3
    assert val.image_filenames == ("COCO_val2014_000000000009.jpg",)
    assert len(val.annotations.said) == 2


def test_a_test_split_has_no_annotations_and_some_of_the_pictures(folder, questions):
    vqa_folder.write(folder, "test-dev2015")
    test = read_vqa(folder, "test-dev2015", questions.vocabulary)
    assert test.answers is None
    assert test.annotations is None
    assert test.families.tolist() == [-1] * 5
    assert test.image_filenames[0] == "COCO_test2015_000000000009.jpg"
    with pytest.raises(ValueError, match="a vocabulary is built from a training split"):
        read_vqa(folder, "test-dev2015")


def test_rows_follow_the_names_that_a_feature_file_lists(folder, questions):
    names = [f"COCO_train2014_{image:012d}.jpg" for image in (77, 42, 9, 25)]
    read = read_vqa(folder, "train2014", require_images=False, image_names=names)
    assert read.image_rows.tolist() == [2, 3, 1]
    with pytest.raises(InputError, match=r"1 of 3 pictures are missing; .*000000000025"):
        read_vqa(folder, "train2014", require_images=False, image_names=names[:3])


def test_without_pictures_the_rows_are_in_the_order_of_the_image_ids(tmp_path, questions):
    folder = tmp_path / "bare"
    for split in ("train2014", "test-dev2015"):
        vqa_folder.write(folder, split, pictures=())
        (folder / "images" / split.replace("-dev", "")).rmdir()
    read = read_vqa(folder, "train2014", require_images=False)
    assert (read.image_rows.tolist(), read.images_in_split) == ([0, 1, 2], 3)
    with pytest.raises(InputError, match=r"train2014: the folder of the pictures is missing"):
        read_vqa(folder, "train2014")
    with pytest.raises(
        InputError, match=r"test2015: is missing, and the questions of test-dev2015"
    ):
        read_vqa(folder, "test-dev2015", questions.vocabulary, require_images=False)


def test_versions_differ_in_the_names_of_their_files(folder, questions, tmp_path):
    vqa_folder.write(tmp_path / "v1", prefix="")
    first = read_vqa(tmp_path / "v1", "train2014", version=1, num_answers=4)
    assert first.vocabulary == questions.vocabulary
    with pytest.raises(
        InputError, match=r"v2_OpenEnded_mscoco_train2014_questions.json: is missing"
    ):
        read_vqa(tmp_path / "v1", "train2014")
    with pytest.raises(InputError, match="version of VQA is 3; expected 1 or 2"):
        read_vqa(folder, "train2014", version=3)


def test_files_may_stand_in_the_folder_itself(folder, questions):
    for path in (*folder.glob("Questions/*"), *folder.glob("Annotations/*")):
        path.rename(folder / path.name)
    assert read_vqa(folder, "train2014", num_answers=4).vocabulary == questions.vocabulary


def test_the_table_is_the_official_one(questions):
    # By hand: yes 8 of 10; "two" and "2" agree after normalisation; "Blue" is "blue"; no 4 of 10; 1 of 10.
    predictions = ["yes", "2", "blue", "no", "because 3"]
    table = vqa_table(predictions, questions)
    assert table["accuracy"] == 0.86
    assert table["families"] == {"number": 1.0, "other": 0.65, "yes/no": 1.0}
    assert table["question_types"]["why"] == 0.3
    assert (table["questions"], table["vqa_rules"]) == (5, "official")
    with pytest.raises(InputError, match="'mine'"):
        vqa_table(predictions, questions, "mine")


def test_a_result_file_is_what_the_server_takes_and_is_read_back(questions, tmp_path):
    predictions = ["yes", "2", "blue", "no", "é"]
    path = tmp_path / "results.json"
    write_results(path, predictions, questions)
    assert json.loads(path.read_text())[1] == {
        "question_id": vqa_folder.question_id(1),
        "answer": "2",
    }
    path.write_text(json.dumps(json.loads(path.read_text())[::-1]))
    assert read_results(path, questions) == predictions


def test_complementary_pairs_are_positions(questions, tmp_path):
    path = tmp_path / "v2_mscoco_train2014_complementary_pairs.json"
    ids = [vqa_folder.question_id(position) for position in range(5)]
    path.write_text(json.dumps([[ids[0], ids[3]], [ids[2], 1], [ids[4], ids[1]]]))
    assert read_complementary_pairs(path, questions).tolist() == [[0, 3], [4, 1]]


def test_question_types_have_the_same_number_in_every_split(folder, questions):
    assert len(QUESTION_TYPES) == len(set(QUESTION_TYPES)) == 65
    entries = vqa_folder.QUESTIONS[::-1] + [(9, "Odd?", "odd", "other", ["yes"] * 10)]
    vqa_folder.write(folder, "val2014", entries=entries)
    val = read_vqa(folder, "val2014", questions.vocabulary)
    assert val.question_family_index[:5].tolist() == questions.question_family_index[::-1].tolist()
    assert val.annotations.question_types[65:] == ("odd",)
