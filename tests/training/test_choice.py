"""At the choice each node becomes one operator, and from then on the weights learn alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.layers.nodes import LEAST_ALPHA, chosen
from lnmn_tf.models.registry import make_config
from lnmn_tf.training.algorithm_2 import AlternatingTrainer
from lnmn_tf.training.checkpoints import CheckpointFolder
from lnmn_tf.training.examples import TrainingExamples
from lnmn_tf.training.fitting import make_trainer
from lnmn_tf.training.networks import build_network
from tests.training.test_algorithm_2 import make_batch
from tests.training.test_run import fresh_trainer
from tests.training.tiny_network import TinyNetwork, tiny_config, train_tiny

CHOICES = {"structure_learning_rate": 0.1}


def make_tiny_trainer(config):
    """A trainer of the tiny network, and its examples."""
    examples = TrainingExamples.open(config)
    config = config.replace(
        num_words=examples.vocabulary.num_words, num_answers=examples.vocabulary.num_answers
    )
    tf.keras.utils.set_random_seed(3)
    network = TinyNetwork(config.model)
    network({"image": np.zeros([1, 5, 7, 3], "f"), "question": np.ones([1, 2], "i")})
    return make_trainer(network, config, examples.total_steps), examples


@pytest.fixture(scope="module")
def steps(tiny_world):
    """(alpha, its moving average, structure steps taken, cross-entropy on a structure batch) by step."""
    config = tiny_config(tiny_world, **CHOICES)
    trainer, examples = make_tiny_trainer(config)
    network = trainer.network
    seen = []
    for epoch in range(config.training.epochs):
        for pair in examples.epoch(epoch, 0):
            report = trainer.train_step(pair)
            alpha = network.alpha.numpy()
            with trainer.answering():
                average = network.alpha.numpy()
            taken = int(trainer.arch_optimizer.iterations)
            seen.append((alpha, average, taken, float(report["structure_cross_entropy"])))
    return config.training.choose_step(examples.total_steps), seen


def test_after_the_choice_alpha_and_its_moving_average_are_one_operator_to_the_last_bit(steps):
    choose_step, seen = steps
    assert 0 < choose_step < len(seen) - 2
    before = seen[choose_step - 1][0]
    expected = np.where(before == before.max(axis=-1, keepdims=True), 0.0, LEAST_ALPHA)
    for alpha, average, *_ in seen[choose_step:]:
        np.testing.assert_array_equal(alpha, expected)
        np.testing.assert_array_equal(average, expected)
    for alpha, average, *_ in seen[:choose_step]:
        assert not np.array_equal(alpha, average)


def test_after_the_choice_no_structure_step_is_taken(steps):
    choose_step, seen = steps
    every = 2  # of the tiny run
    for step, (_, _, taken, error) in enumerate(seen):
        assert taken == -(-min(step + 1, choose_step) // every)
        assert (error > 0.0) == (step < choose_step and step % every == 0)


def test_after_the_choice_no_structure_batch_is_drawn(tiny_world):
    examples = TrainingExamples.open(tiny_config(tiny_world, **CHOICES))
    choose_step = examples.config.training.choose_step(examples.total_steps)
    step = 0
    for epoch in range(3):
        for _, batch in examples.epoch(epoch, 0):
            assert bool(batch["question"].numpy().any()) == (step < choose_step)
            step += 1
    assert step == examples.total_steps


def test_a_run_that_chose_takes_the_structure_steps_before_it_alone_and_its_history_shows_it(
    tiny_world, tmp_path, capsys
):
    config = tiny_config(tiny_world, **CHOICES)
    metrics = train_tiny(config, tmp_path)
    said = capsys.readouterr()
    trainer = fresh_trainer(tmp_path)
    CheckpointFolder(tmp_path).restore(trainer)
    choose_step = config.training.choose_step(metrics["steps"])
    assert int(trainer.arch_optimizer.iterations) == -(-choose_step // 2)
    assert f"step {choose_step}: each node is one operator from here on" in said.out + said.err
    *_, last = (tmp_path / "structure.jsonl").read_text().splitlines()
    (node,) = json.loads(last)["cells"]["tiny.0"]
    assert sorted(node) == [LEAST_ALPHA] * 5 + [0.0]


@pytest.mark.parametrize("decay, chooses", [("annealed", True), ("decoupled", False)])
def test_the_annealed_decay_alone_chooses(tiny_world, decay, chooses):
    training = tiny_config(tiny_world, structure_decay=decay).training
    assert (training.choose_step(100) is not None) == chooses
    assert chosen(tf.constant([1.0, 2.0])).numpy().tolist() == [LEAST_ALPHA, 0.0]


@pytest.mark.parametrize("given", ["", "structure.json"])
def test_a_given_structure_is_hard_from_the_first_step(tiny_world, given):
    trainer, _ = make_tiny_trainer(tiny_config(tiny_world, **CHOICES, genotype=given))
    assert trainer.hardened == bool(given)


def test_hard_nodes_take_the_steps_that_soft_ones_would_after_the_choice():
    weights = []
    for hard in (False, True):
        trainer = make_small_trainer()
        trainer.train_step((make_batch(1), make_batch(2)))  # the last of the search
        if hard:
            trainer.harden()
        for _ in range(2):
            trainer.train_step((make_batch(1), make_batch(2)))
        weights.append([v.numpy() for v in trainer.weights_of_network])
    for soft, hard in zip(*weights):
        np.testing.assert_allclose(hard, soft, rtol=1e-3, atol=1e-4)


def make_small_trainer():
    """Of the relational model, which chooses at its step 1."""
    tf.keras.utils.set_random_seed(7)
    sizes = {"embed_dim": 5, "text_dim": 6, "kb_dim": 7, "map_dim": 3, "mem_dim": 5, "mlp_dim": 8}
    cells = {"attention_3": 2, "attention_4": 1, "looking_cells": 1, "feature_shape": (2, 3, 5)}
    words = {"num_words": 7, "num_answers": 4, "num_steps": 2, "stack_len": 2}
    network = build_network(make_config("relational", **sizes, **cells, **words))
    trainer = AlternatingTrainer(network, choose_step=1, xla=False)
    # Plain descent: a step of Adam has one size, and is as large where a gradient is a rounding error.
    trainer.compile(keras.optimizers.legacy.SGD(0.1), keras.optimizers.legacy.Adam(1e-3))
    return trainer
