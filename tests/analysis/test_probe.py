"""Changing a network from outside, and finding it as it was."""

from __future__ import annotations

import numpy as np
import pytest

from lnmn_tf.analysis.hardmax import hard_layout, hard_operators
from lnmn_tf.analysis.operators import without_module, without_operator
from lnmn_tf.analysis.probe import OPERATORS, Probe, changed, with_stack_len
from lnmn_tf.analysis.sweep import Variant, sweep


def first(subject):
    return next(subject.batches())


def test_answers_with_alpha_in_place_of_a_softmax_of_alpha_are_the_networks_own(subject):
    batch = first(subject)
    expected = subject.probe.answer(batch.encoded)["logits"].numpy()
    with subject.probe.operator_weights():
        found = subject.probe.answer(batch.encoded, plainly=True)["logits"].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    direct = subject.probe.network(batch.inputs, training=False)["logits"].numpy()
    np.testing.assert_allclose(direct, expected, rtol=1e-4, atol=1e-5)


def test_alpha_is_as_it_was_after_an_error(subject):
    before = {cell.name: cell.alpha for cell in subject.probe.cells}
    with pytest.raises(KeyError), subject.probe.alpha({n: 0 * a for n, a in before.items()}):
        assert all(not cell.alpha.any() for cell in subject.probe.cells)
        raise KeyError
    for cell in subject.probe.cells:
        np.testing.assert_array_equal(cell.alpha, before[cell.name])


@pytest.mark.parametrize("change", ["hard_operators", "zeroed_operators"])
def test_replaced_operators_are_what_the_models_own_switch_does(subject, change):
    """The config has switches for both; they and the probe must agree."""
    value = True if change == "hard_operators" else ("product", "min")
    network = changed(subject.probe.network, **{change: value})
    batch = first(subject)
    expected = network(batch.inputs, training=False)["logits"].numpy()
    if change == "hard_operators":
        weights = hard_operators(subject.probe)
    else:
        kept = np.array([name not in value for name in OPERATORS], np.float32)
        weights = {name: mixture * kept for name, mixture in subject.probe.mixtures.items()}
    with subject.probe.operator_weights(weights):
        found = subject.probe.answer(batch.encoded, plainly=True)["logits"].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_sweep_finds_what_evaluation_finds(subject):
    from lnmn_tf.training.evaluation import Predictor, accuracy_table

    predictions = Predictor(subject.probe.network, 5)(subject.examples)
    expected = accuracy_table(predictions, subject.questions)
    tally = sweep(subject, {"soft": Variant(), "again": Variant()})
    found = tally.accuracy("soft")
    assert found.pop("overall") == pytest.approx(expected["accuracy"])
    assert found == pytest.approx(expected["families"])
    assert tally.share_changed("again") == 0


def test_an_operator_is_removed_without_renormalising(subject):
    for name, weights in without_operator(subject.probe, "max").operators.items():
        removed = subject.probe.mixtures[name][:, OPERATORS.index("max")]
        np.testing.assert_allclose(weights.sum(axis=-1), 1 - removed, rtol=1e-5)


def test_the_weight_of_a_removed_module_goes_to_no_op(subject):
    weights = np.random.default_rng(1).dirichlet(np.ones(len(subject.probe.module_names)), (5, 2))
    name = subject.probe.module_names[1]
    without = without_module(subject.probe, name).layout(weights, np.arange(5))
    assert not without[..., 1].any()
    np.testing.assert_allclose(without.sum(axis=-1), 1.0)
    np.testing.assert_allclose(without[..., -1], weights[..., -1] + weights[..., 1])


def test_a_hard_layout_has_one_module_a_step(subject):
    weights = np.random.default_rng(2).dirichlet(np.ones(4), (3, 5))
    hard = hard_layout(weights)
    assert set(np.unique(hard)) == {0.0, 1.0} and np.all(hard.sum(axis=-1) == 1)
    np.testing.assert_array_equal(hard.argmax(axis=-1), weights.argmax(axis=-1))


def test_a_stack_of_the_same_length_changes_nothing(subject):
    batch = first(subject)
    other = Probe(with_stack_len(subject.probe.network, subject.probe.stack_len))
    np.testing.assert_allclose(
        other.answer(other.encode(batch.inputs))["logits"],
        subject.probe.answer(batch.encoded)["logits"],
        rtol=1e-4,
        atol=1e-5,
    )
