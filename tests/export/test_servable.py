"""The signatures, loaded in Python: they answer as the Keras model does."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from export.servable import Servable
from lnmn_tf.data.vocabulary import tokenize
from lnmn_tf.training.trained import TrainedRun
from tests.export.conftest import PICTURES, QUESTIONS


@pytest.mark.parametrize("name", ["serving_default", "explain", "answer_from_ids"])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_every_signature_answers_as_the_keras_model(
    signatures, trained, batch, expected, name, size
):
    request, ids = batch
    length = np.count_nonzero(ids[:size].any(axis=0))
    question = {"question_ids": tf.constant(ids[:size, :length])}
    if name != "answer_from_ids":
        question = {"question": request["question"][:size]}
    reply = signatures[name](image=request["image"][:size], **question)
    probabilities = tf.nn.softmax(expected[0]["logits"][:size]).numpy()
    order = np.argsort(-probabilities, kind="stable")[:, :5]
    texts = np.array(trained.vocabulary.answers)[order]
    assert [[a.decode() for a in row] for row in reply["top_answers"].numpy()] == texts.tolist()
    assert [answer.decode() for answer in reply["answer"].numpy()] == texts[:, 0].tolist()
    best = np.take_along_axis(probabilities, order, axis=1)
    np.testing.assert_allclose(reply["top_probabilities"], best, atol=1e-5)
    np.testing.assert_allclose(reply["probability"], best[:, 0], atol=1e-5)


def test_explain_tells_what_the_trace_tells(signatures, trained, batch, expected):
    reply = signatures["explain"](**batch[0])
    trace = expected[1]
    for name in ("word_attention", "module_weights", "attention", "pointer"):
        value = getattr(trace, name)
        value = trained.network.show(value) if name == "attention" else value
        np.testing.assert_allclose(reply[name], value, rtol=0, atol=1e-5, err_msg=name)
    words = [[word.decode() for word in row if word] for row in reply["words"].numpy()]
    assert words == [tokenize(question) for question in QUESTIONS]
    names = [name.encode() for name in trained.network.module_names]
    assert (reply["module_names"].numpy() == names).all()


def test_a_picture_of_any_size_is_answered(signatures, batch):
    request = {**batch[0], "image": tf.constant(PICTURES)}
    assert signatures["serving_default"](**request)["answer"].shape == [7]


def test_answer_and_trace_is_call_and_trace_at_once(trained, batch, expected):
    pixels = tf.stack([tf.io.decode_png(picture, 3) for picture in batch[0]["image"]])
    inputs = {"question": tf.constant(batch[1]), "image": tf.cast(pixels, tf.float32) / 255.0}
    outputs = trained.network(inputs, training=False)
    np.testing.assert_allclose(outputs["logits"], expected[0]["logits"], atol=1e-6)


def test_hard_operators_are_exported(tiny_run, batch, expected, tmp_path):
    hard = TrainedRun.open(tiny_run, changes={"hard_operators": True})
    servable = Servable(hard.network, hard.vocabulary, tmp_path)
    answer = servable.to_module(["serving_default"])[1]["serving_default"]
    reply = answer(**batch[0])["probability"].numpy()
    pixels = tf.stack([tf.io.decode_png(picture, 3) for picture in batch[0]["image"]])
    inputs = {"question": tf.constant(batch[1]), "image": tf.cast(pixels, tf.float32) / 255.0}
    logits = hard.network(inputs, training=False)["logits"]
    np.testing.assert_allclose(reply, tf.reduce_max(tf.nn.softmax(logits), axis=1), atol=1e-5)
    soft = tf.reduce_max(tf.nn.softmax(expected[0]["logits"]), axis=1)
    np.testing.assert_allclose(reply, soft, atol=1e-4)  # a search ends with one operator a node
