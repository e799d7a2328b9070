"""What an encoder that says where objects are changes in the maps."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.models.registry import make_config, make_model
from tests.models.tiny import TINY

SIZES = {**TINY, "num_steps": 3}
GROUPS = (2, 3)  # 1 + 5 + 2 channels of features


@pytest.fixture(scope="module")
def model():
    tf.keras.utils.set_random_seed(3)
    return make_model(make_config("ours", **SIZES, encoder_groups=GROUPS, attended_places=0))


@pytest.fixture
def inputs():
    random = np.random.default_rng(2)
    features = random.uniform(0.5, 1.0, size=[1, 2, 3, 8]).astype(np.float32)
    return {"features": features, "question": np.array([[3, 5, 1]], np.int32)}


def test_nothing_is_attended_where_nothing_is(model, inputs):
    inputs["features"][0, 0, 1, 0] = 0.0
    push = np.zeros([len(inputs["question"]), model.config.num_steps, len(model.module_names)])
    push[..., model.module_names.index("push_3.0")] = 1.0
    trace = model.trace({**inputs, "module_weights": push.astype(np.float32)})
    written = model.show(trace.stack)[0, 0, ..., 1].numpy()  # where a first push writes
    assert written[0, 1] < 0.1 * np.delete(written.ravel(), 1).min()


def test_directions_are_between_the_spots_where_objects_stand(model, inputs):
    where, presence, *_ = model.see(tf.constant(inputs["features"]))
    np.testing.assert_allclose(where[0], inputs["features"][0, ..., -2:].reshape(6, 2))
    np.testing.assert_allclose(
        presence[0], np.log(inputs["features"][0, ..., 0].ravel()), rtol=1e-5
    )


@pytest.mark.parametrize("name", ["paper", "released"])
def test_maps_that_are_no_probabilities_are_left_alone(name, inputs):
    steps = []
    for groups in (GROUPS, ()):
        tf.keras.utils.set_random_seed(3)
        sizes = {k: v for k, v in SIZES.items() if k != "looking_cells"}
        model = make_model(make_config(name, **sizes, encoder_groups=groups))
        steps.append(model.trace(inputs).stack.numpy())
    np.testing.assert_array_equal(*steps)


def test_places_without_objects_need_not_be_looked_at(inputs):
    """Of 6 places, 2 have no object; to look at the other 4 alone gives nearly the same answers."""
    inputs["features"][0, 1, :2, 0] = 0.0
    logits, stacks = [], []
    for attended_places in (6, 4):
        tf.keras.utils.set_random_seed(3)
        config = make_config(
            "ours", **SIZES, encoder_groups=GROUPS, attended_places=attended_places
        )
        outputs, trace = make_model(config).answer_and_trace(inputs)
        logits.append(outputs["logits"].numpy())
        stacks.append(trace.stack.numpy())
    np.testing.assert_allclose(*logits, atol=0.05 * np.abs(logits[0]).max())
    assert stacks[0].shape == stacks[1].shape == (1, 3, 2, 3, 3)
    first = stacks[1][0, 0, ..., 1]  # what the first step pushes
    assert (first[1, :2] == first.min()).all()  # as little as the least of what was looked at
    assert len(np.unique(first)) == 4


def test_places_are_of_the_type_that_modules_compute_in(inputs):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = make_model(make_config("ours", **SIZES, encoder_groups=GROUPS))
        assert {x.dtype for x in network.see(tf.constant(inputs["features"]))} == {tf.bfloat16}
        assert network(inputs)["logits"].dtype == tf.float32
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
