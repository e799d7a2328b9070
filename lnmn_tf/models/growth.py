"""A machine that grows: which modules may run at which step."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.models.kinds import Kind


class Growth(keras.layers.Layer):
    """Steps that open as training goes on: rest, .., rest, look, .., look, answer.

    The last step answers, and no other does. Steps before `first_step` rest: they run NoOp. Those from it on look: they run
    any module but NoOp, so no question is given up. Everything else is open by `freedom`, a factor of
    its module weights before they are normalised: 0 at first, then rising to 1, where all is open. So
    modules begin to run where steps rest while they are too weak to do harm, and learn.

    With a plan, the modules that look are told: they push, and all questions begin with one layout, push, .., push, answer.

    `first_step` and `freedom` are variables that the training loop sets and a checkpoint holds.

    Args:
        kinds: of the modules, in the order of the module weights.
        num_steps: T.
        plan: steps that look push.
    """

    def __init__(self, kinds: Sequence[Kind], num_steps: int, plan: bool = False, **kwargs):
        super().__init__(**kwargs)
        of_modules = [kind for kind in kinds for _ in range(kind.cells)]
        self._answers = [kind.answers for kind in of_modules]
        self._looks = [kind.keeps if plan else not kind.answers for kind in of_modules]
        self.num_steps = num_steps
        self.first_step = tf.Variable(0, trainable=False, dtype=tf.int32, name="first_step")
        self.freedom = tf.Variable(1.0, trainable=False, dtype=tf.float32, name="freedom")

    def openness(self, dtype: tf.DType) -> tf.Tensor:
        """How open each module is at each step, in [0, 1], [steps, modules]; the last module is NoOp."""
        answers, looks = tf.constant(self._answers), tf.constant(self._looks)
        steps = tf.range(self.num_steps)[:, tf.newaxis]
        runs, last = steps >= self.first_step, tf.equal(steps, self.num_steps - 1)
        begins = tf.concat([runs & tf.where(last, answers, looks), ~runs], axis=-1)
        possible = tf.concat([tf.where(last, answers, ~answers), ~last], axis=-1)
        openness = tf.where(begins, 1.0, tf.where(possible, self.freedom, 0.0))
        return tf.cast(openness, dtype)


HIGHEST = 5.0  # above the module of the largest weight: so gradients of what is hardly allowed are bounded


def open_weights(logits: tf.Tensor, openness: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """e^logit times openness and validity, normalised: what is closed or not allowed leaves its weight to the others.

    It is exact however small a softmax of all modules would make what is left, and so is its gradient. A logit counts as at
    most `HIGHEST` above that of the largest weight; that matters for modules of a validity below e^-5.

    Args:
        logits: of the modules, [batch, modules].
        openness: of each module, in [0, 1], at least one above 0, [batch, modules]; it learns nothing.
        valid: how far the stack allows each module, in [0, 1], [batch, modules].

    Returns:
        Weights that add up to 1, [batch, modules]; all 0 where nothing that is open is allowed.
    """
    scores = logits + tf.math.log(tf.stop_gradient(openness))
    sizes = scores + tf.math.log(tf.maximum(valid, 0.0))
    largest = tf.reduce_max(tf.stop_gradient(sizes), axis=-1, keepdims=True)
    weights = valid * tf.exp(tf.minimum(scores - tf.maximum(largest, scores.dtype.min), HIGHEST))
    return tf.math.divide_no_nan(weights, tf.reduce_sum(weights, axis=-1, keepdims=True))
