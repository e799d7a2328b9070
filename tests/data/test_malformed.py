"""Malformed files of CLEVR's and VQA's form: each gets one sentence with the file and what is wrong.

A case is what is done to sound data, and words that the sentence must have. The same damage is found by
verification, which goes on to the next.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from lnmn_tf.config import DataConfig
from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.expert_layouts import layouts_of
from lnmn_tf.data.features import FeatureStore
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.data.verification import MOST_SHOWN, verify_split
from lnmn_tf.data.vqa import read_complementary_pairs, read_vqa
from lnmn_tf.data.vqa_results import read_results
from lnmn_tf.errors import InputError
from tests.data import vqa_folder

ASKED = "Questions/v2_OpenEnded_mscoco_train2014_questions.json"
SAID = "Annotations/v2_mscoco_train2014_annotations.json"
CLEVR = "questions/CLEVR_train_questions.json"


def edit(path: str, change):
    """Changes the JSON of a file."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / path).read_text())
        change(content)
        (folder / path).write_text(json.dumps(content))

    return damage


def cut(path: str, share: float):
    """Keeps the first part of a file, as a download that broke off."""

    def damage(folder: Path) -> None:
        content = (folder / path).read_bytes()
        (folder / path).write_bytes(content[: int(share * len(content))])

    return damage


def overwrite(path: str, content: bytes):
    return lambda folder: (folder / path).write_bytes(content)


def picture(path: str, mode: str, size=(13, 11), **options):
    """A picture of other colours or another size."""

    def damage(folder: Path) -> None:
        Image.new(mode, size).save(folder / path, **options)

    return damage


def set_(path: str, array: str, index: int, **fields):
    """Sets fields of one record; None removes."""

    def change(content: dict) -> None:
        record = content[array][index]
        record.update(fields)
        for name in [name for name, value in fields.items() if value is None]:
            del record[name]

    return edit(path, change)


def check(damage, words, folder: Path, read) -> None:
    damage(folder)
    with pytest.raises(InputError) as caught:
        read(folder)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, (word, message)


VQA = {
    "annotation without question": (
        edit(ASKED, lambda content: content["questions"].pop(1)),
        [SAID, "annotations[3]", "9499", "v2_OpenEnded", "expected annotations of those questions"],
    ),
    "question without annotation": (
        edit(SAID, lambda content: content["annotations"].pop(3)),
        [SAID, "no annotation of question 9499", "one for each of 5 questions"],
    ),
    "annotations of another split": (
        edit(
            SAID,
            lambda content: [
                a.update(question_id=7 + i) for i, a in enumerate(content["annotations"])
            ],
        ),
        [SAID, "annotations[0]", "'question_id' is 7"],
    ),
    "nine answers": (
        edit(SAID, lambda content: content["annotations"][2]["answers"].pop()),
        [SAID, "annotations[2]", "9 entries", "expected a list of 10"],
    ),
    "eleven answers": (
        edit(SAID, lambda content: content["annotations"][2]["answers"].append({"answer": "x"})),
        [SAID, "annotations[2]", "11 entries"],
    ),
    "one annotator twice": (
        edit(SAID, lambda content: content["annotations"][1]["answers"][0].update(answer_id=2)),
        [SAID, "annotations[1]", "'answer_id'", "expected 10 different ones"],
    ),
    "an answer that is a number": (
        edit(SAID, lambda content: content["annotations"][0]["answers"][4].update(answer=2)),
        [SAID, "annotations[0]: answers[4]", "'answer' is 2 (int)", "expected a text"],
    ),
    "an unknown answer type": (
        set_(SAID, "annotations", 0, answer_type="colour"),
        [SAID, "annotations[0]", "'colour'", "yes/no"],
    ),
    "no question type": (
        set_(SAID, "annotations", 4, question_type=None),
        [SAID, "annotations[4]", "'question_type' is missing"],
    ),
    "annotation of another image": (
        set_(SAID, "annotations", 0, image_id=25),
        [SAID, "annotations[0]", "'image_id' is 25", "about image 42"],
    ),
    "an annotation twice": (
        edit(SAID, lambda content: content["annotations"].append(content["annotations"][0])),
        [SAID, "annotations[5]", "as before; expected each once"],
    ),
    "a question twice": (
        edit(ASKED, lambda content: content["questions"].append(content["questions"][0])),
        [ASKED, "questions[5]", "'question_id' is 9500", "expected each once"],
    ),
    "an empty question": (
        set_(ASKED, "questions", 3, question=" "),
        [ASKED, "questions[3]", "'question' is ' '", "expected a text"],
    ),
    "an image id that is a text": (
        set_(ASKED, "questions", 3, image_id="25"),
        [ASKED, "questions[3]", "'image_id' is '25' (str)", "a whole number"],
    ),
    "questions in the place of annotations": (
        lambda folder: (folder / SAID).write_bytes((folder / ASKED).read_bytes()),
        [SAID, "expected one called 'annotations'"],
    ),
    "a truncated download": (cut(SAID, 0.6), [SAID, "cut short"]),
    "a missing file": (lambda folder: (folder / SAID).unlink(), [SAID, "is missing"]),
    "a missing picture": (
        lambda folder: (folder / "images/train2014/COCO_train2014_000000000025.jpg").unlink(),
        ["images/train2014", "1 of 3 pictures", "COCO_train2014_000000000025.jpg"],
    ),
    "no question at all": (
        edit(ASKED, lambda content: content["questions"].clear()),
        [ASKED, "empty list"],
    ),
}


