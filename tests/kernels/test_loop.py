"""`kernels.loop.recomputed_loop` equals `layers.loop.loop`, and keeps less for the gradient."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.kernels.loop import recomputed_loop
from lnmn_tf.layers.loop import loop
from tests.kernels.gradients import assert_equal, value_and_gradients

STEPS, BATCH, WIDTH = 3, 2, 5


@pytest.fixture
def parts():
    random = np.random.default_rng(11)
    shapes = [STEPS, BATCH, WIDTH], [BATCH, WIDTH], [BATCH, WIDTH, WIDTH]
    rows, state, fixed = (tf.constant(random.normal(size=s), tf.float32) for s in shapes)
    return rows, state, fixed, tf.Variable(random.normal(size=[WIDTH]), dtype=tf.float32)


def run(function, parts):
    rows, state, fixed, weight = parts

    def step(row, state, invariant):
        (hidden, last), (matrix,) = state, invariant
        hidden = tf.tanh(tf.linalg.matvec(matrix, hidden) * weight + row)
        return (hidden, row), {"hidden": hidden, "last": last}

    start = (state, tf.zeros_like(state))
    return function(step, start, rows, (fixed,), {"hidden": 0, "last": 0}, STEPS)


def test_a_loop_that_computes_steps_again_has_the_values_and_gradients_of_the_loop(parts):
    assert_equal(lambda: run(recomputed_loop, parts), lambda: run(loop, parts), list(parts))


def test_a_step_is_a_function_of_its_row_and_of_the_state_before(parts):
    (last, _), records = run(loop, parts)
    np.testing.assert_array_equal(records["hidden"][-1], last)
    np.testing.assert_array_equal(records["last"][1:], parts[0][:-1])


def test_it_compiles(parts):
    def both():
        return value_and_gradients(lambda: run(recomputed_loop, parts), list(parts))

    for found, expected in zip(tf.function(both, jit_compile=True)(), both()):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_is_inside_a_step_is_not_kept(parts):
    """The gradient of the plain loop keeps a list of each tensor that a step makes on its way."""

    def lists(function):
        graph = tf.function(
            lambda: value_and_gradients(lambda: run(function, parts), list(parts))
        ).get_concrete_function()
        return str(graph.graph.as_graph_def()).count("EmptyTensorList")

    assert lists(recomputed_loop) == 0 < lists(loop)
