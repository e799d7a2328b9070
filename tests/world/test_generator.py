"""Whole worlds: CLEVR's folder, the same bytes however they came about, and no half-written file."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lnmn_tf.config import WorldConfig
from lnmn_tf.errors import InputError
from lnmn_tf.world import generator
from lnmn_tf.world.generator import generate_world, world_record
from lnmn_tf.world.templates import QUESTION_TYPES
from lnmn_tf.world.world_folder import WorldFolder

ROOT = Path(__file__).parents[2]
SMALL = WorldConfig(
    train_images=7,
    val_images=2,
    test_images=1,
    questions_per_image=3,
    picture_width=31,
    picture_height=19,
    workers=1,
)


@pytest.fixture
def quick(monkeypatch):
    """Shards of three images, and plain pictures; only for worlds of one process."""
    monkeypatch.setattr(generator, "SHARD_SIZE", 3)
    monkeypatch.setattr(generator, "render", picture)


def picture(scene, width, height):
    return np.full((height, width, 3), scene.image_index, np.uint8)


def files_of(folder: Path) -> dict:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_folder_is_clevrs(quick, tmp_path):
    generate_world(SMALL, tmp_path / "world", progress=False)
    files = files_of(tmp_path / "world")
    images = [f"images/train/CLEVR_train_{index:06d}.png" for index in range(7)]
    images += [f"images/val/CLEVR_val_{index:06d}.png" for index in range(2)]
    images += ["images/test/CLEVR_test_000000.png"]
    tables = [
        f"{kind}/CLEVR_{split}_{kind}.json"
        for kind in ("questions", "scenes")
        for split in ("train", "val", "test")
    ]
    assert set(files) == {*images, *tables, "world.json"}
    assert Image.open(tmp_path / "world" / images[0]).size == (31, 19)
    questions = json.loads(files["questions/CLEVR_train_questions.json"])
    scenes = json.loads(files["scenes/CLEVR_train_scenes.json"])
    assert questions["info"]["split"] == scenes["info"]["split"] == "train"
    assert [scene["image_index"] for scene in scenes["scenes"]] == list(range(7))
    assert [entry["question_index"] for entry in questions["questions"]] == list(range(21))
    assert [entry["image_index"] for entry in questions["questions"]] == [
        index for index in range(7) for _ in range(3)
    ]


def test_a_finished_world_is_left_as_it_is(quick, tmp_path, monkeypatch):
    generate_world(SMALL, tmp_path, progress=False)
    before = files_of(tmp_path)
    monkeypatch.setattr(generator, "sample_scene", None)  # it would fail if it were called
    generate_world(dataclasses.replace(SMALL, workers=2), tmp_path, progress=False)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("lost", ["images/train/CLEVR_train_000004.png", "scenes", "questions"])
def test_what_a_finished_world_has_lost_is_made_again(quick, tmp_path, lost):
    generate_world(SMALL, tmp_path / "world", progress=False)
    before = files_of(tmp_path / "world")
    path = tmp_path / "world" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    generate_world(SMALL, tmp_path / "world", progress=False)
    assert files_of(tmp_path / "world") == before


def test_another_seed_is_another_world_and_a_larger_world_continues_it(quick, tmp_path):
    worlds = {}
    for name, changes in {
        "one": {},
        "other": {"world_seed": 1},
        "larger": {"train_images": 11},
    }.items():
        generate_world(dataclasses.replace(SMALL, **changes), tmp_path / name, progress=False)
        text = (tmp_path / name / "scenes" / "CLEVR_train_scenes.json").read_text()
        worlds[name] = json.loads(text)["scenes"]
    assert worlds["one"] != worlds["other"]
    assert worlds["one"] == worlds["larger"][:7]


def test_interrupted_at_any_write_it_goes_on_to_the_same_bytes(quick, tmp_path, monkeypatch):
    config = dataclasses.replace(SMALL, train_images=4, test_images=0, max_objects=4)
    generate_world(config, tmp_path / "whole", progress=False)
    expected = files_of(tmp_path / "whole")
    replace, calls = os.replace, 0

    def interrupted(source, target):
        nonlocal calls
        calls += 1
        if calls == stop:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    for stop in range(1, 100):
        folder, calls = tmp_path / f"stopped_{stop}", 0
        try:
            generate_world(config, folder, progress=False)
        except KeyboardInterrupt:
            for name, content in files_of(folder).items():
                if not name.startswith((".parts", "world.json")):
                    assert content == expected[name]
        else:
            break
        generate_world(config, folder, progress=False)
        assert files_of(folder) == expected
    assert 13 < stop < 99


def test_killed_in_parallel_it_goes_on_to_the_same_bytes(tmp_path):
    """A real SIGKILL; the other world is made by one process, so workers do not matter either."""
    size = {"train_images": 60, "val_images": 0, "questions_per_image": 2, "max_objects": 4}
    size |= {"picture_width": 9, "picture_height": 6}
    code = (
        "from lnmn_tf.config import WorldConfig\n"
        "from lnmn_tf.world.generator import generate_world\n"
        f"generate_world(WorldConfig(**{size}, workers=2), 'WORLD', False)"
    )
    command = [sys.executable, "-c", code.replace("WORLD", str(tmp_path / "killed"))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment)
    parts = tmp_path / "killed" / ".parts"
    while process.poll() is None and not list(parts.glob("*.jsonl")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "scenes").exists()
    subprocess.run(command, env=environment, check=True)
    single = WorldConfig(**size, workers=1)
    generate_world(single, tmp_path / "whole", progress=False)
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def test_another_world_in_the_folder_is_refused_naming_both(quick, tmp_path):
    generate_world(SMALL, tmp_path, progress=False)
    before = files_of(tmp_path)
    with pytest.raises(InputError, match=r"num_val=2, seed=0.*asked for is num_val=5, seed=17"):
        generate_world(
            dataclasses.replace(SMALL, val_images=5, world_seed=17), tmp_path, progress=False
        )
    assert files_of(tmp_path) == before


def test_a_folder_of_something_else_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="thesis.txt"):
        generate_world(SMALL, tmp_path, progress=False)
    assert list(files_of(tmp_path)) == ["thesis.txt"]


@pytest.mark.parametrize("record", ["", "[]", '{"world": 3, "finished": true}'])
def test_a_damaged_record_is_an_input_error(tmp_path, record):
    (tmp_path / "world.json").write_text(record)
    with pytest.raises(InputError, match="world.json"):
        generate_world(SMALL, tmp_path, progress=False)


def test_a_file_in_the_folders_place_is_an_input_error(tmp_path):
    (tmp_path / "world").write_text("")
    with pytest.raises(InputError, match="world: cannot be written"):
        generate_world(SMALL, tmp_path / "world", progress=False)


def test_a_full_disk_is_an_input_error_and_leaves_no_partial_file(tmp_path):
    def content_that_does_not_fit():
        yield b"the first half"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = WorldFolder(tmp_path)
    folder.write("kept", b"old")
    for name in ("kept", "new"):
        with pytest.raises(InputError, match=f"{name}: cannot be written.*No space left"):
            folder.write(name, content_that_does_not_fit())
    assert files_of(tmp_path) == {"kept": b"old"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": -1}, "--train_images is -1"),
        ({"picture_width": 0}, "picture_width .--picture_size. is 0"),
        ({"world_seed": 1.5}, "world_seed is 1.5"),
        ({"max_objects": 11}, "max_objects is 11"),
        ({"min_objects": 5, "max_objects": 4}, "min_objects is 5; expected at most"),
    ],
)
def test_impossible_worlds_are_refused_when_configured(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_an_unknown_question_type_is_refused_before_anything_is_written(tmp_path):
    config = dataclasses.replace(SMALL, question_types=("riddle",))
    with pytest.raises(InputError, match="question_types: riddle"):
        generate_world(config, tmp_path / "world", progress=False)
    assert not (tmp_path / "world").exists()


def test_what_identifies_a_world_is_written_as_ever():
    """Worlds on disk are told by it: other names or values would refuse them."""
    assert world_record(SMALL) == {
        "num_train": 7,
        "num_val": 2,
        "num_test": 1,
        "questions_per_image": 3,
        "width": 31,
        "height": 19,
        "min_objects": 3,
        "max_objects": 10,
        "question_types": list(QUESTION_TYPES),
        "seed": 0,
        "generator": 2,
    }
