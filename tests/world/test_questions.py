"""Generated questions: well-posed, not degenerate, balanced, repeatable; checked by the executor."""

import random
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from lnmn_tf.errors import InputError
from lnmn_tf.world.fresh import fresh_questions
from lnmn_tf.world.programs import FUNCTIONS, SceneGraph, execute, possible_answers
from lnmn_tf.world.questions import AnswerBalance, families_of, generate_questions
from lnmn_tf.world.scenes import sample_scene
from lnmn_tf.world.templates import FAMILIES, QUESTION_TYPES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scenes():
    return [
        sample_scene(np.random.default_rng(index), index, "train").to_json(30, 20)
        for index in range(37)
    ]


@pytest.fixture(scope="module", params=["in files", "fresh"])
def asked(scenes, request):
    """(scene, question) for every question about 37 scenes, balanced together."""
    if request.param == "fresh":
        fresh = fresh_questions(scenes, QUESTION_TYPES, 17, seed=3, epoch=0)
        asked = [(scenes[row], fresh.record(i, scenes[row])) for i, row in enumerate(fresh.scenes)]
        assert [len(question["program"]) for _, question in asked] == list(fresh.program_lengths)
        return asked
    rng, balance = random.Random(3), AnswerBalance()
    return [
        (scene, question)
        for scene in scenes
        for question in generate_questions(scene, rng, 17, QUESTION_TYPES, balance)
    ]


def nodes_named(program, *prefixes):
    return [index for index, node in enumerate(program) if node["function"].startswith(prefixes)]


def values_of(program, scene):
    """The value of every node: masks, objects, numbers, attribute values."""
    graph, values = SceneGraph(scene), []
    for node in program:
        inputs = (values[index] for index in node["inputs"])
        values.append(FUNCTIONS[node["function"]].apply(graph, *inputs, *node["value_inputs"]))
    return values


def test_questions_have_clevrs_keys_and_the_executors_answer(asked):
    for scene, question in asked:
        assert set(question) == {
            *("image_index", "image_filename", "split", "program", "answer", "question"),
            "question_family_index",
        }
        assert question["image_filename"] == scene["image_filename"]
        assert execute(question["program"], scene) == question["answer"]
        function = question["program"][-1]["function"]
        assert FAMILIES[question["question_family_index"]].function == function
        assert question["answer"] in possible_answers(function)


def test_every_family_is_asked_about_as_often(asked):
    counts = Counter(question["question_family_index"] for _, question in asked)
    assert len(counts) == len(FAMILIES)
    assert max(counts.values()) - min(counts.values()) <= 5


def test_no_two_questions_about_a_scene_are_the_same(asked):
    texts = Counter((scene["image_index"], question["question"]) for scene, question in asked)
    assert max(texts.values()) == 1


def test_every_relation_makes_a_difference(asked):
    """With all objects in its place, more of them pass the filters behind it."""
    checked = 0
    for scene, question in asked:
        program = question["program"]
        for index in nodes_named(program, "relate", "same_"):
            end = index + 1
            while program[end]["function"].startswith("filter_"):
                end += 1
            if program[end]["function"] not in ("unique", "count", "exist"):
                continue  # half of an `intersect` or a `union`
            count = {"function": "count", "inputs": [end - 1], "value_inputs": []}
            everything = {"function": "scene", "inputs": [], "value_inputs": []}
            bound = [*program[:end], count]
            free = [*program[:index], everything, *program[index + 1 : end], count]
            assert int(execute(free, scene)) > int(execute(bound, scene)), question["question"]
            checked += 1
    assert checked > 300


def test_both_sides_of_an_and_are_needed(asked):
    checked = 0
    for scene, question in asked:
        program = question["program"]
        for index in nodes_named(program, "intersect"):
            for side in program[index]["inputs"]:
                without = [dict(node) for node in program]
                without[side] = {"function": "scene", "inputs": [], "value_inputs": []}
                end = nodes_named(program, "filter_", "intersect")[-1]
                bound, free = (
                    values_of(nodes[: end + 1], scene)[-1] for nodes in (program, without)
                )
                assert free != bound, question["question"]
                checked += 1
    assert checked > 20


