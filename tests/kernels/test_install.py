"""Kernels change no value and no gradient: every model, as the paper has it and made fast."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.kernels.install import install
from lnmn_tf.models.registry import make_config, make_model

SIZES = {
    "num_words": 13,
    "num_answers": 5,
    "embed_dim": 7,
    "text_dim": 10,
    "kb_dim": 11,
    "mem_dim": 17,
    "mlp_dim": 19,
    "num_steps": 3,
    "stack_len": 4,
}
CELLS = {"map_dim": 13, "attention_3": 3, "attention_4": 2, "answer_3": 2, "answer_4": 1}
CHOICES = {
    "paper": ("paper", {**CELLS, "module_mlp_dim": 23}),
    "released": ("released", CELLS),
    "relational": ("relational", CELLS),
    "relational_zeroed": ("relational", {**CELLS, "zeroed_operators": ("max",)}),
    "relational_growing": ("relational", {**CELLS, "growing": True, "word_inhibition": 2.0}),
    "relational_drawn": ("relational", {**CELLS, "growing": True, "draws": True}),
    "stack_nmn": ("stack_nmn", {"module_mlp_dim": 23, "hard_pointer": False}),
}
HARD = {name: (name, {**CELLS, "hard_operators": True}) for name in ("paper", "released")}
HARD["relational"] = ("relational", {**CELLS, "hard_operators": True})


def make_inputs():
    random = np.random.default_rng(19)
    question = random.integers(1, SIZES["num_words"], size=[3, 7], dtype=np.int32)
    question[1, 3:], question[2, 5:] = 0, 0
    features = random.normal(size=[3, 2, 5, 11]).astype(np.float32)
    return {"features": tf.constant(features), "question": tf.constant(question)}


def pair(model, choices):
    """(as the paper has it, made fast), with the same weights."""
    tf.keras.utils.set_random_seed(29)
    config = make_config(model, **{**SIZES, **choices})
    plain, fast = make_model(config), install(make_model(config))
    for network in (plain, fast):
        network(make_inputs())
        if config.model == "relational" and config.growing:
            network.growth.first_step.assign(1)
            network.growth.freedom.assign(0.0 if config.draws else 0.2)
    random = np.random.default_rng(23)
    names = [[(v.name.split("/")[-1], v.shape) for v in n.variables] for n in (plain, fast)]
    assert names[0] == names[1]
    for one, other in zip(plain.trainable_variables, fast.trainable_variables):
        value = one.numpy() + random.normal(scale=0.3, size=one.shape)  # biases, too
        one.assign(value)
        other.assign(value)
    return plain, fast


def answer(network, inputs):
    with tf.GradientTape() as tape:
        outputs = network(inputs, training=network.draw is not None)
        loss = tf.reduce_mean(tf.square(outputs["logits"] - 1.0))
        loss += tf.reduce_mean(tf.square(outputs["module_weights"]))
    gradients = tape.gradient(loss, network.trainable_variables, unconnected_gradients="zero")
    return outputs, [tf.convert_to_tensor(gradient) for gradient in gradients]


def changes_by_rounding(network, inputs, gradients):
    """How far each gradient moves where weights change in their last bit, the most of four draws.

    Where sums cancel that is more than 2e-5 of a gradient, and no computation knows it better.
    """
    random, kept = np.random.default_rng(31), [v.numpy() for v in network.trainable_variables]
    largest = np.zeros(len(kept))
    for _ in range(4):
        for variable, value in zip(network.trainable_variables, kept):
            variable.assign(value * (1.0 + 6e-8 * random.choice([-1.0, 1.0], size=value.shape)))
        pairs = zip(gradients, answer(network, inputs)[1])
        largest = np.maximum(largest, [np.abs(one - other).max() for one, other in pairs])
    for variable, value in zip(network.trainable_variables, kept):
        variable.assign(value)
    return largest


@pytest.mark.parametrize("name", list(CHOICES))
def test_kernels_give_the_values_and_gradients_of_the_equations(name):
    plain, fast = pair(*CHOICES[name])
    inputs = make_inputs()
    expected, gradients = answer(plain, inputs)
    found, found_gradients = answer(fast, inputs)
    for key, value in expected.items():
        bound = 1e-5 * (1.0 + np.abs(value).max())
        np.testing.assert_allclose(found[key], value, rtol=0, atol=bound, err_msg=key)
    changes = changes_by_rounding(plain, inputs, gradients)
    of_variables = zip(plain.trainable_variables, gradients, found_gradients, changes)
    for variable, one, other, change in of_variables:
        bound = 2e-5 * np.abs(one).max() + 1e-7 + change
        np.testing.assert_allclose(other, one, rtol=0, atol=bound, err_msg=variable.name)
    for one, other in zip(plain.trace(inputs), fast.trace(inputs)):
        bound = 1e-5 * (1.0 + np.abs(one).max())
        np.testing.assert_allclose(other, one, rtol=0, atol=bound)


@pytest.mark.parametrize("name", list(HARD))
def test_compiled_hard_structure_is_the_strongest_operator_of_each_node(name):
    plain, fast = pair(*HARD[name])
    expected, found = plain(make_inputs())["logits"], fast(make_inputs())["logits"]
    bound = 1e-5 * (1.0 + np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


def test_modules_that_are_skipped_are_those_that_weigh_nothing():
    choices = {**CELLS, "module_threshold": 0.25}
    plain, fast = pair("relational", choices)
    inputs = make_inputs()
    layout = np.zeros([3, SIZES["num_steps"], len(plain.module_names)], np.float32)
    layout[:, 0, 0], layout[:, 1, 1], layout[:, 2, 5] = 0.7, 1.0, 0.2
    layout[:, :, -1] += 1.0 - layout.sum(axis=-1)
    inputs["module_weights"] = tf.constant(layout)
    expected, found = plain(inputs), fast(inputs)
    assert np.all(expected["module_weights"].numpy()[:, 2, 5] == 0.0)  # below the threshold
    bound = 1e-5 * (1.0 + np.abs(expected["logits"]).max())
    np.testing.assert_allclose(found["logits"], expected["logits"], rtol=0, atol=bound)
