"""Expert layouts, held against layouts written by hand and a slower definition."""

import json

import numpy as np
import pytest

from lnmn_tf.config import STACK_NMN_MODULES
from lnmn_tf.config.relational import RelationalConfig
from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.expert_layouts import (
    MODULES,
    allowed_modules,
    expert_layout,
    layouts_of,
    without_repeated_filters,
)
from lnmn_tf.data.question_set import NO_MODULE
from lnmn_tf.errors import InputError

LETTERS = {
    "F": "find",
    "f": "filter",
    "T": "transform",
    "S": "scene",
    "&": "and",
    "|": "or",
    "1": "describe_one",
    "2": "describe_two",
}


def program(*nodes: str) -> list[dict]:
    """`program("scene", "filter_shape 0", "count 1")`: functions with what they read."""
    split = [node.split() for node in nodes]
    return [{"function": name, "inputs": [int(i) for i in reads]} for name, *reads in split]


def spelt(layout) -> str:
    return "".join(next(k for k, v in LETTERS.items() if v == module) for module in layout)


# Programs as CLEVR's generator makes them, what they become, and that without repeated filters.
PROGRAMS = [
    (["scene", "count 0"], "S1", "S1"),
    (["scene", "filter_size 0", "filter_color 1", "exist 2"], "Ff1", "F1"),
    (["scene", "filter_shape 0", "unique 1", "query_color 2"], "F1", "F1"),
    (
        [
            "scene",
            "filter_shape 0",
            "unique 1",
            "relate 2",
            "filter_color 3",
            "filter_size 4",
            "count 5",
        ],
        "FTff1",
        "FTf1",
    ),
    (["scene", "filter_size 0", "unique 1", "same_color 2", "exist 3"], "FT1", "FT1"),
    # A relation right after the scene's unique object: nothing to find.
    (["scene", "unique 0", "relate 1", "count 2"], "ST1", "ST1"),
    (
        [
            "scene",
            "filter_size 0",
            "scene",
            "filter_shape 2",
            "filter_color 3",
            "union 1 4",
            "count 5",
        ],
        "FFf|1",
        "FF|1",
    ),
    (
        ["scene", "filter_size 0", "unique 1", "relate 2", "scene", "filter_shape 4", "unique 5"]
        + ["relate 6", "intersect 3 7", "filter_color 8", "unique 9", "query_shape 10"],
        "FTFT&f1",
        "FTFT&f1",
    ),
    # Comparisons drop the count or query under them.
    (
        [
            "scene",
            "filter_size 0",
            "count 1",
            "scene",
            "filter_shape 3",
            "count 4",
            "less_than 2 5",
        ],
        "FF2",
        "FF2",
    ),
    (["scene", "count 0", "scene", "filter_shape 2", "count 3", "equal_integer 1 4"], "SF2", "SF2"),
    (
        [
            "scene",
            "filter_size 0",
            "unique 1",
            "query_color 2",
            "scene",
            "filter_shape 4",
            "unique 5",
        ]
        + ["relate 6", "filter_size 7", "unique 8", "query_color 9", "equal_color 3 10"],
        "FFTf2",
        "FFTf2",
    ),
    # A scene that nothing reads is left over.
    (["scene", "scene", "filter_shape 1", "exist 2"], "F1", "F1"),
    # What is read twice is run twice.
    (["scene", "filter_shape 0", "union 1 1", "count 2"], "FF|1", "FF|1"),
]


@pytest.mark.parametrize(("nodes", "layout", "short"), PROGRAMS, ids=[p[1] for p in PROGRAMS])
def test_programs_become_the_expert_layout(nodes, layout, short):
    found = expert_layout(program(*nodes))
    assert spelt(found) == layout
    assert spelt(without_repeated_filters(found)) == short


def test_functions_may_stand_under_type_and_the_program_is_left_as_it_was():
    nodes = program("scene", "filter_size 0", "count 1", "scene", "count 3", "less_than 2 4")
    typed = [{"type": node["function"], "inputs": node["inputs"]} for node in nodes]
    before = json.dumps(typed)
    assert expert_layout(typed) == expert_layout(nodes)
    assert json.dumps(typed) == before


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (program("scene", "count 1"), r"function 1 \(count\) has the inputs \[1\]"),
        (program("scene", "count"), r"function 1 \(count\) has 0 inputs; expected 1"),
        (program("scene", "union 0", "count 1"), r"\(union\) has 1 inputs; expected 2"),
        ([{"function": "scene"}, {"function": "count"}], r"\(scene\) has the inputs None"),
        (program("scene", "guess 0"), "unknown function 'guess'"),
        (program("scene", "count 0", "exist 0"), "ends in 2 functions that nothing reads"),
        ([], "ends in 0 functions"),
        (
            program("scene", *(f"union {i} {i}" for i in range(40)), "count 40"),
            "more than 1000 modules",
        ),
    ],
)
def test_a_malformed_program_is_refused(nodes, message):
    with pytest.raises(InputError, match=message):
        expert_layout(nodes)


