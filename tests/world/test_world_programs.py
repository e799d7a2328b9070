"""The executor against hand-made scenes, and against every program of real CLEVR data."""

import json

import pytest

from lnmn_tf.world.programs import (
    ATTRIBUTES,
    FUNCTIONS,
    IllPosed,
    execute,
    function_of,
    possible_answers,
)

# From left to right: a small red metal cube, a large red rubber sphere, a small blue metal sphere.
SCENE = {
    "objects": [
        {"size": "small", "color": "red", "material": "metal", "shape": "cube"},
        {"size": "large", "color": "red", "material": "rubber", "shape": "sphere"},
        {"size": "small", "color": "blue", "material": "metal", "shape": "sphere"},
    ],
    "relationships": {
        "left": [[], [0], [0, 1]],
        "right": [[1, 2], [2], []],
        "front": [[], [], []],
        "behind": [[], [], []],
    },
}


def program(postfix: str) -> list:
    """Nodes of "scene filter_color:red unique"; each word reads the last values not read yet."""
    nodes, unread = [], []
    for word in postfix.split():
        function, _, value = word.partition(":")
        arity = FUNCTIONS[function].arity
        inputs = unread[len(unread) - arity :]
        unread = [*unread[: len(unread) - arity], len(nodes)]
        nodes.append(
            {"function": function, "inputs": inputs, "value_inputs": [value] if value else []}
        )
    return nodes


@pytest.mark.parametrize(
    ("postfix", "answer"),
    [
        ("scene count", "3"),
        ("scene filter_color:red count", "2"),
        ("scene filter_color:green exist", "no"),
        ("scene filter_shape:cube unique query_material", "metal"),
        ("scene filter_shape:cube unique relate:right count", "2"),
        ("scene filter_shape:cube unique relate:left exist", "no"),
        ("scene filter_shape:cube unique same_color unique query_size", "large"),
        ("scene filter_shape:cube unique same_shape count", "0"),
        ("scene filter_color:red scene filter_material:metal union count", "3"),
        ("scene filter_color:red scene filter_material:metal intersect unique query_shape", "cube"),
        ("scene filter_color:red count scene filter_size:small count equal_integer", "yes"),
        ("scene filter_shape:cube count scene filter_size:small count less_than", "yes"),
        ("scene filter_shape:cube count scene filter_size:small count greater_than", "no"),
        (
            "scene filter_shape:cube unique query_size scene filter_color:blue unique query_size equal_size",
            "yes",
        ),
    ],
)
def test_answers_follow_from_the_scene(postfix, answer):
    assert execute(program(postfix), SCENE) == answer


@pytest.mark.parametrize("color", ["red", "green"])
def test_unique_of_several_or_none_is_ill_posed(color):
    with pytest.raises(IllPosed, match="unique"):
        execute(program(f"scene filter_color:{color} unique query_size"), SCENE)


def test_unknown_functions_are_named():
    with pytest.raises(ValueError, match="'same_weight'"):
        execute([{"function": "same_weight", "inputs": [], "value_inputs": []}], SCENE)


def test_the_function_may_be_called_type():
    assert function_of({"type": "count"}) == function_of({"function": "count"}) == "count"


def test_there_are_28_answers():
    last = ("count", "exist", *(f"query_{attribute}" for attribute in ATTRIBUTES))
    assert len({answer for function in last for answer in possible_answers(function)}) == 28
    assert possible_answers("less_than") == possible_answers("equal_size") == ("yes", "no")


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_program_of_real_clevr_gives_its_answer(split, clevr_sample):
    scenes, questions = (
        json.loads((clevr_sample / kind / f"CLEVR_{split}_{kind}.json").read_text())[kind]
        for kind in ("scenes", "questions")
    )
    scenes = {scene["image_index"]: scene for scene in scenes}
    wrong = [
        question["question"]
        for question in questions
        if execute(question["program"], scenes[question["image_index"]]) != question["answer"]
        or question["answer"] not in possible_answers(function_of(question["program"][-1]))
    ]
    assert questions and not wrong
