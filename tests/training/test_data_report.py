"""The modes `inspect` and `verify`, by `main`."""

from __future__ import annotations

import json
import shutil

import pytest

from lnmn_tf.main import main
from tests.data import vqa_folder


@pytest.fixture
def world(tiny_world, tmp_path):
    return shutil.copytree(tiny_world, tmp_path / "world")


def test_sound_data_pass_and_are_described(world, capsys):
    assert main(["--mode=verify", f"--data_dir={world}"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "train: 60 questions, 12 pictures: nothing is wrong",
        "val: 15 questions, 3 pictures: nothing is wrong",
    ]
    shutil.rmtree(world / "images")  # a description needs none
    assert main(["--mode=inspect", f"--data_dir={world}"]) == 0
    text = capsys.readouterr().out
    assert "train: 60 questions about 12 images" in text
    assert "val: 15 questions about 3 images" in text
    assert main(["--mode=inspect", f"--data_dir={world}", "--split=val"]) == 0
    assert "train: " not in capsys.readouterr().out


def test_every_problem_is_listed_and_the_exit_code_is_1(world, capsys):
    path = world / "questions" / "CLEVR_val_questions.json"
    content = json.loads(path.read_text())
    content["questions"][2]["answer"] = "mauve"
    content["questions"][4]["program"][1]["inputs"] = [99]
    path.write_text(json.dumps(content))
    (world / "images" / "val" / "CLEVR_val_000001.png").write_bytes(b"<html>")
    assert main(["--mode=verify", f"--data_dir={world}"]) == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == "train: 60 questions, 12 pictures: nothing is wrong"
    assert lines[-1] == "val: 15 questions, 3 pictures: 3 problems"
    assert "questions[2]: answer 'mauve'" in lines[1]
    assert "questions[4]: field 'program'" in lines[2]
    assert "CLEVR_val_000001.png: is no PNG or JPEG" in lines[3]
    assert captured.err.endswith("has problems (0 in train, 3 in val); they are listed above\n")
    assert captured.err.count("\n") == 1


def test_vqa_is_described_and_verified(tmp_path, capsys):
    for split in ("train2014", "val2014", "test2015"):
        vqa_folder.write(tmp_path, split)
    flags = ["--data_format=vqa_v2", f"--data_dir={tmp_path}", "--train_split=train2014"]
    flags += ["--val_split=val2014", "--set=max_answers=4"]
    assert main(["--mode=verify", *flags]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == "test2015: 5 questions, 4 pictures: nothing is wrong"
    )
    assert main(["--mode=inspect", *flags]) == 0
    assert "test2015: 5 questions about 3 images" in capsys.readouterr().out


def test_a_split_that_is_not_there_is_named(world, capsys):
    assert main(["--mode=verify", f"--data_dir={world}", "--split=valB"]) == 1
    assert "CLEVR_valB_questions.json: is missing" in capsys.readouterr().err
