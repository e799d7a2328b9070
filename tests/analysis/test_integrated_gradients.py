"""The rule of integration, the axiom of completeness, and the number of the released script."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lnmn_tf.analysis.attribution import attribute, attributions, completeness
from lnmn_tf.analysis.integrated_gradients import (
    ALL,
    attribute_released,
    integrate,
    levels,
    quadrature,
    short,
)
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import Probe, softmax
from lnmn_tf.errors import InputError
from lnmn_tf.interop import load_lnmn

GOLDEN = Path(__file__).parent.parent / "golden"
POSITION_CHANNELS = 128


@pytest.mark.parametrize("points", [1, 2, 3, 5, 8, 9, 17])
def test_polynomials_below_the_number_of_points_are_integrated_exactly(points):
    places, weights = quadrature(points)
    assert np.all((places >= 0) & (places <= 1)) and np.all(weights > 0)
    for degree in range(points):
        assert weights @ places**degree == pytest.approx(1 / (degree + 1), rel=1e-12)


def test_each_level_uses_points_of_the_last():
    assert levels(17) == [3, 5, 9, 17]
    assert levels(8) == [8]
    places = quadrature(17)[0]
    values = np.exp(places)
    errors = [abs(integrate(values, count) - (np.e - 1)) for count in levels(17)]
    assert errors[0] > errors[1] > errors[2] and errors[-1] < 1e-12


def test_no_points_are_refused():
    with pytest.raises(InputError, match="points is 0"):
        quadrature(0)


def test_the_way_to_a_choice_ends_where_its_mixture_no_longer_changes():
    chosen = np.array([[0.0, -30, -30, -30, -30, -30], [-1.0, 0.5, 2, -3, 1, -7]])
    cut = short(chosen)
    np.testing.assert_allclose(softmax(cut), softmax(chosen), atol=4e-5)
    np.testing.assert_array_equal(cut[1], chosen[1])
    assert cut.min() == -12.0


def test_attributions_add_up_to_what_alpha_changes(subject):
    """Of each cell alone, and of all together, for every family by itself."""
    sums = attribute(subject, points=17)
    alpha = np.concatenate([cell.alpha for cell in subject.probe.cells])
    attributed = attributions(sums, alpha)
    assert np.all(completeness(sums, attributed) < 0.01)
    change = sums["probability"][..., 1] - sums["probability"][..., 0]  # [families, paths]
    scale = np.abs(change).max()
    np.testing.assert_allclose(attributed.sum(axis=(2, 3)), change, atol=0.01 * scale)
    assert sums["questions"].sum() == len(subject.questions)


def test_a_path_has_the_points_that_it_needs_and_no_more(subject, tmp_path, monkeypatch):
    calls, gradient = [], type(subject.probe).gradient

    def counted(*arguments):
        calls.append(1)
        return gradient(*arguments)

    monkeypatch.setattr(type(subject.probe), "gradient", counted)
    sums = attribute(subject, 17, Ledger(tmp_path / "parts", {}))
    needed = len(calls)
    assert set(sums["level"]) <= {5, 9, 17} and sums["level"].min() == 5
    for index, level in enumerate(sums["level"]):
        others = [k for k in range(17) if k % (16 // (level - 1))]
        assert not sums["gradients"][:, index, others].any()
    again = attribute(subject, 17, Ledger(tmp_path / "parts", {}))
    assert len(calls) == needed  # nothing is computed twice
    np.testing.assert_array_equal(again["gradients"], sums["gradients"])


def test_a_path_of_one_cell_attributes_to_that_cell_alone(subject):
    sums = attribute(subject, points=2)
    for index, path in enumerate(sums["paths"]):
        of_others = sums["gradients"][:, index].copy()
        if path != ALL:
            of_others[:, :, sums["slices"][path]] = 0
            assert not of_others.any()


def test_attributions_of_a_node_are_blind_to_a_constant(subject):
    """softmax(alpha + c) = softmax(alpha), so the gradients of a node add up to zero."""
    sums = attribute(subject, points=3)
    totals = sums["gradients"].sum(axis=-1)
    np.testing.assert_allclose(totals, 0.0, atol=1e-4 * np.abs(sums["gradients"]).max() + 1e-7)


def test_the_released_scripts_number_is_reproduced():
    with np.load(GOLDEN / "lnmn9_a.npz") as archive:
        golden = dict(archive)
    config = json.loads(str(golden["config"]))
    weights = {k[len("weights/") :]: v for k, v in golden.items() if k.startswith("weights/")}
    probe = Probe(load_lnmn(weights, config["T"], config["stack_len"]))
    inputs = {
        "features": golden["inputs/image"][:, :-POSITION_CHANNELS].transpose(0, 2, 3, 1),
        "question": golden["inputs/question"].astype(np.int32),
    }
    ours = np.stack(list(attribute_released(probe, inputs).values()))
    expected = golden["ig/attr_global"]
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
