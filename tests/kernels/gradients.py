"""Values and gradients of a function and of what stands in its place, side by side."""

import numpy as np
import tensorflow as tf


def value_and_gradients(function, sources):
    """The value, and the gradients of sum sin(value) with respect to the sources."""
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value = function()
        parts = [tf.reduce_sum(tf.sin(part)) for part in tf.nest.flatten(value)]
        target = tf.add_n(parts)
    gradients = tape.gradient(target, sources, unconnected_gradients="zero")
    return [*tf.nest.flatten(value), *tf.nest.flatten(gradients)]


def assert_equal(kernel, equation, sources, relative=1e-4, absolute=2e-5):
    """The kernel has the values and the gradients of the equation."""
    found, expected = value_and_gradients(kernel, sources), value_and_gradients(equation, sources)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=relative, atol=absolute)
