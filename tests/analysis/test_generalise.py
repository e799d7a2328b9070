"""New combinations of known parts: their answers are those of their programs, their words are known."""

from __future__ import annotations

import pytest

from lnmn_tf.analysis.closure import TEMPLATES, closure_questions, read_scenes
from lnmn_tf.analysis.generalise import paraphrase
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
