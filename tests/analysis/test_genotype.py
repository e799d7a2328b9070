"""Genotypes: read as they were written, and refused with one sentence where they do not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lnmn_tf.analysis.expressions import OPERATORS
from lnmn_tf.analysis.genotype import genotype_text, one_hot, read_genotype, strongest
from lnmn_tf.errors import InputError

GENOTYPE = {"look_3.0": ["min", "product"], "answer_4.0": ["choose_1", "sum", "max"]}
NODES = {name: len(operators) for name, operators in GENOTYPE.items()}


def test_a_genotype_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "genotype.json"
    path.write_text(genotype_text(GENOTYPE))
    assert read_genotype(path, NODES) == GENOTYPE


def test_the_strongest_operators_of_one_hot_weights_are_these_operators():
    assert strongest({name: one_hot(ops) for name, ops in GENOTYPE.items()}) == GENOTYPE
    assert one_hot(OPERATORS).tolist() == np.eye(6).tolist()


@pytest.mark.parametrize(
    "content, words",
    [
        ("{", ["JSON"]),
        ("[1]", ["cells"]),
        (json.dumps({"cells": {"look_3.0": "min"}}), ["cells", "list"]),
        (json.dumps({"cells": {"look_3.0": ["min", "product"]}}), ["answer_4.0", "look_3.0"]),
        (json.dumps({"cells": {**GENOTYPE, "look_3.0": ["min"]}}), ["look_3.0", "1", "2"]),
        (json.dumps({"cells": {**GENOTYPE, "look_3.0": ["min", "mean"]}}), ["'mean'", "choose_2"]),
        (json.dumps({"cells": {**GENOTYPE, "look_3.1": ["min", "min"]}}), ["look_3.1"]),
        (
            json.dumps({"cells": GENOTYPE, "convention": "result first"}),
            ["convention", "image first"],
        ),
    ],
)
def test_a_genotype_that_does_not_fit_gets_one_sentence(tmp_path, content, words):
    path = tmp_path / "genotype.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_genotype(path, NODES)
    for word in ["genotype.json", *words]:
        assert word in str(caught.value)


def test_a_missing_genotype_names_the_flag(tmp_path):
    with pytest.raises(InputError, match="--genotype"):
        read_genotype(tmp_path / "nowhere.json", NODES)
