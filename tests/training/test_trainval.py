"""trainval2014, the union of two splits of VQA: their questions, their pictures, and nothing mixed up."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.data.joined_store import JoinedStore
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.data.vqa import read_vqa
from lnmn_tf.errors import InputError
from lnmn_tf.main import main
from lnmn_tf.training.examples import TrainingExamples, with_images
from lnmn_tf.training.fitting import pictures_of
from lnmn_tf.training.reading import read_split
from lnmn_tf.training.supervision import supervision
from lnmn_tf.training.watched import watch
from tests.data import vqa_folder

VAL = [  # image ids less 100
    (7, "Is this a cat?", "is this a", "yes/no", ["yes"] * 10),
    (9, "What is red?", "what is", "other", ["bus"] * 7 + ["blue"] * 3),
    (50, "How many?", "how many", "number", ["2"] * 10),
]
FLAGS = {"data_format": "vqa_v2", "train_split": "trainval2014", "val_split": "val2014"}


@pytest.fixture
def folder(tmp_path):
    vqa_folder.write(tmp_path)
    entries = [(image + 100, *rest) for image, *rest in VAL]
    vqa_folder.write(tmp_path, "val2014", pictures=(107, 109, 150), entries=entries)
    return tmp_path


@pytest.fixture
def config(folder):
    return RunConfig.create(
        {**FLAGS, "data_dir": str(folder), "image_height": 5, "image_width": 7, "batch_size": 1}
    )


def test_the_union_has_the_questions_of_both_one_split_after_the_other(folder):
    both = read_vqa(folder, "trainval2014", num_answers=9)
    train = read_vqa(folder, "train2014", both.vocabulary)
    val = read_vqa(folder, "val2014", both.vocabulary)
    assert both.texts.tolist() == [*train.texts, *val.texts]
    for name in ("answers", "families", "question_family_index", "question_index", "lengths"):
        parts = [getattr(train, name), getattr(val, name)]
        assert np.array_equal(getattr(both, name), np.concatenate(parts)), name
    assert both.image_filenames == (*train.image_filenames, *val.image_filenames)
    names = [both.image_filenames[i] for i in both.image_index]
    assert names == [q.image_filenames[i] for q in (train, val) for i in q.image_index]
    assert both.image_rows.tolist() == [*train.image_rows, *val.image_rows]
    assert both.images_in_split == 7
    said = [part.annotations.answers(i) for part in (train, val) for i in range(len(part))]
    assert [both.annotations.answers(i) for i in range(8)] == said
    assert {"2", "yes", "blue", "bus"} <= set(both.vocabulary.answers)


def test_the_first_questions_may_end_in_either_split(folder):
    for count, pictures in ((2, 1), (5, 3), (6, 4)):
        part = read_vqa(folder, "trainval2014", max_questions=count)
        assert (len(part), len(part.image_filenames)) == (count, pictures)
        assert part.image_index.max() == pictures - 1


def test_pictures_are_those_of_the_questions(config):
    questions = read_split(config, "trainval2014")
    store = with_images(config, "trainval2014", questions).store
    reds = store.read(questions.image_index)[:, 0, 0, 0]
    wanted = [entry[0] for entry in vqa_folder.QUESTIONS] + [image + 100 for image, *_ in VAL]
    np.testing.assert_allclose(reds, wanted, atol=2)  # JPEG
    batch = next(iter(TrainingExamples.open(config).weight_batches(0, 0)))
    assert batch["image"].shape == (1, 5, 7, 3)


def write_features(folder, split, rows, channels=3, **attributes):
    with h5py.File(folder / f"features_{split}.h5", "w") as file:
        file["features"] = np.arange(rows, dtype=np.float32)[:, None, None, None] + (
            100 * (split == "val2014") + np.zeros([rows, 4, 4, channels], np.float32)
        )
        file["features"].attrs["layout"] = "NHWC"
        file.attrs.update(attributes)


def test_features_come_from_the_file_of_the_pictures_own_split(folder):
    write_features(folder, "train2014", 4)
    write_features(folder, "val2014", 3)
    config = RunConfig.create(
        {**FLAGS, "data_dir": str(folder), "features": f"{folder}/features_{{split}}.h5"}
    )
    questions = read_split(config, "trainval2014")
    store = with_images(config, "trainval2014", questions).store
    assert store.read(questions.image_index)[:, 0, 0, 0].tolist() == [
        0, 0, 2, 1, 2, 100, 101, 102,
    ]  # fmt: skip
    write_features(folder, "val2014", 9)
    with pytest.raises(
        InputError, match=r"features_val2014\.h5.* 9 rows, but the split has 3 images"
    ):
        with_images(config, "trainval2014", questions)
    write_features(folder, "val2014", 3, channels=5)
    with pytest.raises(
        InputError, match=r"val2014: its shape is \(4, 4, 5\).*train2014 is \(4, 4, 3\)"
    ):
        with_images(config, "trainval2014", questions)


def test_a_joined_store_reads_any_order_and_repeats(folder):
    names = [[f"COCO_train2014_{i:012d}.jpg" for i in (9, 25)], ["COCO_val2014_000000000150.jpg"]]
    stores = [
        PixelStore(folder, split, part, 5, 7)
        for split, part in zip(("train2014", "val2014"), names)
    ]
    store = JoinedStore(stores, ["a", "b"])
    assert len(store) == 3
    reds = store.read(np.array([2, 0, 2, 1, 0]))[:, 0, 0, 0]
    np.testing.assert_allclose(reds, [150, 9, 150, 25, 9], atol=2)


def test_a_run_says_that_its_reported_split_was_trained_on(config):
    ledger = supervision(config)
    assert "trained on, as part of trainval2014" in ledger["reported split val2014"]
    ledger = supervision(config.replace(train_split="train2014"))
    assert not any("reported" in name for name in ledger)
    with pytest.raises(
        InputError, match="--structure_split is 'val' and --train_split is 'trainval2014'"
    ):
        config.replace(structure_split="val")


def test_tensorboard_shows_pictures_of_either_split(config):
    questions = read_split(config, "trainval2014")
    examples = with_images(config, "trainval2014", questions)
    last = examples.select(np.arange(len(questions))[-len(VAL) :])
    pictures = watch(last, pictures_of(config), most=4).pictures
    reds = [np.asarray(picture)[0, 0, 0] for picture in pictures]
    assert sorted(reds) == pytest.approx([107, 109, 150], abs=2)  # JPEG


def test_each_of_its_splits_is_verified_once_and_looked_at(folder, capsys):
    flags = [f"--{name}={value}" for name, value in FLAGS.items()] + [f"--data_dir={folder}"]
    assert main(["--mode=verify", *flags]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "train2014: 5 questions, 4 pictures: nothing is wrong",
        "val2014: 3 questions, 3 pictures: nothing is wrong",
    ]
    assert main(["--mode=inspect", *flags]) == 0
    assert "trainval2014: 8 questions about 6 images of 7 in the folder" in capsys.readouterr().out
