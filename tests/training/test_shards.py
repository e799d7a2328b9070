"""A batch in parts is the batch as a whole, and nothing is compiled twice."""

import os

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.kernels import install
from lnmn_tf.models.registry import make_config
from lnmn_tf.training.algorithm_2 import AlternatingTrainer
from lnmn_tf.training.evaluation import COMPILED_FROM, Predictor
from lnmn_tf.training.networks import build_network
from lnmn_tf.training.optimizers import create_slots
from lnmn_tf.training.shards import Sharded, shards_for
from tests.conftest import run_eagerly

BATCH, ANSWERS = 4, 3


def make_network():
    tf.keras.utils.set_random_seed(11)
    sizes = {"embed_dim": 5, "text_dim": 6, "kb_dim": 7, "map_dim": 3, "mem_dim": 5, "mlp_dim": 8}
    cells = {"attention_3": 2, "attention_4": 0, "answer_4": 0, "num_steps": 2, "stack_len": 2}
    data = {"num_words": 7, "num_answers": ANSWERS, "feature_shape": (2, 3, 5)}
    return build_network(make_config("relational", **data, **sizes, **cells))


def make_batch(seed):
    random = np.random.default_rng(seed)
    return {
        "features": tf.constant(random.normal(size=[BATCH, 2, 3, 5]), tf.float32),
        "question": tf.constant(random.integers(1, 7, size=[BATCH, 4]), tf.int32),
        "answer": tf.constant(random.integers(0, ANSWERS, size=[BATCH]), tf.int32),
    }


def inputs_of(batch):
    return {name: batch[name] for name in ("features", "question")}


def test_shards_divide_the_batch_and_do_not_exceed_the_cores():
    for batch_size in range(1, 20):
        shards = shards_for(batch_size)
        assert batch_size % shards == 0
        assert 1 <= shards <= len(os.sched_getaffinity(0))
    assert shards_for(12, wanted=6) == 6


def test_parts_come_back_in_their_order():
    double = Sharded(lambda batch: 2.0 * batch["x"], shards=3, xla=False)
    found = double({"x": tf.range(6.0)})
    assert len(found) == 3
    np.testing.assert_array_equal(tf.concat(found, axis=0), 2.0 * np.arange(6.0))


@pytest.mark.parametrize("xla", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_no_step_after_the_first_traces_or_compiles(xla):
    network = make_network()
    trainer = AlternatingTrainer(network, shards=2, xla=xla)
    optimizers = keras.optimizers.legacy.Adam(), keras.optimizers.legacy.Adam()
    create_slots(optimizers[0], trainer.weights_of_network)
    create_slots(optimizers[1], trainer.structure)
    trainer.compile(*optimizers)
    traces = []

    @tf.function(autograph=False)
    def step(weights, structure):
        traces.append(1)
        return trainer.train_step((weights, structure))

    for seed in range(3):
        step(make_batch(seed), make_batch(seed + 9))
    assert len(traces) == 1
    assert trainer._of_weights.traces == trainer._of_structure.traces == 1
    predictor = Predictor(network, BATCH, "on" if xla else "off")
    answer = predictor.graph(questions=3)
    for seed in range(3):
        answer(inputs_of(make_batch(seed)))
    assert answer.experimental_get_tracing_count() == 1


def test_only_a_large_set_pays_for_compilation():
    network = make_network()
    auto, on, off = (Predictor(network, BATCH, xla) for xla in ("auto", "on", "off"))
    assert auto.graph(COMPILED_FROM - 1) is auto.graph(1) is not auto.graph(COMPILED_FROM)
    assert on.graph(1) is on.graph(COMPILED_FROM)
    assert off.graph(1) is off.graph(COMPILED_FROM) is not on.graph(1)


def test_gradients_of_shards_are_those_of_the_batch():
    network, batch = make_network(), make_batch(3)
    results = []
    for shards in (1, 2):
        trainer = AlternatingTrainer(network, shards=shards, xla=False)
        with run_eagerly():
            results.append(trainer._of_weights(batch))
    (losses, gradients), (of_parts, mean_gradients) = results
    np.testing.assert_allclose(of_parts["loss"], losses["loss"], rtol=1e-5)
    for found, expected in zip(mean_gradients, gradients):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("cache, outside", [(0, True), (2**21, False)])
def test_gradients_through_what_is_encoded_first_are_those_of_the_whole_network(
    monkeypatch, cache, outside
):
    """A question is read within what is compiled if the weights for that fit into the cache."""
    monkeypatch.setattr(install, "CACHE", cache)
    network, batch = make_network(), make_batch(3)
    encoded = network.encode(batch)
    assert ("question" not in encoded) == outside == bool(encoded["encoded"].question)
    trainer = AlternatingTrainer(network, shards=2, xla=False)
    for gradients, loss in (
        (trainer._of_weights, trainer.weight_loss),
        (trainer._of_structure, trainer.structure_loss),
    ):
        with tf.GradientTape() as tape:
            value, _ = loss(batch)
        expected = tape.gradient(value, gradients.variables, unconnected_gradients="zero")
        with run_eagerly():
            _, found = gradients(batch)
        for x, y in zip(found, expected):
            np.testing.assert_allclose(x, tf.convert_to_tensor(y), rtol=1e-3, atol=1e-6)
