"""Layouts that are drawn: as likely as their weights, with the gradient of the weights, and again by a restarted run."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.models.draw import Draw, one_of
from lnmn_tf.models.growth import Growth
from lnmn_tf.models.registry import make_config, make_model
from tests.models.tiny import TINY

ONE_ANSWER = {"answer_3": 0, "answer_4": 1, "lone_answers": True}
SIZES = {**TINY, **ONE_ANSWER, "num_steps": 3, "stack_len": 4}
WEIGHTS = np.array([0.5, 0.0, 0.2, 0.3], np.float32)


def make_draw(step=0, freedom=0.0, rest_share=0.0):
    layer = Draw(Growth([], num_steps=3), num_modules=4)
    layer.step.assign(step)
    layer.rest_share.assign(rest_share)
    layer.growth.freedom.assign(freedom)
    return layer


def draws_of(step, count=1, batch=4000, freedom=0.0, rest_share=0.0):
    layer = make_draw(step, freedom, rest_share)
    return [layer(tf.ones([batch, 5]), training=True) for _ in range(count)]


def at(given, step):
    return {name: x[:, step] for name, x in given.items()}


def test_a_module_is_drawn_as_often_as_its_weight_says():
    (given,) = draws_of(5)
    weights = tf.tile(WEIGHTS[np.newaxis], [4000, 1])
    for step in range(2):
        found = one_of(weights, **at(given, step)).numpy()
        np.testing.assert_allclose(
            np.sort(found, axis=-1), [[0.0, 0.0, 0.0, 1.0]] * 4000, atol=1e-6
        )
        np.testing.assert_allclose(found.mean(axis=0), WEIGHTS, atol=0.025)  # 3 deviations
        assert found[:, 1].max() == 0.0


@pytest.mark.parametrize(("freedom", "step"), [(0.0, 2), (1e-4, 0), (1.0, 1)])
def test_the_last_step_runs_the_average_and_all_do_where_other_steps_open(freedom, step):
    (given,) = draws_of(5, freedom=freedom)
    weights = tf.tile(WEIGHTS[np.newaxis], [4000, 1])
    found = one_of(weights, **at(given, step))
    np.testing.assert_array_equal(found, weights)


def test_the_gradient_is_that_of_the_weights():
    (given,) = draws_of(5, batch=7)
    logits = tf.Variable(tf.random.stateless_normal([7, 4], [3, 4]))
    factor = tf.random.stateless_normal([7, 4], [5, 6])
    with tf.GradientTape(persistent=True) as tape:
        weights = tf.nn.softmax(logits)
        one = one_of(weights, **at(given, 0))
        of_one, of_weights = (tf.reduce_sum(factor * x) for x in (one, weights))
    assert abs(float(of_one - of_weights)) > 0.1
    np.testing.assert_allclose(
        tape.gradient(of_one, logits), tape.gradient(of_weights, logits), atol=1e-6
    )


def test_looks_rest_by_chance_each_by_itself_and_teach_the_weights_nothing():
    (given,) = draws_of(5, rest_share=0.25)
    rests = given["rests"].numpy()[..., 0]
    np.testing.assert_allclose(rests.mean(axis=0), [0.25, 0.25, 0.0], atol=0.02)  # 3 deviations
    assert (rests[:, 0] * rests[:, 1]).mean() == pytest.approx(0.25**2, abs=0.012)
    logits = tf.Variable(tf.tile(tf.math.log([[0.5, 0.2, 0.25, 0.05]]), [4000, 1]))
    with tf.GradientTape() as tape:
        found = one_of(tf.nn.softmax(logits), **at(given, 0))
        loss = tf.reduce_sum(found * [1.0, 2.0, 3.0, 4.0])
    resting = rests[:, 0] > 0.0
    np.testing.assert_allclose(found[resting], np.tile(np.eye(4)[3], [resting.sum(), 1]), atol=1e-6)
    learned = np.abs(tape.gradient(loss, logits)).max(axis=-1)
    assert learned[resting].max() == 0.0 and learned[~resting].min() > 0.0


def test_the_same_step_draws_the_same_and_another_step_and_shard_others():
    first, again = draws_of(7, count=2)
    np.testing.assert_array_equal(first["noise"], again["noise"])
    (other,) = draws_of(8)
    assert np.abs(first["noise"] - other["noise"]).min() > 0.0
    layer = make_draw()
    one, two = (layer(tf.ones([2, words]), training=True)["noise"] for words in (5, 6))
    assert np.abs(one - two).min() > 0.0


@pytest.fixture(scope="module")
def network():
    tf.keras.utils.set_random_seed(3)
    network = make_model(make_config("relational", **SIZES, growing=True, draws=True))
    network(inputs_of(2))
    network.growth.freedom.assign(0.0)
    return network


def inputs_of(batch):
    random = np.random.default_rng(4)
    features = random.normal(size=[batch, 2, 3, 7]).astype(np.float32)
    question = random.integers(1, SIZES["num_words"], size=[batch, 4])
    return {"features": tf.constant(features), "question": tf.constant(question, tf.int32)}


@pytest.mark.parametrize("training", [False, True])
def test_a_question_runs_one_layout(network, training):
    inputs = inputs_of(6)
    outputs = network(inputs, training=training)
    names = network.module_names
    looks, modules = [i for i, name in enumerate(names) if "answer" not in name], np.eye(len(names))
    ran = np.full([6, 2], -1)
    for layout in itertools.product(looks, looks, [names.index("answer_4.0")]):
        given = np.tile(modules[list(layout)], [6, 1, 1]).astype(np.float32)
        found = network({**inputs, "module_weights": given}, training=False)["logits"]
        ran[np.abs(found - outputs["logits"]).max(axis=-1) < 1e-5] = layout[:2]
    assert ran.min() >= 0  # each question's answer is that of one of them
    if not training:  # the likeliest modules
        likeliest = outputs["module_weights"].numpy()[:, :2].argmax(axis=-1)
        executed = network.trace(inputs).module_weights[:, :2]
        np.testing.assert_allclose(executed, modules[likeliest], atol=1e-6)


def test_draws_are_those_of_the_step_and_learn_the_weights_of_modules(network):
    inputs = inputs_of(6)
    answers = {}
    for step in (0, 1, 2, 0):
        network.draw.step.assign(step)
        with tf.GradientTape() as tape:
            logits = network(inputs, training=True)["logits"]
            loss = tf.reduce_sum(tf.square(logits))
        gradient = tf.convert_to_tensor(tape.gradient(loss, network.controller.module_kernel))
        assert np.abs(gradient.numpy()).max() > 0.0
        if step in answers:
            np.testing.assert_array_equal(logits, answers[step])
        answers[step] = logits.numpy()
    assert len({x.tobytes() for x in answers.values()}) == 3
    assert any(
        variable is network.draw.step for variable in network.variables
    )  # checkpoints have it
