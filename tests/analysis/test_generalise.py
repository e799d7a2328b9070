"""New combinations of known parts: their answers are those of their programs, their words are known."""

from __future__ import annotations

import dataclasses
import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from lnmn_tf.analysis import cogent, generalise
from lnmn_tf.analysis.closure import TEMPLATES, closure_questions, read_scenes
from lnmn_tf.analysis.generalise import paraphrase
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.data.programs import program_functions
from lnmn_tf.errors import InputError
from lnmn_tf.world.programs import execute

# What a program of each family has, and CLEVR's own programs do not have together.
PARTS = {
    "and_mat_spa": ("same", "relate", "intersect", "query"),
    "or_mat": ("same", "union", "count"),
    "or_mat_spa": ("same", "relate", "union", "count"),
    "embed_mat_spa": ("same", "relate", "exist"),
    "embed_spa_mat": ("relate", "same", "exist"),
    "compare_mat": ("same", "equal"),
    "compare_mat_spa": ("same", "relate", "equal"),
}


@pytest.fixture(scope="module")
def scenes(tiny_world):
    return [*read_scenes(tiny_world, "train"), *read_scenes(tiny_world, "val")]


@pytest.mark.parametrize("name", TEMPLATES)
def test_questions_have_the_answers_of_their_programs(scenes, name):
    questions = list(closure_questions(scenes, name, count=100))
    assert questions
    by_file = {scene["image_filename"]: scene for scene in scenes}
    for question in questions:
        scene = by_file[question["image_filename"]]
        assert execute(question["program"], scene) == question["answer"]
        functions = [function.split("_")[0] for function in program_functions(question["program"])]
        places = [functions.index(part) for part in PARTS[name]]
        if name.startswith("embed"):
            assert places == sorted(places)
        assert "{" not in question["question"] and question["question"].endswith("?")
    assert questions == list(closure_questions(scenes, name, count=100))
    assert len(list(closure_questions(scenes, name, count=1))) == 1


def test_a_paraphrase_says_the_same_in_other_words():
    text = "How many big shiny balls are left of the tiny cube?"
    other = paraphrase(text)
    assert other == "How many large metal spheres are left of the small block?"
    assert paraphrase("What color is it?") == "What color is it?"


def test_missing_scenes_are_named(tmp_path):
    with pytest.raises(InputError, match="CLEVR_val_scenes.json"):
        read_scenes(tmp_path, "val")


@pytest.fixture(scope="module")
def conditions(tmp_path_factory):
    """Folders of CoGenT's conditions, three pictures each."""
    world = cogent.WorldLike(48, 32, 3, 5, ("zero_hop",))
    folders = {name: tmp_path_factory.mktemp(name) for name in cogent.CONDITIONS}
    for name, folder in folders.items():
        assert cogent.draw_condition(folder, name, world, images=3) == 36
    return folders


def test_the_conditions_are_the_same_scenes_with_colours_in_exchange(conditions):
    of_a, of_b = (read_scenes(folder, "val") for folder in conditions.values())
    assert cogent.share_of(of_a, "A") == cogent.share_of(of_b, "B") == 1.0
    assert cogent.share_of(of_a, "B") == 0.0
    for one, other in zip(of_a, of_b):
        for mine, theirs in zip(one["objects"], other["objects"]):
            same = mine["color"] == theirs["color"]
            assert same == (mine["shape"] == "sphere")
            assert {**mine, "color": ""} == {**theirs, "color": ""}
    pictures = [
        np.asarray(Image.open(folder / "images/val/CLEVR_val_000001.png"))
        for folder in conditions.values()
    ]
    assert pictures[0].shape == (32, 48, 3) and not np.array_equal(*pictures)


def test_questions_of_a_condition_have_the_answers_of_their_programs(conditions, tmp_path):
    for folder in conditions.values():
        by_file = {scene["image_filename"]: scene for scene in read_scenes(folder, "val")}
        questions = json.loads((folder / "questions/CLEVR_val_questions.json").read_text())
        for question in questions["questions"]:
            scene = by_file[question["image_filename"]]
            assert execute(question["program"], scene) == question["answer"]
    world = cogent.WorldLike(48, 32, 3, 5, ("zero_hop",))
    cogent.draw_condition(tmp_path, "A", world, images=3, answers=("yes", "no"))
    left = json.loads((tmp_path / "questions/CLEVR_val_questions.json").read_text())["questions"]
    assert {question["answer"] for question in left} == {"yes", "no"}


def test_a_world_is_known_by_its_record_and_other_data_have_defaults(tiny_world, tmp_path):
    assert cogent.WorldLike.of(tiny_world)[:4] == (48, 32, 3, 5)
    assert cogent.WorldLike.of(tmp_path) == cogent.WorldLike()
    assert 0.0 < cogent.share_in_training(tiny_world, "train") < 1.0
    assert cogent.share_in_training(tmp_path, "train") is None


def test_a_network_is_asked_about_both_conditions_and_all_combinations(
    subject, monkeypatch, tmp_path
):
    monkeypatch.setattr(generalise, "QUESTIONS", 2)
    monkeypatch.setattr(generalise, "draw_condition", partial(cogent.draw_condition, images=2))
    subject = dataclasses.replace(subject, folder=tmp_path)
    result = generalise.measure(subject, Ledger(), {})
    assert (tmp_path / "cogent_B/images/val/CLEVR_val_000001.png").is_file()
    names = [row["questions"] for row in generalise.rows(result)]
    assert names[:3] == ["the split", "other words", "CoGenT A"] and "CoGenT B: count" in names
    assert set(result["closure"]) <= set(TEMPLATES) and result["closure"]
    for row in generalise.rows(result):
        assert 0.0 <= row["accuracy"] <= 100.0
    assert "colours of B" in generalise.summary(result)