@pytest.fixture
def vqa(tmp_path):
    vqa_folder.write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", VQA)
def test_malformed_vqa_is_refused_in_one_sentence(case, vqa):
    check(*VQA[case], vqa, lambda folder: read_vqa(folder, "train2014", num_answers=4))


RESULTS = {
    "a result of another split": (
        [[1, "yes"]],
        ["[0]", "'question_id' is 1", "expected a question of"],
    ),
    "a question left out": (
        [[9500, "yes"], [9499, "2"]],
        ["no answer to question 42498", "2 more", "one to each of the 5 questions"],
    ),
    "two answers": ([[9500, "yes"], [9500, "no"]], ["[1]", "9500, as before"]),
    "an answer that is a number": ([[9500, 2]], ["[0]", "'answer' is 2 (int)"]),
}


@pytest.mark.parametrize("case", RESULTS)
def test_a_malformed_result_file_is_refused_in_one_sentence(case, vqa):
    pairs, words = RESULTS[case]
    questions = read_vqa(vqa, "train2014", num_answers=4)

    def damage(folder: Path) -> None:
        entries = [{"question_id": question, "answer": answer} for question, answer in pairs]
        (folder / "results.json").write_text(json.dumps(entries))

    check(
        damage,
        ["results.json", *words],
        vqa,
        lambda folder: read_results(folder / "results.json", questions),
    )


@pytest.mark.parametrize("content", ["[[1, 2], [3]]", "[[1, true]]", '{"a": 1}', "[[1, 2"])
def test_malformed_pairs_are_refused_in_one_sentence(content, vqa):
    questions = read_vqa(vqa, "train2014", num_answers=4)
    check(
        overwrite("pairs.json", content.encode()),
        ["pairs.json"],
        vqa,
        lambda folder: read_complementary_pairs(folder / "pairs.json", questions),
    )


SCENE = {"function": "scene", "inputs": [], "value_inputs": []}
PICTURE = "images/train/CLEVR_train_000001.jpg"
CLEVR_CASES = {
    "an unknown function": (
        set_(CLEVR, "questions", 1, program=[{"function": "guess", "inputs": []}]),
        [CLEVR, "questions[1]", "'guess'"],
    ),
    "a program that gives no answer": (
        set_(CLEVR, "questions", 1, program=[SCENE]),
        [CLEVR, "questions[1]", "ends in 'scene'"],
    ),
    "an image under two names": (
        set_(CLEVR, "questions", 2, image_filename="CLEVR_train_000001.jpg"),
        [CLEVR, "questions[2]", "'CLEVR_train_000001.jpg' and 2"],
    ),
    "no answer": (
        set_(CLEVR, "questions", 0, answer=None),
        [CLEVR, "questions[0]", "'answer' is missing", "only a test split"],
    ),
    "HTML in the place of JSON": (
        overwrite(CLEVR, b"<!DOCTYPE html><html><body>404</body></html>"),
        [CLEVR, "expected '{', found '<'"],
    ),
    "UTF-16": (overwrite(CLEVR, "{}".encode("utf-16")), [CLEVR, "is not UTF-8"]),
    "a truncated download of questions": (cut(CLEVR, 0.5), [CLEVR, "cut short"]),
    "HTML saved as JPEG": (
        overwrite(PICTURE, b"<html><head><title>Sign in</title></head></html>"),
        [PICTURE, "is no PNG or JPEG", "<html>"],
    ),
    "a truncated picture": (cut(PICTURE, 0.7), [PICTURE, "the picture"]),
    "an empty picture": (overwrite(PICTURE, b""), [PICTURE, "0 bytes"]),
    "a picture in CMYK": (picture(PICTURE, "CMYK"), [PICTURE, "CMYK", "expected RGB or grey"]),
    "a picture of one pixel": (
        picture(PICTURE, "RGB", (1, 1)),
        [PICTURE, "1x1 pixels; expected at least 2x2"],
    ),
    "a GIF": (picture(PICTURE, "L", format="GIF"), [PICTURE, "is no PNG or JPEG", "GIF8"]),
}


