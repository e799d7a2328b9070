"""The encoders of question and image against plain numpy."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers.encoders import (
    ImageEncoder,
    KnowledgeBase,
    QuestionEncoder,
    coordinates,
    once,
    positional_encoding,
)

NUM_WORDS, EMBED_DIM, TEXT_DIM = 13, 5, 6


@pytest.fixture(scope="module")
def encoder():
    layer = QuestionEncoder(NUM_WORDS, EMBED_DIM, TEXT_DIM)
    layer(tf.ones([1, 2], tf.int32))
    random = np.random.default_rng(11)
    for variable in layer.trainable_variables:
        variable.assign(random.normal(size=variable.shape).astype(np.float32))
    return layer


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def lstm(cell, inputs):
    """States [words, units] of one direction (Hochreiter and Schmidhuber, 1997)."""
    kernel, recurrent, bias = (variable.numpy() for variable in cell.trainable_variables)
    hidden = memory = np.zeros(cell.units)
    states = []
    for x in inputs:
        gates = x @ kernel + hidden @ recurrent + bias
        entry, forget, candidate, output = np.split(gates, 4)
        memory = sigmoid(forget) * memory + sigmoid(entry) * np.tanh(candidate)
        hidden = sigmoid(output) * np.tanh(memory)
        states.append(hidden)
    return np.stack(states)


@pytest.mark.parametrize("ids", [[3, 7, 1], [5, 2, 9, 4, 1], [2]])
def test_words_and_encoding_are_those_of_a_two_way_lstm(encoder, ids):
    padded = np.zeros([2, 7], np.int32)
    padded[0, : len(ids)] = ids
    padded[1] = [1, 2, 3, 4, 5, 6, 7]
    found = encoder(tf.constant(padded))
    embedded = encoder.embedding.embeddings.numpy()[ids]
    forward = lstm(encoder.lstm.forward_layer.cell, embedded)
    backward = lstm(encoder.lstm.backward_layer.cell, embedded[::-1])[::-1]
    words = np.concatenate([forward, backward], axis=-1)
    np.testing.assert_allclose(found.words[0, : len(ids)], words, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.words[0, len(ids) :], 0.0)
    encoding = np.concatenate([forward[-1], backward[0]])
    np.testing.assert_allclose(found.encoding[0], encoding, rtol=1e-4, atol=1e-5)


def test_padding_and_the_rest_of_the_batch_do_not_matter(encoder):
    alone = encoder(tf.constant([[3, 7, 1]]))
    among = encoder(tf.constant([[2, 5, 5, 9, 4, 8, 2], [3, 7, 1, 0, 0, 0, 0]]))
    np.testing.assert_allclose(among.encoding[1], alone.encoding[0], atol=1e-6)
    np.testing.assert_allclose(among.words[1, :3], alone.words[0], atol=1e-6)


def test_mask_ends_with_the_last_word(encoder):
    question = tf.constant([[3, 0, 4, 0, 0], [1, 2, 0, 0, 0], [0, 0, 0, 0, 0]])
    expected = [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(encoder(question).mask, expected)


def test_attended_padding_ends_with_the_longest_question():
    layer = QuestionEncoder(NUM_WORDS, EMBED_DIM, TEXT_DIM, attend_padding=True)
    mask = layer(tf.constant([[3, 4, 5, 0, 0], [1, 0, 0, 0, 0]])).mask
    np.testing.assert_array_equal(mask, [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0]])


def test_gradients_reach_words_and_not_padding(encoder):
    with tf.GradientTape() as tape:
        found = encoder(tf.constant([[3, 7, 1, 0, 0]]))
        loss = tf.reduce_sum(tf.sin(found.words)) + tf.reduce_sum(found.encoding)
    gradients = tape.gradient(loss, encoder.trainable_variables)
    for gradient in gradients:
        assert np.any(tf.convert_to_tensor(gradient))
    of_embeddings = tf.convert_to_tensor(gradients[0]).numpy()
    touched = np.flatnonzero(np.abs(of_embeddings).sum(axis=-1))
    np.testing.assert_array_equal(touched, [1, 3, 7])


def test_sinusoids_tell_every_position_apart():
    encoding = positional_encoding(5, 3, 16)
    assert encoding.shape == (5, 3, 16)
    np.testing.assert_allclose(
        encoding[4, 2, [0, 4, 8, 12]], np.r_[np.sin(4), np.cos(4), np.sin(2), np.cos(2)], atol=1e-6
    )
    np.testing.assert_allclose(encoding[4, 2, 3], np.sin(4e-4), atol=1e-6)
    assert len(np.unique(encoding.reshape(15, 16), axis=0)) == 15
    with pytest.raises(ValueError, match="multiple of 4"):
        positional_encoding(5, 3, 18)


def test_coordinates_go_from_minus_one_to_one():
    found = coordinates(3, 5)
    assert found.shape == (3, 5, 3)
    np.testing.assert_allclose(found[0, 0], [-1, -1, 1])
    np.testing.assert_allclose(found[2, 4], [1, 1, 1])
    np.testing.assert_allclose(found[1, 2], [0, 0, 1], atol=1e-7)


@pytest.mark.parametrize("position", ["sinusoids", "coordinates"])
def test_knowledge_base_is_two_1x1_convolutions(position):
    height, width, channels, kb_dim = 2, 3, 5, 7
    layer = KnowledgeBase(kb_dim, position)
    features = np.random.default_rng(0).normal(size=[2, height, width, channels])
    features = features.astype(np.float32)
    found = layer(tf.constant(features))
    assert found.shape == (2, height * width, kb_dim)
    where = positional_encoding if position == "sinusoids" else coordinates
    where = np.broadcast_to(where(height, width), [2, height, width, where(2, 2).shape[-1]])
    inputs = np.concatenate([features, where], axis=-1).reshape(2, height * width, -1)
    k1, b1, k2, b2 = (variable.numpy() for variable in layer.trainable_variables)
    hidden = inputs @ k1 + b1
    hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))
    np.testing.assert_allclose(found, hidden @ k2 + b2, rtol=1e-4, atol=1e-5)


def test_image_encoder_shrinks_the_picture_by_its_strides():
    layer = ImageEncoder((2, 3, 5), (2, 3, 1))
    found = layer(tf.zeros([2, 24, 18, 3]))
    assert found.shape == (2, 4, 3, 5)


def test_features_of_an_encoder_with_groups_are_probabilities():
    layer = ImageEncoder((2, 5), (2, 2), groups=(2, 3))
    image = tf.random.uniform([2, 8, 12, 3], seed=1)
    found = layer(image).numpy()
    assert found.shape == (2, 2, 3, 1 + 2 + 3 + 2)
    said = layer.say(image)
    present = once(tf.sigmoid(said[..., :1]), said[..., -2:]).numpy()[..., 0]
    np.testing.assert_allclose(found[..., 0], present, rtol=1e-5)
    np.testing.assert_allclose(found[..., 1:3].sum(-1), present, rtol=1e-5)
    np.testing.assert_allclose(found[..., 3:6].sum(-1), present, rtol=1e-5)


def seen(*objects):
    """Maps of what an encoder says of 3 x 4 places: (row, column, presence, where)."""
    present, where = np.zeros([1, 3, 4, 1], np.float32), np.full([1, 3, 4, 2], 9.0, np.float32)
    for row, column, probability, place in objects:
        present[0, row, column], where[0, row, column] = probability, place
    return present, where


def test_an_object_between_two_places_is_seen_once():
    present, where = seen(
        (0, 1, 0.4, (1.0, 1.0)), (0, 2, 0.5, (1.05, 1.0)), (2, 0, 0.7, (-1.0, 0.0))
    )
    expected, _ = seen((0, 2, 0.9, 0.0), (2, 0, 0.7, 0.0))
    np.testing.assert_allclose(once(present, where), expected, atol=1e-6)


def test_an_object_seen_twice_is_sure():
    present, where = seen((1, 1, 0.8, (0.0, 0.0)), (2, 2, 0.8, (0.0, 0.1)))
    expected, _ = seen((1, 1, 1.0, 0.0))  # of equals, the first
    np.testing.assert_allclose(once(present, where), expected, atol=1e-6)


def test_neighbours_are_two_objects_where_they_stand_apart():
    present, _ = maps = seen((1, 1, 0.8, (0.0, 0.0)), (1, 2, 0.9, (0.3, 0.0)))
    np.testing.assert_allclose(once(*maps), present, atol=1e-6)
