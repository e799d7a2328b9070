"""Formulas: Table 6 of the paper, and that what is printed is what a cell computes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from formula_evaluator import Evaluator

from lnmn_tf.analysis.expressions import FIRST_MAP, IMAGE, MAP, OPERATORS, SECOND_MAP, sees
from lnmn_tf.analysis.formulas import describe, formula, latex_table, same, summary
from lnmn_tf.analysis.probe import Cell, Operands
from lnmn_tf.layers.cells import AnswerBank, AttentionBank
from lnmn_tf.layers.nodes import NodeChain
from lnmn_tf.models.genotype import one_hot

# Operators, kind, and the expressions of Table 6: as composed, and as simplified where it is.
TABLE_6 = [
    (
        ("choose_2", "product"),
        "att3",
        "conv2(choose2(conv1(I), a) ⊙ W1 c) = conv2(a ⊙ W1 c)",
    ),
    (
        ("choose_1", "choose_2"),
        "att3",
        "conv2(choose2(choose1(conv1(I), a), W1 c)) = conv2(W1 c)",
    ),
    (("min", "choose_2"), "att3", "conv2(choose2(min(conv1(I), a), W1 c)) = conv2(W1 c)"),
    (("max", "sum"), "att3", "conv2(max(conv1(I), a) + W1 c)"),
    (
        ("max", "choose_1", "product"),
        "att4",
        "conv2(choose1(max(a1, a2), conv1(I)) ⊙ W1 c) = conv2(max(a1, a2) ⊙ W1 c)",
    ),
    (
        ("choose_2", "max", "product"),
        "att4",
        "conv2(max(choose2(a1, a2), conv1(I)) ⊙ W1 c) = conv2(max(a2, conv1(I)) ⊙ W1 c)",
    ),
    (("min", "product"), "ans3", "W2 [Σ (min(conv1(I), a) ⊙ W1 c), W1 c, f_mem]"),
    (("product", "min"), "ans3", "W2 [Σ min(conv1(I) ⊙ a, W1 c), W1 c, f_mem]"),
    (
        ("min", "product", "min"),
        "ans4",
        "W2 [Σ min(min(a1, a2) ⊙ conv1(I), W1 c), W1 c, f_mem]",
    ),
    (
        ("min", "sum", "product"),
        "ans4",
        "W2 [Σ ((min(a1, a2) + conv1(I)) ⊙ W1 c), W1 c, f_mem]",
    ),
]
MAPS = {"3": [MAP], "4": [FIRST_MAP, SECOND_MAP]}
BATCH, POSITIONS, CHANNELS, MEMORY = 2, 5, 7, 3


@pytest.mark.parametrize("operators, kind, expected", TABLE_6)
def test_the_genotype_behind_table_6_gives_its_expressions(operators, kind, expected):
    made = formula(operators, MAPS[kind[-1]], kind[:3] == "ans", convention="result first")
    assert made.text == expected


def test_two_of_the_papers_attention_modules_have_lost_the_picture_and_their_map():
    lost = [formula(ops, MAPS["3"], False).lost for ops, kind, _ in TABLE_6 if kind == "att3"]
    assert lost == [["picture"], ["picture", "map"], ["picture", "map"], []]


def test_they_are_the_same_function():
    second, third = (formula(ops, MAPS["3"], False) for ops, *_ in TABLE_6[1:3])
    assert same(second.simplified, third.simplified)
    assert second.text != third.text


@pytest.mark.parametrize("operator, equal", [("max", True), ("sum", True), ("choose_1", False)])
def test_the_convention_is_of_no_matter_but_to_choices(operator, equal):
    one, other = (
        formula(("min", operator, "max"), MAPS["4"], False, convention=convention)
        for convention in ("image first", "result first")
    )
    assert same(one.simplified, other.simplified) is equal


GENOTYPES = [(n, ops) for n in (1, 2) for ops in itertools.product(OPERATORS, repeat=n + 1)]


def some(genotypes, count, seed):
    chosen = np.random.default_rng(seed).choice(len(genotypes), count, replace=False)
    return [genotypes[i] for i in chosen]


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("answers", [False, True])
def test_the_printed_formula_is_what_the_hard_cell_computes(answers, normalise):
    """For 50 genotypes; the cell is of nodes of six terms, whose weights are one-hot."""
    rng = np.random.default_rng(3)

    def random(*shape):
        return rng.normal(size=shape).astype(np.float32)

    banks = {}
    for maps, operators in some(GENOTYPES, 50, seed=5 + answers):
        image, text = random(BATCH, POSITIONS, CHANNELS), random(BATCH, 1, CHANNELS)
        memory = random(BATCH, MEMORY)
        read = [random(BATCH, POSITIONS, 1) for _ in range(maps)]
        inputs = [image[:, None], text[:, None], [x[:, None] for x in read]]
        inputs = tf.nest.map_structure(tf.constant, inputs)
        if maps not in banks:
            fusion = NodeChain(1, maps, normalise=normalise)
            bank = AnswerBank(fusion, MEMORY) if answers else AttentionBank(fusion)
            banks[maps] = bank
            bank(*inputs, *([memory] if answers else []))  # makes the weights
            bank.bias.assign(random(*bank.bias.shape))
        bank = banks[maps]
        bank.fusion.structure.assign(100.0 * one_hot(operators)[None])  # alpha' is one-hot
        kernel, bias = bank.kernel.numpy()[0], bank.bias.numpy()[0]
        evaluate = Evaluator(
            {"I": image, "c": text, "f_mem": memory, "a": read[0], "a1": read[0], "a2": read[-1]},
            {
                "conv1": lambda x: x,
                "W1": lambda x: x,
                "shape": lambda: (BATCH, POSITIONS, CHANNELS),
                "conv2": lambda x, k=kernel, b=bias: (
                    np.broadcast_to(x, (BATCH, POSITIONS, CHANNELS)) @ k + b
                ),
                "W2": lambda pooled, c, mem, k=kernel, b=bias: (
                    np.concatenate([c[:, 0], mem, pooled], axis=-1) @ k + b
                ),
            },
        )
        expected = bank(*inputs, *([memory] if answers else [])).numpy()[:, 0]
        made = formula(operators, MAPS[str(maps + 2)], answers, normalised=normalise)
        for text_of_formula in made.text.split(" = "):
            np.testing.assert_allclose(
                evaluate(text_of_formula), expected, rtol=2e-4, atol=2e-4, err_msg=text_of_formula
            )


def cell(name, operators, answers=False):
    maps = tuple(MAPS[str(len(operators) + 1)])
    return Cell(name, (name,), answers, Operands(IMAGE, maps), one_hot(operators), False)


def test_a_summary_points_at_lost_pictures_and_equal_modules():
    cells = [cell(f"m{i}", ops, kind[:3] == "ans") for i, (ops, kind, _) in enumerate(TABLE_6)]
    result = describe(cells)
    assert result["same"] == [["m1", "m2"]]
    assert result["cells"]["m0"]["lost"] == ["picture"]
    text = summary(result)
    assert "m1, m2" in text and "has lost the picture and the attention map" in text
    assert "image first" in text


def test_the_latex_table_has_a_line_for_each_cell_and_balanced_braces():
    result = describe(
        [cell(f"m{i}", ops, kind[:3] == "ans") for i, (ops, kind, _) in enumerate(TABLE_6)]
    )
    table = latex_table(result)
    assert table.count(r"\\") == len(TABLE_6) + 1
    assert table.count("{") == table.count("}")


def test_a_formula_sees_what_stands_in_it():
    assert sees(formula(("min", "choose_1"), MAPS["3"], False).composed) == {"picture", "map"}
