"""Dropout that a restarted run repeats."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers.dropout import StepDropout

INPUTS = tf.constant(np.random.default_rng(5).normal(size=[101, 103]), tf.float32)


@pytest.mark.parametrize("jit", [False, True])
def test_the_same_step_drops_the_same_and_another_step_others(jit):
    layer = StepDropout(0.3)
    drop = tf.function(lambda x: layer(x, training=True), jit_compile=jit)
    layer.step.assign(7)
    first = drop(INPUTS).numpy()
    layer.step.assign(8)
    other = drop(INPUTS).numpy()
    layer.step.assign(7)
    np.testing.assert_array_equal(drop(INPUTS).numpy(), first)
    assert ((first == 0) != (other == 0)).any()


def test_it_drops_its_share_and_keeps_the_mean():
    outputs = StepDropout(0.3)(INPUTS, training=True).numpy()
    assert np.mean(outputs == 0) == pytest.approx(0.3, abs=0.02)
    kept = outputs != 0
    np.testing.assert_allclose(outputs[kept], INPUTS.numpy()[kept] / 0.7, rtol=1e-5)


def test_outside_training_nothing_is_dropped():
    np.testing.assert_array_equal(StepDropout(0.3)(INPUTS, training=False), INPUTS)
