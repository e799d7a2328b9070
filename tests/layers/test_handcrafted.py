"""Stack-NMN's modules with weights, against their formulas written out."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers.handcrafted import Describe, Find, Score, attend

BATCH, POSITIONS, KB_DIM, TEXT_DIM, MEM_DIM = 2, 5, 7, 11, 13


@pytest.fixture
def inputs():
    random = np.random.default_rng(13)
    shapes = {
        "knowledge_base": [BATCH, POSITIONS, KB_DIM],
        "text": [BATCH, TEXT_DIM],
        "attended": [BATCH, KB_DIM],
        "below": [BATCH, KB_DIM],
        "memory": [BATCH, MEM_DIM],
    }
    return {k: tf.constant(random.normal(size=s), tf.float32) for k, s in shapes.items()}


def written_out(find, knowledge_base, text, attended=None):
    """conv(l2_normalise(x * W c [* attended])), one map of [positions, kb_dim] at a time."""
    query = text @ find.text_projection.kernel + find.text_projection.bias
    if attended is not None:
        query *= attended
    product = tf.math.l2_normalize(knowledge_base * query[:, None], axis=-1)
    return tf.linalg.matvec(product, find.score.kernel) + find.score.bias


@pytest.mark.parametrize("transform", [False, True])
def test_find_scores_normalised_products_in_values_and_gradients(inputs, transform):
    find = Find(KB_DIM)
    arguments = {name: inputs[name] for name in ("knowledge_base", "text")}
    if transform:
        arguments["attended"] = inputs["attended"]
    find(squared=inputs["knowledge_base"] ** 2, **arguments)
    find.score.bias.assign([0.3])
    results = []
    for form in ("ours", "written out"):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            if form == "ours":
                found = find(squared=arguments["knowledge_base"] ** 2, **arguments)
            else:
                found = written_out(find, **arguments)
            loss = tf.reduce_sum(tf.sin(found))
        sources = [*arguments.values(), *find.trainable_variables]
        results.append([found, *tape.gradient(loss, sources)])
    for ours, expected in zip(*results):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_scene_is_a_convolution_of_normalised_features(inputs):
    score, x = Score(), inputs["knowledge_base"]
    found = score(x, x**2)
    normalised = x.numpy() / np.linalg.norm(x, axis=-1, keepdims=True)
    np.testing.assert_allclose(found, normalised @ score.kernel.numpy(), rtol=1e-4, atol=1e-6)


def test_score_of_nothing_is_the_bias_with_finite_gradients():
    score, x = Score(), tf.zeros([BATCH, POSITIONS, KB_DIM])
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = score(x, x**2)
    np.testing.assert_array_equal(found, 0.0)
    for gradient in tape.gradient(found, [x, score.kernel]):
        assert np.isfinite(gradient).all()


def test_attending_averages_for_a_flat_map_and_picks_for_a_sharp_one(inputs):
    x = inputs["knowledge_base"]
    flat = tf.fill([BATCH, 1, POSITIONS], 5.0)
    sharp = 100.0 * tf.one_hot([[3]] * BATCH, POSITIONS)
    found = attend(x, tf.concat([flat, sharp], axis=1))
    np.testing.assert_allclose(found[:, 0], tf.reduce_mean(x, axis=1), atol=1e-6)
    np.testing.assert_allclose(found[:, 1], x[:, 3], atol=1e-6)


@pytest.mark.parametrize("num_maps", [1, 2])
def test_describe_is_linear_in_text_memory_and_the_normalised_product(inputs, num_maps):
    describe = Describe(KB_DIM, MEM_DIM)
    attended = [inputs["attended"], inputs["below"]][:num_maps]
    found = describe(inputs["text"], inputs["memory"], attended)
    product = describe.text_projection(inputs["text"]).numpy() * np.prod(attended, axis=0)
    product /= np.linalg.norm(product, axis=-1, keepdims=True)
    parts = np.concatenate([inputs["text"], inputs["memory"], product], axis=-1)
    expected = parts @ describe.memory_projection.kernel.numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_describe_does_not_care_which_map_comes_first(inputs):
    describe = Describe(KB_DIM, MEM_DIM)
    maps = [inputs["attended"], inputs["below"]]
    found = [describe(inputs["text"], inputs["memory"], order) for order in (maps, maps[::-1])]
    np.testing.assert_allclose(*found, atol=1e-6)
