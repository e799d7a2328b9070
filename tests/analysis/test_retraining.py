"""Weights trained on under hard choices: what changes, what does not, and when there is none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lnmn_tf.analysis import hardmax, retraining
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.retraining import retrained
from lnmn_tf.analysis.sweep import sweep
from lnmn_tf.errors import InputError


@pytest.fixture
def eager(monkeypatch):
    """A learning rate at which a few steps are seen."""
    monkeypatch.setattr(retraining, "_SHARE", 60.0)


def test_under_hard_choices_right_answers_become_more_likely_and_the_network_stays(subject, eager):
    kept = [variable.numpy() for variable in subject.probe.network.variables]
    copy, steps = retrained(subject, steps=12)
    assert steps == 12
    for variable, before in zip(subject.probe.network.variables, kept):
        np.testing.assert_array_equal(variable, before)
    for name, mixture in copy.probe.mixtures.items():
        assert np.all(mixture.max(axis=-1) > 0.999)
        strongest = subject.probe.mixtures[name].argmax(axis=-1)
        np.testing.assert_array_equal(mixture.argmax(axis=-1), strongest)
    asked = retraining._examples(subject, steps=12)
    likely = []
    for network in (subject, copy):
        one = dataclasses.replace(network, examples=asked)
        both = hardmax.variants(one.probe)[hardmax.BOTH]
        likely.append(sweep(one, {"hard": both}).mean_probability("hard")["overall"])
    assert likely[1] > likely[0]


def test_a_retraining_is_kept_and_ends_in_time(subject, eager, tmp_path, monkeypatch):
    monkeypatch.setattr(retraining, "MOST_SECONDS", 0.0)
    first, steps = retrained(subject, 9, Ledger(tmp_path / "parts", {}))
    assert steps == 1
    monkeypatch.setattr(retraining, "_train", None)  # would be called
    second, steps = retrained(subject, 9, Ledger(tmp_path / "parts", {}))
    assert steps == 1
    for mine, theirs in zip(first.probe.network.variables, second.probe.network.variables):
        np.testing.assert_array_equal(mine, theirs)


def test_without_a_training_split_there_is_none(subject, monkeypatch, capsys):
    def missing(*arguments):
        raise InputError("CLEVR_train_questions.json: is missing")

    monkeypatch.setattr(retraining, "open_split", missing)
    assert retrained(subject, 3) is None
    assert "no retraining: CLEVR_train" in capsys.readouterr().out
    assert retrained(subject, 0) is None


def test_hardmax_tells_before_from_after(subject, monkeypatch):
    monkeypatch.setattr(hardmax, "retrained", lambda s, steps, _: (s, steps) if steps else None)
    result = hardmax.measure(subject, Ledger(), {"retrain_steps": 2})
    assert set(result) == {"now", hardmax.AFTER}
    assert result[hardmax.AFTER].keys() == result["now"].keys()
    assert len(hardmax.rows(result)) == 8
    assert set(hardmax.measure(subject, Ledger(), {"retrain_steps": 0})) == {"now"}
