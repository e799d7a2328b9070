"""A tiny network with questions for it."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from lnmn_tf.analysis.subject import Subject


@pytest.fixture(scope="session")
def analysed_run(tiny_run, tmp_path_factory):
    """A copy of the tiny run, for results."""
    return shutil.copytree(tiny_run, tmp_path_factory.mktemp("analysed") / "tiny")


@pytest.fixture(scope="session")
def _subject(analysed_run):
    subject = Subject.open(analysed_run)
    rng = np.random.default_rng(7)
    for cell in subject.probe.cells:  # alpha that differs from node to node
        values = {cell.name: rng.normal(size=cell.alpha.shape).astype(np.float32)}
        subject.probe._assign(values)
    return dataclasses.replace(subject, folder=None)


@pytest.fixture
def subject(_subject):
    """The tiny run's network with random alpha, and its 15 validation questions."""
    before = {cell.name: cell.alpha for cell in _subject.probe.cells}
    yield _subject
    for cell in _subject.probe.cells:
        np.testing.assert_array_equal(cell.alpha, before[cell.name])
