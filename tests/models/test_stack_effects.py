"""What each of Stack-NMN's modules does to the stack, seen in traces of forced layouts."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import STACK_NMN_MODULES
from lnmn_tf.layers.stack import validity
from lnmn_tf.models.registry import make_config
from lnmn_tf.models.stack_nmn import ARITY, StackNMN

BATCH, HEIGHT, WIDTH, CHANNELS, STACK_LEN = 2, 2, 3, 5, 4
SIZES = {
    "num_words": 11,
    "num_answers": 3,
    "embed_dim": 5,
    "text_dim": 6,
    "kb_dim": 7,
    "mem_dim": 8,
    "mlp_dim": 9,
    "module_mlp_dim": 0,
    "stack_len": STACK_LEN,
}


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(17)
    return {
        "features": random.normal(size=[BATCH, HEIGHT, WIDTH, CHANNELS]).astype(np.float32),
        "question": np.array([[3, 4, 5, 1], [7, 2, 0, 0]], np.int32),
    }


def run(inputs, layout, **choices):
    """The trace of a layout, a module name for each step."""
    tf.keras.utils.set_random_seed(1)
    config = make_config("stack_nmn", **{**SIZES, "num_steps": len(layout), **choices})
    model = StackNMN(config)
    ids = [config.modules.index(name) for name in layout]
    forced = np.tile(np.eye(len(config.modules), dtype=np.float32)[ids], [BATCH, 1, 1])
    return model.trace({**inputs, "module_weights": forced})


def slots(trace, step):
    """Where the hard pointer is, by example."""
    return np.argmax(trace.pointer[:, step], axis=-1).tolist()


def test_pointer_counts_what_is_on_the_stack(inputs):
    layout = ("find", "find", "and", "scene", "or", "transform", "filter", "describe_one")
    trace = run(inputs, layout)
    heights = [1, 2, 1, 2, 1, 1, 1, 1]
    assert [slots(trace, step)[0] for step in range(len(layout))] == heights
    trace = run(inputs, ("find", "scene", "describe_two"))
    assert [slots(trace, step)[0] for step in range(3)] == [1, 2, 1]


@pytest.mark.parametrize(("name", "function"), [("and", np.minimum), ("or", np.maximum)])
def test_and_is_the_smaller_or_the_larger_of_the_two_maps_on_top(inputs, name, function):
    trace = run(inputs, ("scene", "find", name))
    stack = trace.stack.numpy()
    scene, found = stack[:, 1, :, :, 1], stack[:, 1, :, :, 2]
    assert np.abs(scene - found).max() > 1e-3
    np.testing.assert_allclose(stack[:, 2, :, :, 1], function(scene, found), atol=1e-6)


def test_filter_is_find_then_and(inputs):
    one = run(inputs, ("scene", "filter"))
    two = run(inputs, ("scene", "find"))
    found, scene = two.stack[:, 1, :, :, 2], two.stack[:, 1, :, :, 1]
    np.testing.assert_allclose(one.stack[:, 1, :, :, 1], np.minimum(found, scene), atol=1e-6)
    np.testing.assert_allclose(one.stack[:, 1, :, :, 2], found, atol=1e-6)


def test_no_op_changes_nothing_and_keeps_the_memory(inputs):
    trace = run(inputs, ("find", "describe_one", "no_op"))
    for field in (trace.stack, trace.pointer, trace.memory):
        np.testing.assert_allclose(field[:, 2], field[:, 1], atol=1e-6)
    assert np.abs(trace.memory[:, 1]).max() > 1e-3


@pytest.mark.parametrize("name", ["find", "scene", "transform", "filter", "and", "or"])
def test_modules_that_do_not_answer_forget_the_memory(inputs, name):
    trace = run(inputs, ("find", "describe_one", name))
    assert np.abs(trace.memory[:, 1]).max() > 1e-3
    np.testing.assert_array_equal(trace.memory[:, 2], 0.0)


@pytest.mark.parametrize("name", ["describe_one", "describe_two"])
def test_describe_clears_its_place_unless_it_keeps_the_stack(inputs, name):
    layout = ("find", "scene", name)
    trace = run(inputs, layout)
    kept = run(inputs, layout, keep_stack=(name,))
    slot = slots(trace, 2)[0]
    assert slot == {"describe_one": 2, "describe_two": 1}[name]
    np.testing.assert_array_equal(trace.stack[:, 2, :, :, slot], 0.0)
    np.testing.assert_allclose(kept.stack[:, 2], kept.stack[:, 1], atol=1e-6)
    assert slots(kept, 2) == slots(kept, 1)
    np.testing.assert_allclose(kept.memory, trace.memory, atol=1e-6)


def test_guarded_pointer_stays_at_the_top_and_an_unguarded_one_falls_to_the_bottom(inputs):
    layout = ("find",) * STACK_LEN
    guarded = run(inputs, layout, saturate_pointer=True)
    assert slots(guarded, STACK_LEN - 1) == [STACK_LEN - 1] * BATCH
    unguarded = run(inputs, layout)
    assert slots(unguarded, STACK_LEN - 1) == [0] * BATCH


def test_soft_pointer_sums_to_one(inputs):
    trace = run(inputs, ("find", "scene", "and", "find"), hard_pointer=False)
    np.testing.assert_allclose(np.sum(trace.pointer, axis=-1), 1.0, atol=1e-6)
    assert np.max(trace.pointer) < 1.0


def test_validity_leaves_room_below_and_above():
    found = {
        name: column.tolist()
        for name, column in zip(
            STACK_NMN_MODULES, validity(*zip(*(ARITY[name] for name in STACK_NMN_MODULES)), 4).T
        )
    }
    assert found["no_op"] == [1, 1, 1, 1]
    assert found["find"] == found["scene"] == [1, 1, 1, 0]
    assert found["transform"] == found["filter"] == found["describe_one"] == [0, 1, 1, 1]
    assert found["and"] == found["or"] == found["describe_two"] == [0, 0, 1, 1]


@pytest.mark.parametrize("hard_validation", [False, True])
def test_validation_leaves_a_distribution_over_valid_modules(inputs, hard_validation):
    tf.keras.utils.set_random_seed(2)
    config = make_config(
        "stack_nmn", **SIZES, num_steps=3, validate_modules=True, hard_validation=hard_validation
    )
    weights = StackNMN(config).trace(inputs).module_weights.numpy()
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-6)
    invalid_at_first = [name not in ("no_op", "find", "scene") for name in config.modules]
    np.testing.assert_array_equal(weights[:, 0, invalid_at_first], 0.0)


def test_hard_layout_runs_the_most_likely_module_alone(inputs):
    tf.keras.utils.set_random_seed(3)
    config = make_config("stack_nmn", **SIZES, num_steps=3, hard_layout=True)
    outputs = StackNMN(config)(inputs)
    strongest = np.argmax(outputs["module_logits"], axis=-1)
    np.testing.assert_array_equal(outputs["module_weights"], np.eye(9)[strongest])


def test_a_model_of_fewer_modules_has_no_weights_for_the_others(inputs):
    modules = ("no_op", "find", "describe_one")
    config = make_config("stack_nmn", **SIZES, num_steps=2, modules=modules)
    model = StackNMN(config)
    outputs = model(inputs)
    assert outputs["module_weights"].shape == (BATCH, 2, 3)
    names = " ".join(variable.name for variable in model.variables)
    for name in ("transform", "scene", "describe_two"):
        assert name not in names


def test_dropout_acts_in_training_alone_and_from_step_to_step(inputs):
    tf.keras.utils.set_random_seed(4)
    model = StackNMN(make_config("stack_nmn", **SIZES, num_steps=2, dropout=0.5))
    calm = [model(inputs, training=False)["logits"].numpy() for _ in range(2)]
    np.testing.assert_array_equal(*calm)
    noisy = []
    for step in (0, 0, 1):
        model.dropout.step.assign(step)
        noisy.append(model(inputs, training=True)["logits"].numpy())
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert np.abs(noisy[0] - calm[0]).max() > 1e-6
    assert np.abs(noisy[0] - noisy[2]).max() > 1e-6
