"""Laws of the numbers that instruments report."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.analysis import history, interrupts
from lnmn_tf.analysis.expert import agreement, compared_with_expert, experts_modules
from lnmn_tf.analysis.information import mutual_information, with_permutations
from lnmn_tf.analysis.layouts import programs, swapped, usage
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.operators import rank_correlation
from lnmn_tf.analysis.probe import softmax
from lnmn_tf.analysis.stack import difference, height
from lnmn_tf.analysis.structure import live_nodes, node_entropy
from lnmn_tf.data.expert_layouts import MODULES
from lnmn_tf.errors import InputError


def test_a_label_says_all_about_itself_and_nothing_about_chance():
    rng = np.random.default_rng(4)
    labels = rng.integers(4, size=4000)
    assert mutual_information(labels, labels) == pytest.approx(2.0, abs=0.01)
    found = with_permutations(labels, rng.integers(3, size=4000), permutations=50)
    assert found.bits < 0.02 and abs(found.bits - found.by_chance) < 0.01
    same = with_permutations(labels, labels, permutations=20)
    assert same.significant and same.bits == pytest.approx(same.entropy)


def test_the_entropy_of_a_node_is_between_one_operator_and_all():
    assert node_entropy(np.eye(6)[2]) == pytest.approx(0.0)
    assert node_entropy(np.full([5, 6], 1 / 6)) == pytest.approx(np.log2(6))


def test_programs_are_counted_and_found_again():
    weights = np.eye(3)[[[0, 1], [2, 2], [2, 2], [0, 1], [2, 2]]]
    found, which = programs(weights)
    assert found.tolist() == [[2, 2], [0, 1]] and which.tolist() == [1, 0, 0, 1, 0]


def test_usage_is_the_mean_of_a_family():
    weights = np.random.default_rng(0).random([6, 2, 3])
    families = np.array([0, 0, 1, -1, 1, 1])
    means = usage(weights, families, 3)
    np.testing.assert_allclose(means[0], weights[:2].mean(axis=0))
    assert np.isnan(means[2]).all()


def test_a_swap_takes_layouts_of_the_donor_alone():
    weights = np.arange(5.0)[:, None, None] * np.ones([1, 2, 3])
    families = np.array([0, 1, 0, 1, 1])
    taken = swapped(weights, families, donor=1).layout(None, np.arange(5))
    assert set(taken[:, 0, 0]) <= {1.0, 3.0, 4.0}


def test_an_expert_agrees_with_itself():
    expert = np.eye(3)[[[0, 1], [2, 2]]]
    whole = dict.fromkeys(("weight", "steps", "programs", "in_order"), 1.0)
    assert agreement(expert, expert) == whole
    other = np.eye(3)[[[0, 2], [2, 2]]]
    half = {"weight": 0.75, "steps": 0.75, "programs": 0.5, "in_order": 0.5}
    assert agreement(other, expert) == half
    # Where two modules can do a step's work, each of them agrees.
    assert agreement(other, np.maximum(expert, other)) == whole


def test_steps_that_do_nothing_do_not_disturb_the_order():
    expert = np.eye(4)[[[0, 1, 3, 3], [0, 0, 1, 3]]]  # module 3 does nothing
    ran = np.eye(4)[[[0, 3, 1, 3], [0, 1, 0, 3]]]
    assert agreement(ran, expert, no_op=3)["in_order"] == 0.5
    assert agreement(ran, expert, no_op=3)["programs"] == 0.0


def test_the_experts_modules_are_those_that_can_do_their_work():
    names = ("push_3.0", "relate_3.0", "answer_3.0", "answer_4.0", "attention_4.0", "no_op")
    find, filter_, describe = (MODULES.index(m) for m in ("find", "filter", "describe_one"))
    layouts = np.array([[find, filter_, describe], [-1, -1, -1], [find, describe, -1]], np.int8)
    fitting, expert = experts_modules(layouts, names, 2)
    assert fitting.tolist() == [2]
    assert expert.tolist() == [[[1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]]]
    fitting, expert = experts_modules(layouts, names, 4)
    assert fitting.tolist() == [0, 2] and expert[0, 3].tolist() == [0, 0, 0, 0, 0, 1]


def test_an_expert_is_compared_where_there_are_programs(subject):
    questions = subject.questions
    weights = np.full([len(questions), 4, len(subject.probe.module_names)], 1e-3, np.float32)
    found = compared_with_expert(subject, weights)
    assert 0 < found["questions"] <= found["of"] == len(questions)
    assert sum(f["questions"] for f in found["families"].values()) == found["questions"]
    blind = dataclasses.replace(questions, layouts=None)
    without = dataclasses.replace(
        subject, examples=dataclasses.replace(subject.examples, questions=blind)
    )
    assert compared_with_expert(without, weights) is None


def test_maps_differ_by_nothing_or_wholly():
    rng = np.random.default_rng(8)
    first = rng.random([7, 5])
    assert np.all(difference(first, first) == 0)
    apart = np.concatenate([first, 0 * first], -1), np.concatenate([0 * first, first], -1)
    np.testing.assert_allclose(difference(*apart), 1.0)
    assert height(np.eye(4)).tolist() == [0, 1, 2, 3]


def test_rank_correlation_is_one_for_what_rises_together():
    values = np.array([3.0, 1.0, 2.0, 2.0])
    assert rank_correlation(values, values**3) == pytest.approx(1.0)
    assert rank_correlation(values, -values) == pytest.approx(-1.0)
    assert rank_correlation(values, np.ones(4)) is None


def test_nodes_whose_result_nobody_reads_are_idle(subject):
    """Where the last convolution of attention cells is zero, their maps do not depend on any node."""
    banks = subject.probe.network.banks.items()
    banks = [bank for name, bank in banks if not name.startswith("answer")]
    kept = [bank.kernel.numpy() for bank in banks]
    try:
        for bank in banks:
            bank.kernel.assign(tf.zeros_like(bank.kernel))
        live = live_nodes(subject, sample=15)
    finally:
        for bank, kernel in zip(banks, kept):
            bank.kernel.assign(kernel)
    for cell in subject.probe.cells:
        assert np.all((live[cell.name] >= 0) & (live[cell.name] <= 1))
        assert cell.answers or not live[cell.name].any()


def test_a_part_is_computed_once_and_again_with_another_key(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(3)}

    for key in ({"a": 1}, {"a": 1}, {"a": 2}):
        part = Ledger(tmp_path / "parts", key).part("first", compute)
        assert part["x"].tolist() == [0, 1, 2]
    assert len(calls) == 2


def test_a_damaged_part_is_computed_again(tmp_path):
    ledger = Ledger(tmp_path / "parts", {})
    ledger.part("first", lambda: {"x": np.zeros(2)})
    (tmp_path / "parts" / "first.npz").write_bytes(b"PK damaged")
    assert ledger.part("first", lambda: {"x": np.ones(2)})["x"].tolist() == [1, 1]


def test_a_ctrl_c_that_python_dropped_is_raised_at_the_next_check():
    with interrupts.remembered():
        with contextlib.suppress(KeyboardInterrupt):  # dropped, as in a garbage collection
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    interrupts.check()  # outside, nothing is left of it


def test_a_history_is_read_as_it_was_written_but_for_a_line_cut_short(tmp_path):
    path, alpha = tmp_path / history.FILE_NAME, {"look_3.0": np.eye(6)[[1, 4]]}
    assert history.read(path) is None
    history.append(path, 10, {"look_3.0": np.zeros([2, 6])})
    for _ in range(2):  # a step that was done again, after a stop
        history.append(path, 20, alpha)
    with open(path, "a") as stream:
        stream.write('{"step": 30, "cel')
    past = history.read(path)
    assert past.steps.tolist() == [10, 20]
    np.testing.assert_allclose(past.mixtures["look_3.0"][0], 1 / 6)
    np.testing.assert_allclose(past.mixtures["look_3.0"][1], softmax(alpha["look_3.0"]))
    with open(path, "a") as stream:
        stream.write("\n")
    with pytest.raises(InputError, match="line 4"):
        history.read(path)