def test_no_object_is_singled_out_twice(asked):
    for scene, question in asked:
        values = values_of(question["program"], scene)
        objects = [values[index] for index in nodes_named(question["program"], "unique")]
        assert len(set(objects)) == len(objects), question["question"]


def test_what_is_asked_for_is_not_named(asked):
    """The color of a red ball, the number of red balls compared with that of red balls."""
    for _, question in asked:
        program = question["program"]
        for index in nodes_named(program, "query_"):
            before = program[index]["inputs"][0] - 1
            while program[before]["function"].startswith("filter_"):
                assert program[before]["function"] != f"filter_{program[index]['function'][6:]}"
                before -= 1
        if program[-1]["function"] in ("equal_integer", "less_than", "greater_than"):
            one, other = program[-1]["inputs"]
            functions = [
                [(node["function"], *node["value_inputs"]) for node in side]
                for side in (program[:one], program[one + 1 : other])
            ]
            assert functions[0] != functions[1]


def test_two_numbers_compared_are_not_both_zero(asked):
    for scene, question in asked:
        if question["program"][-1]["function"] in ("equal_integer", "less_than", "greater_than"):
            values = values_of(question["program"], scene)
            assert any(values[index] for index in question["program"][-1]["inputs"])


def test_other_is_said_where_the_compared_object_would_fit_as_well(asked):
    said = Counter()
    for scene, question in asked:
        program = question["program"]
        for index in nodes_named(program, "same_"):
            item = scene["objects"][values_of(program[:index], scene)[-1]]
            fits = all(
                item[node["function"].partition("_")[2]] == node["value_inputs"][0]
                for node in program[index + 1 :]
                if node["function"].startswith("filter_")
            )
            words = question["question"].split()
            assert ("other" in words or "another" in words) == fits, question["question"]
            said[fits] += 1
    assert min(said[True], said[False]) > 10


def test_no_family_has_a_predominant_answer(asked):
    answers = defaultdict(Counter)
    for _, question in asked:
        answers[question["program"][-1]["function"]][question["answer"]] += 1
    for function, counts in answers.items():
        uniform = 1 / len(possible_answers(function))
        share = max(counts.values()) / sum(counts.values())
        assert share < (0.4 if function == "count" else uniform + 0.1), (function, counts)


def test_the_balance_refuses_the_answer_that_leads_too_far():
    balance = AnswerBalance()
    assert balance.admits(1, "yes")
    balance.add(1, "yes")
    assert not balance.admits(1, "yes")
    assert balance.admits(1, "no")
    assert balance.asked(1) == 1


def test_the_same_seed_asks_the_same(scenes):
    runs = [generate_questions(scenes[0], random.Random(seed), 23) for seed in (5, 5, 7)]
    assert runs[0] == runs[1] != runs[2]


def test_only_the_types_wanted_are_asked(scenes):
    questions = generate_questions(scenes[1], random.Random(2), 13, ("single_or", "zero_hop"))
    families = {question["question_family_index"] for question in questions}
    assert families == set(families_of(("zero_hop", "single_or")))


def test_a_scene_with_little_to_ask_gives_fewer_questions():
    scene = sample_scene(np.random.default_rng(0), 0, "train", 1, 1).to_json(30, 20)
    assert generate_questions(scene, random.Random(0), 3, ("three_hop", "comparison")) == []


@pytest.mark.parametrize("types", [(), ("one_hop", "one_hop"), ("four_hop",)])
def test_wrong_question_types_are_named(types):
    with pytest.raises(InputError, match="question_types.*expected some of zero_hop"):
        families_of(types)


def test_importing_the_generator_does_not_import_tensorflow():
    code = "import sys, lnmn_tf.world.generator as g; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_weight_says_how_often_the_families_of_a_type_are_asked(scenes):
    balance = AnswerBalance()
    rng = random.Random(2)
    for scene in scenes * 8:
        generate_questions(scene, rng, 6, ("zero_hop:3", "one_hop"), balance)
    asked = {1.0: [], 3.0: []}
    for index, weight in families_of(("zero_hop:3", "one_hop")).items():
        asked[weight].append(balance.asked(index))
    ratio = np.mean(asked[3.0]) / np.mean(asked[1.0])
    assert 2.0 < ratio < 4.0
