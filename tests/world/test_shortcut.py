"""A reader that knows the direction of a relation, not where it starts: always right where one thing is asked for.

And one that knows that a feature is the same, not which: always right where the question speaks of all others.
"""

import json
import random

import numpy as np
import pytest

from lnmn_tf.world.programs import execute, function_of
from lnmn_tf.world.questions import AnswerBalance, generate_questions
from lnmn_tf.world.scenes import sample_scene
from lnmn_tf.world.shortcut import answer_without_feature, answer_without_start
from lnmn_tf.world.templates import QUESTION_TYPES


def node(function, *inputs, value=None):
    return {
        "function": function,
        "inputs": list(inputs),
        "value_inputs": [] if value is None else [value],
    }


def row_of(*colors):
    """Cubes from left to right, in a line."""
    places = range(len(colors))
    return {
        "objects": [
            {
                "size": "small",
                "color": color,
                "material": "metal",
                "shape": "cube",
                "3d_coords": [float(x), 0.0, 0.0],
            }
            for x, color in enumerate(colors)
        ],
        "directions": {"left": [-1.0, 0.0, 0.0], "right": [1.0, 0.0, 0.0]},
        "relationships": {
            "left": [[j for j in places if j < i] for i in places],
            "right": [[j for j in places if j > i] for i in places],
            "front": [[] for _ in places],
            "behind": [[] for _ in places],
        },
    }


def beside(color, direction, *end):
    """What is on a side of the one thing of a color."""
    return [
        node("scene"),
        node("filter_color", 0, value=color),
        node("unique", 1),
        node("relate", 2, value=direction),
        *end,
    ]


@pytest.mark.parametrize(
    "direction, end, right, read",
    [
        ("left", [node("unique", 3), node("query_color", 4)], "red", "red"),
        ("right", [node("count", 3)], "3", "2"),  # of five cubes two lie beyond the middle one
        ("right", [node("filter_color", 3, value="red"), node("count", 4)], "2", "1"),
        ("left", [node("filter_color", 3, value="cyan"), node("exist", 4)], "no", "no"),
    ],
)
def test_it_takes_the_furthest_thing_or_those_beyond_the_middle(direction, end, right, read):
    scene = row_of("red", "blue", "red", "green", "red")
    program = beside("blue", direction, *end)
    assert execute(program, scene) == right
    assert answer_without_start(program, scene) == read


def test_several_things_that_are_one_are_no_answer():
    program = [node("scene"), node("filter_color", 0, value="red"), node("unique", 1)]
    assert answer_without_start(program, row_of("red", "red")) is None


def right_without(asked):
    """Whether the reader is right, by the last function of questions with a relation and nothing but filters behind it."""
    found = {}
    for scene, question in asked:
        functions = [n.get("function") or n["type"] for n in question["program"]]
        last = functions[-1].split("_")[0]
        one_set = not {"union", "intersect"} & set(functions)
        if "relate" in functions and one_set and last in ("query", "count", "exist"):
            is_right = answer_without_start(question["program"], scene) == question["answer"]
            found.setdefault(last, []).append(is_right)
    return found


def test_a_query_with_a_relation_needs_no_start():
    rng, balance, asked, plain = random.Random(3), AnswerBalance(), [], 0
    for index in range(37):
        scene = sample_scene(np.random.default_rng(index), index, "train").to_json(30, 20)
        for question in generate_questions(scene, rng, 17, QUESTION_TYPES, balance):
            asked.append((scene, question))
            if all(n["function"] != "relate" for n in question["program"]):
                plain += 1
                assert answer_without_start(question["program"], scene) == question["answer"]
    found = right_without(asked)
    assert plain > 200 and len(found["query"]) > 30 and all(found["query"])
    assert 0.3 < np.mean(found["count"]) < 0.9 and 0.5 < np.mean(found["exist"]) < 1.0


@pytest.fixture(scope="module")
def asked_in_clevr(clevr_sample):
    """(scene, question) of the sample of real CLEVR."""
    asked = []
    for split in ("train", "val"):
        scenes = json.loads((clevr_sample / f"scenes/CLEVR_{split}_scenes.json").read_text())[
            "scenes"
        ]
        of_picture = {scene["image_filename"]: scene for scene in scenes}
        questions = json.loads(
            (clevr_sample / f"questions/CLEVR_{split}_questions.json").read_text()
        )
        asked += [(of_picture[q["image_filename"]], q) for q in questions["questions"]]
    return asked


def test_nor_does_it_in_clevr(asked_in_clevr):
    found = right_without(asked_in_clevr)
    assert len(found["query"]) > 200 and all(found["query"])
    assert np.mean(found["count"]) < 0.9


def thing(size, color, material, shape):
    return {"size": size, "color": color, "material": material, "shape": shape}


SCENE = {
    "objects": [
        thing("large", "red", "metal", "cube"),
        thing("small", "red", "rubber", "sphere"),
        thing("small", "blue", "rubber", "sphere"),
        thing("large", "cyan", "rubber", "sphere"),
        thing("small", "red", "rubber", "cylinder"),
    ],
    "relationships": {direction: [[]] * 5 for direction in ("left", "right", "front", "behind")},
}


def like_the_cube(feature, *end):
    """What has the same feature as the one cube."""
    return [
        node("scene"),
        node("filter_shape", 0, value="cube"),
        node("unique", 1),
        node(f"same_{feature}", 2),
        *end,
    ]


COLOR_OF_THE_RUBBER_SPHERE = [
    node("filter_material", 3, value="rubber"),
    node("filter_shape", 4, value="sphere"),
    node("unique", 5),
    node("query_color", 6),
]


@pytest.mark.parametrize(
    "feature, end, right, read",
    [
        ("size", COLOR_OF_THE_RUBBER_SPHERE, "cyan", "cyan"),  # all other features are spoken of
        ("color", [node("count", 3)], "2", "0"),  # size 1, color 2, material 0, shape 0
        ("size", [node("filter_color", 3, value="red"), node("exist", 4)], "no", "no"),
        ("color", [node("filter_size", 3, value="small"), node("exist", 4)], "yes", "no"),
    ],
)
def test_it_tries_each_feature_that_is_not_spoken_of(feature, end, right, read):
    program = like_the_cube(feature, *end)
    assert execute(program, SCENE) == right
    assert answer_without_feature(program, SCENE) == read


def test_where_no_feature_gives_one_thing_it_has_no_answer():
    one_of_several = like_the_cube("color", node("unique", 3), node("query_size", 4))
    assert answer_without_feature(one_of_several, SCENE) is None


def test_clevr_asks_few_queries_that_need_the_name_of_the_feature(asked_in_clevr):
    found = {}
    for scene, question in asked_in_clevr:
        functions = [function_of(n) for n in question["program"]]
        if any(name.startswith("same_") for name in functions):
            is_right = answer_without_feature(question["program"], scene) == question["answer"]
            found.setdefault(functions[-1].split("_")[0], []).append(is_right)
    assert len(found["query"]) > 200 and np.mean(found["query"]) > 0.95
    assert np.mean(found["count"]) < 0.75