@pytest.fixture
def clevr(clevr_folder, question):
    """Five questions, one about each of five pictures, the second of them a JPEG."""
    entries = [question(i, i) for i in range(5)]
    entries[1]["image_filename"] = Path(PICTURE).name
    folder = clevr_folder(entries)
    Image.new("RGB", (13, 11)).save(folder / PICTURE)
    (folder / PICTURE).with_suffix(".png").unlink()
    return folder


def read_clevr(folder: Path):
    questions = read_questions(folder, "train")
    PixelStore(folder, "train", questions.image_filenames, 11, 13)
    return questions


def test_sound_data_are_read(clevr, tmp_path):
    assert len(read_clevr(clevr)) == 5
    verified = verify_split(DataConfig(data_dir=str(clevr)), "train", None, print)
    assert verified == (5, 5, None, 0)
    assert str(verified) == "5 questions, 5 pictures: nothing is wrong"


@pytest.mark.parametrize("case", CLEVR_CASES)
def test_malformed_clevr_is_refused_in_one_sentence(case, clevr):
    check(*CLEVR_CASES[case], clevr, read_clevr)


def test_questions_of_people_have_no_layouts(clevr):
    damage = edit(CLEVR, lambda content: [q.pop("program") for q in content["questions"]])
    check(
        damage,
        [CLEVR, "question 0", "has no program", "--layout_loss_weight", "5 of 5"],
        clevr,
        lambda folder: layouts_of(read_questions(folder, "train"), 9),
    )


def test_an_answer_outside_the_vocabulary_is_refused(clevr):
    vocabulary = read_questions(clevr, "train").vocabulary
    check(
        set_(CLEVR, "questions", 3, answer="mauve"),
        [CLEVR, "questions[3]", "'mauve'", "none of the 1 answers"],
        clevr,
        lambda folder: read_questions(folder, "train", vocabulary),
    )


def features(shape=(5, 4, 2, 2), dtype=np.float32, name="features", bad: int | None = None):
    def damage(folder: Path) -> None:
        rows = np.ones(shape, dtype)
        if bad is not None:
            rows[bad] = np.nan
        with h5py.File(folder / "features_train.h5", "w") as file:
            file[name] = rows

    return damage


FEATURES = {
    "features of other images": (features((9, 4, 2, 2)), ["9 rows", "5 images"]),
    "too few rows": (features((4, 4, 2, 2)), ["4 rows", "5 images"]),
    "a flat vector for each image": (features((5, 16)), ["[5, 16]", "[N, C, H, W]"]),
    "whole numbers": (features(dtype=np.int32), ["int32", "expected float16 or float32"]),
    "another name": (features(name="feats"), ["['feats']", "expected features or data"]),
    "not a number": (features(bad=2), ["row 2", "NaN or infinity"]),
    "a truncated file": (
        lambda folder: (features()(folder), cut("features_train.h5", 0.5)(folder)),
        ["cannot be read as HDF5"],
    ),
}


@pytest.mark.parametrize("case", FEATURES)
def test_malformed_features_are_refused_in_one_sentence(case, clevr):
    def read(folder: Path):
        questions = read_questions(folder, "train")
        FeatureStore(
            folder / "features_train.h5",
            questions.image_rows,
            images_in_split=questions.images_in_split,
        )

    damage, words = FEATURES[case]
    check(damage, ["features_train.h5", *words], clevr, read)


