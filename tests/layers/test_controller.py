"""A step of the controller is what sections 2.1 and Algorithm 1 say."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers.controller import Controller, Question

BATCH, WORDS, TEXT_DIM, EMBED_DIM, STEPS, MODULES = 2, 5, 6, 7, 3, 11
LENGTHS = (5, 3)


def softmax(x):
    exponent = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponent / exponent.sum(axis=-1, keepdims=True)


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.fixture
def question(random):
    mask = (np.arange(WORDS) < np.array(LENGTHS)[:, None]).astype(np.float32)
    return Question(
        words=tf.constant(
            random.normal(size=[BATCH, WORDS, TEXT_DIM]) * mask[..., None], tf.float32
        ),
        embeddings=tf.constant(random.normal(size=[BATCH, WORDS, EMBED_DIM]), tf.float32),
        encoding=tf.constant(random.normal(size=[BATCH, TEXT_DIM]), tf.float32),
        mask=tf.constant(mask),
    )


def make(random, **kwargs):
    controller = Controller(STEPS, MODULES, TEXT_DIM, EMBED_DIM, **kwargs)
    for variable in controller.trainable_variables:  # biases start at zero and would not show
        variable.assign(random.normal(size=variable.shape).astype(np.float32))
    return controller


@pytest.mark.parametrize("mlp_dim", [0, 13])
@pytest.mark.parametrize("attend_embeddings", [False, True])
@pytest.mark.parametrize("step_bias", [False, True])
def test_step_follows_the_equations(random, question, mlp_dim, attend_embeddings, step_bias):
    controller = make(
        random, mlp_dim=mlp_dim, attend_embeddings=attend_embeddings, step_bias=step_bias
    )
    context_dim = EMBED_DIM if attend_embeddings else TEXT_DIM
    text = random.normal(size=[BATCH, context_dim]).astype(np.float32)
    t = 1
    query = controller.queries(question)[:, t]
    found = controller(query, tf.constant(text), question)

    w = {variable.name.split(":")[0]: variable.numpy() for variable in controller.variables}
    words, embeddings, q, mask = (x.numpy() for x in question)
    bias = w["question_bias"][t] if step_bias else w["question_bias"]
    step_query = q @ w["question_kernel"][t] + bias
    u = step_query @ w["merge_question"] + text @ w["merge_text"] + w["merge_bias"]
    hidden = u
    if mlp_dim:
        hidden = u @ w["hidden_kernel"] + w["hidden_bias"]
        hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))
    logits = hidden @ w["module_kernel"] + (w["module_bias"] if mlp_dim else 0.0)
    scores = (u[:, None] * words) @ w["word_kernel"][:, 0]
    attention = softmax(np.where(mask > 0, scores, -np.inf))
    values = embeddings if attend_embeddings else words
    expected = np.einsum("bs,bsd->bd", attention, values)
    np.testing.assert_allclose(found.module_logits, logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.module_weights, softmax(logits), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.word_attention, attention, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.text, expected, rtol=1e-4, atol=1e-4)


def test_what_was_read_is_less_likely_to_be_read_again(random, question):
    plain, inhibited = make(random), make(random, inhibition=3.0)
    for mine, theirs in zip(inhibited.variables, plain.variables):
        mine.assign(theirs)
    read = random.uniform(size=question.mask.shape).astype(np.float32)
    query = plain.queries(question)[:, 1]
    text = tf.zeros([BATCH, TEXT_DIM])
    before = plain(query, text, question)
    found = inhibited(query, text, question, tf.constant(read))
    expected = before.word_attention.numpy() * np.exp(-3.0 * read)
    expected /= expected.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found.word_attention, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.module_logits, before.module_logits, rtol=1e-6)


def test_padding_gets_no_attention_and_all_attention_is_given(random, question):
    controller = make(random)
    text = tf.zeros([BATCH, TEXT_DIM])
    attention = controller(
        controller.queries(question)[:, 0], text, question
    ).word_attention.numpy()
    np.testing.assert_allclose(attention.sum(axis=-1), 1.0, atol=1e-6)
    for row, length in zip(attention, LENGTHS):
        assert (row[:length] > 0.0).all()
        np.testing.assert_array_equal(row[length:], 0.0)


def test_steps_differ_in_their_query_alone(random, question):
    controller = make(random)
    queries = controller.queries(question).numpy()
    assert queries.shape == (BATCH, STEPS, TEXT_DIM)
    assert not np.allclose(queries[:, 0], queries[:, 1])
    controller.question_kernel.assign(tf.tile(controller.question_kernel[:1], [STEPS, 1, 1]))
    queries = controller.queries(question).numpy()
    np.testing.assert_allclose(queries[:, 0], queries[:, 2], atol=1e-6)


def test_every_weight_has_a_gradient_and_padding_none(random, question):
    controller = make(random, mlp_dim=13, step_bias=True)
    text = tf.tile(controller.initial_text[None], [BATCH, 1])
    with tf.GradientTape() as tape:
        tape.watch(question.words)
        text = tf.tile(controller.initial_text[None], [BATCH, 1])
        loss = 0.0
        for query in tf.unstack(controller.queries(question), axis=1):
            step = controller(query, text, question)
            text = step.text
            loss += tf.reduce_sum(tf.sin(step.text)) + tf.reduce_sum(step.module_weights**2)
    *gradients, of_words = tape.gradient(loss, [*controller.trainable_variables, question.words])
    for variable, gradient in zip(controller.trainable_variables, gradients):
        assert np.isfinite(gradient).all(), variable.name
        assert np.any(gradient), variable.name
    np.testing.assert_array_equal(of_words[1, LENGTHS[1] :], 0.0)
