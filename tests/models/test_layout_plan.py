"""The plan that the controller of `ours` begins with."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import ModelConfig
from lnmn_tf.models.lnmn import LNMN
from tests.models.tiny import TINY

SIZES = {**TINY, "attention_4": 1, "layout_bias": 9.0}
LOOK, LOOK_ON, ANSWER = {"push_3"}, {"relate_3"}, {"answer_3", "answer_4"}
PLANS = {
    1: [ANSWER],
    2: [LOOK, ANSWER],
    3: [LOOK, LOOK, ANSWER],
    4: [LOOK, LOOK, LOOK_ON, ANSWER],
    5: [LOOK, LOOK, LOOK_ON, LOOK_ON, ANSWER],
    6: [LOOK, LOOK_ON, LOOK, LOOK_ON, LOOK_ON, ANSWER],
}


def begin(num_steps: int, **choices):
    tf.keras.utils.set_random_seed(0)
    model = LNMN(ModelConfig.create("ours", **{**SIZES, "num_steps": num_steps, **choices}))
    features = tf.random.normal([2, 2, 3, 4], seed=1)
    question = tf.constant([[1, 2, 3, 4], [5, 6, 0, 0]])
    return model, model.trace({"features": features, "question": question})


@pytest.mark.parametrize("num_steps", PLANS)
def test_the_layout_begins_as_the_plan_for_every_question(num_steps):
    model, trace = begin(num_steps)
    for step, wanted in enumerate(PLANS[num_steps]):
        for weights in trace.module_weights.numpy()[:, step]:
            assert weights.max() > 0.4
            chosen = np.flatnonzero(weights > weights.max() / 2)
            assert {model.module_names[i].split(".")[0] for i in chosen} == wanted


def test_words_begin_alike_without_a_window():
    _, trace = begin(2, reading_width=0.0)
    expected = [[0.25] * 4, [0.5, 0.5, 0.0, 0.0]]
    for step in range(2):
        np.testing.assert_allclose(trace.word_attention[:, step], expected, atol=1e-6)


def test_the_window_of_words_goes_from_the_end_to_the_beginning():
    _, trace = begin(3, reading_width=0.5)
    for words, question in ((4, 0), (2, 1)):
        attention = trace.word_attention.numpy()[question]
        distance = np.linspace(0.0, 1.0, words) - np.array([[1.0], [0.5], [0.0]])
        expected = np.exp(-(distance**2) / (2 * 0.5**2))
        expected /= expected.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(attention[:, :words], expected, atol=1e-6)
        np.testing.assert_array_equal(attention[:, words:], 0.0)


def test_kinds_that_are_missing_leave_their_steps_to_the_others():
    model, trace = begin(4, pooling_cells=0, tied_cells=False, answer_4=0)
    likeliest = trace.module_weights.numpy()[0].argmax(axis=-1)
    kinds = [model.module_names[i].split(".")[0] for i in likeliest]
    assert kinds == ["push_3", "push_3", "push_3", "answer_3"]


def test_new_maps_begin_with_nothing_attended():
    shares = {}
    for bias in (-1.0, 0.0):
        _, trace = begin(4, attention_bias=bias)
        shares[bias] = float(tf.reduce_mean(tf.sigmoid(trace.attention[:, -1])))
    assert 3.0 * shares[-1.0] < shares[0.0] < 0.5