def problems_of(data: DataConfig, vocabulary=None) -> list[str]:
    found = []
    verified = verify_split(data, data.train_split, vocabulary, found.append)
    assert verified.problems == len(found)
    return found


def assert_each_is_named(found: list[str], wanted: list[list[str]]) -> None:
    assert len(found) == len(wanted), found
    for words in wanted:
        assert [line for line in found if all(word in line for word in words)], (words, found)


def test_verification_lists_everything_that_is_wrong_with_clevr(clevr):
    vocabulary = read_questions(clevr, "train").vocabulary
    wrong_order = [
        SCENE,
        {"function": "filter_shape", "inputs": [2]},
        {"function": "count", "inputs": [1]},
    ]
    for damage in (
        set_(CLEVR, "questions", 0, answer="mauve"),
        set_(CLEVR, "questions", 1, program=wrong_order),
        set_(CLEVR, "questions", 2, question=""),
        set_(CLEVR, "questions", 3, answer=None),
        set_(CLEVR, "questions", 4, image_index=3),
        picture(PICTURE, "CMYK"),
        overwrite("images/train/CLEVR_train_000004.png", b"<html>"),
        lambda folder: (folder / "images/train/CLEVR_train_000000.png").unlink(),
        features((5, 4, 2, 2), bad=1),
    ):
        damage(clevr)
    data = DataConfig(data_dir=str(clevr), features=str(clevr / "features_{split}.h5"))
    wanted = [
        ["questions[0]", "'mauve'"],
        ["questions[1]", "function 1 (filter_shape)", "[2]", "earlier functions"],
        ["questions[2]", "'question' is ''"],
        ["questions[3]", "'answer' is missing"],
        [CLEVR, "'CLEVR_train_000004.png' and 3 in one question"],
        [PICTURE, "CMYK"],
        ["CLEVR_train_000004.png", "is no PNG or JPEG"],
        ["CLEVR_train_000000.png", "is missing; a question is about it"],
        ["features_train.h5", "row 1", "NaN or infinity"],
    ]
    assert_each_is_named(problems_of(data, vocabulary), wanted)


def test_verification_lists_everything_that_is_wrong_with_vqa(vqa):
    for damage in (
        set_(ASKED, "questions", 0, image_id="9"),
        set_(SAID, "annotations", 0, answer_type="colour"),
        edit(SAID, lambda content: content["annotations"][2]["answers"].pop()),
        overwrite("images/train2014/COCO_train2014_000000000077.jpg", b"\xff\xd8\xff\xe0"),
        lambda folder: (folder / "images/train2014/COCO_train2014_000000000042.jpg").unlink(),
    ):
        damage(vqa)
    data = DataConfig(
        data_dir=str(vqa), data_format="vqa_v2", train_split="train2014", val_split="val2014"
    )
    wanted = [
        [ASKED, "questions[0]", "'image_id'"],
        [SAID, "annotations[0]", "'colour'"],
        [SAID, "annotations[2]", "9 entries"],
        [SAID, "annotations[4]", "'question_id' is 9500"],
        [SAID, "no annotation of question 42498", "(and of 1 more)"],
        ["COCO_train2014_000000000077.jpg"],
        ["COCO_train2014_000000000042.jpg", "is missing; a question is about it"],
    ]
    assert_each_is_named(problems_of(data), wanted)


@pytest.mark.parametrize("damage", [cut(CLEVR, 0.8), overwrite(CLEVR, b"[]")])
def test_verification_names_a_file_that_cannot_be_read_on(damage, clevr):
    damage(clevr)
    assert_each_is_named(problems_of(DataConfig(data_dir=str(clevr))), [[CLEVR]])


def test_verification_lists_so_many_problems_and_counts_the_rest(clevr):
    edit(CLEVR, lambda content: content.update(questions=content["questions"][:1] + [7] * 1234))(
        clevr
    )
    found = []
    verified = verify_split(DataConfig(data_dir=str(clevr)), "train", None, found.append)
    assert str(verified) == "1 question, 5 pictures: 1,234 problems"
    assert len(found) == MOST_SHOWN + 1
    assert "questions[1]: is 7 (int); expected an object" in found[0]
    assert found[-1] == "... and 234 more"