def naive_layout(nodes: list[dict], position: int) -> list[str]:
    """The modules below a function, by recursion, in words as near to the definition as they get."""
    function, reads = nodes[position]["function"], nodes[position]["inputs"]
    compares = function.startswith("equal_") or function in ("less_than", "greater_than")
    if compares:
        under = [nodes[read] for read in reads]
        reads = [
            node["inputs"][0] if node["function"].startswith(("count", "query_")) else read
            for node, read in zip(under, reads)
        ]
    below = [module for read in reads for module in naive_layout(nodes, read)]
    if function == "scene":
        return ["scene"]
    if function == "unique":
        return [*below, "unique"]
    if function.startswith("filter_"):
        return [*below[:-1], "find"] if below[-1] == "scene" else [*below, "filter"]
    if function == "relate" or function.startswith("same_"):
        return [*below, "transform"]
    if function in ("union", "intersect"):
        return [*below, "or" if function == "union" else "and"]
    return [*below, "describe_two" if compares else "describe_one"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_real_programs_follow_the_definition(clevr_sample, split):
    path = clevr_sample / "questions" / f"CLEVR_{split}_questions.json"
    questions = json.loads(path.read_text())["questions"]
    for question in questions:
        expected = naive_layout(question["program"], len(question["program"]) - 1)
        expected = [module for module in expected if module != "unique"]
        assert expert_layout(question["program"]) == expected
    train = read_questions(clevr_sample, "train")
    layouts = layouts_of(train, num_steps=9)
    assert layouts.shape == (1520, 9)
    assert [spelt(MODULES[i] for i in row if i) for row in layouts[:2]] == [
        spelt(without_repeated_filters(expert_layout(question["program"])))
        for question in json.loads((path.parent / "CLEVR_train_questions.json").read_text())[
            "questions"
        ][:2]
    ]


@pytest.fixture
def questions(clevr_folder, question):
    entries = [
        question(i, i, program=program(*PROGRAMS[number][0])) for i, number in enumerate((1, 3, 8))
    ]
    return read_questions(clevr_folder(entries), "train")


def test_layouts_are_padded_with_no_op(questions):
    layouts = layouts_of(questions, num_steps=5)
    assert layouts.dtype == np.int32
    assert [[MODULES[i] for i in row] for row in layouts] == [
        ["find", "describe_one", "no_op", "no_op", "no_op"],
        ["find", "transform", "filter", "describe_one", "no_op"],
        ["find", "find", "describe_two", "no_op", "no_op"],
    ]
    assert (layouts_of(questions.select(np.array([2, 0])), 5) == layouts[[2, 0]]).all()


def test_a_layout_longer_than_the_steps_is_left_out_and_a_missing_program_names_the_question(
    questions, clevr_folder, question
):
    layouts = layouts_of(questions, num_steps=3)
    assert (layouts[1] == NO_MODULE).all()
    assert np.array_equal(layouts[[0, 2]], layouts_of(questions, 5)[[0, 2], :3])
    bare = [question(0, 0), question(1, 1, program=None)]
    with pytest.raises(
        InputError, match=r"question 0 .*has no program, or one that is not well-formed"
    ):
        layouts_of(read_questions(clevr_folder(bare), "train"), num_steps=5)


def test_modules_are_those_of_stack_nmn():
    assert MODULES == STACK_NMN_MODULES
    assert (allowed_modules(STACK_NMN_MODULES) == np.eye(len(MODULES))).all()


def test_cells_of_lnmn_may_do_what_moves_the_stack_alike():
    names = [
        "push_3.0",
        "attention_3.0",
        "attention_3.1",
        "relate_3.0",
        "attention_4.0",
        "answer_3.0",
    ]
    names += ["answer_4.0", "no_op"]
    allowed = allowed_modules(names)
    may = {m: [n for n, a in zip(names, row) if a] for m, row in zip(MODULES, allowed)}
    assert may["find"] == may["scene"] == ["push_3.0"]
    assert may["filter"] == may["transform"] == ["attention_3.0", "attention_3.1", "relate_3.0"]
    assert may["and"] == may["or"] == ["attention_4.0"]
    assert (may["describe_one"], may["describe_two"]) == (["answer_3.0"], ["answer_4.0"])
    assert may["no_op"] == ["no_op"]
    del names[6]
    assert allowed_modules(names)[MODULES.index("describe_two")].tolist() == [0, 0, 0, 0, 0, 1, 0]
    may = allowed_modules(names[1:])[MODULES.index("find")]  # where nothing pushes
    assert may.tolist() == [1, 1, 0, 0, 0, 0]
    with pytest.raises(
        InputError, match=r"none that can do the work of 'and'; expected attention_4"
    ):
        allowed_modules([name for name in names if name != "attention_4.0"])
    assert RelationalConfig().looking_cells  # so the default model has what it takes
