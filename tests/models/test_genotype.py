"""Genotypes: read as they were written, and refused with one sentence where they do not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import OPERATORS
from lnmn_tf.errors import InputError
from lnmn_tf.models.genotype import genotype_text, one_hot, read_genotype, strongest
from lnmn_tf.models.registry import make_config
from lnmn_tf.training.networks import build_network
from lnmn_tf.training.warm_start import give_genotype

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


def test_a_run_can_begin_with_a_genotype_and_its_nodes_are_these_operators(tmp_path):
    sizes = {
        "num_words": 5,
        "num_answers": 3,
        "text_dim": 4,
        "map_dim": 3,
        "feature_shape": (1, 2, 3),
    }
    network = build_network(make_config("paper", attention_3=1, attention_4=1, **sizes))
    wanted = {
        "attention_3.0": ["choose_1", "product"],
        "attention_4.0": ["min", "product", "max"],
        "answer_3.0": ["sum", "choose_2"],
        "answer_4.0": ["max", "min", "product"],
    }
    path = tmp_path / "genotype.json"
    path.write_text(genotype_text(wanted))
    give_genotype(network, str(path))
    found = {
        f"{name}.{i}": cell
        for name, bank in network.banks.items()
        for i, cell in enumerate(bank.fusion.strongest())
    }
    assert found == wanted
    for alpha in network.structure_variables:
        np.testing.assert_allclose(np.max(tf.nn.softmax(alpha), axis=-1), 1.0, atol=1e-6)


def test_a_model_without_nodes_takes_no_genotype(tmp_path):
    sizes = {"num_words": 5, "num_answers": 3, "text_dim": 4, "feature_shape": (1, 2, 3)}
    with pytest.raises(InputError, match="no nodes"):
        give_genotype(build_network(make_config("stack_nmn", **sizes)), str(tmp_path))
