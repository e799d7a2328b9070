"""A machine that grows: which modules may run at which step, and how much of a plan is left."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.models.kinds import Kind


class Growth(keras.layers.Layer):
    """A plan of the layout that fades: rest, .., rest, push, .., push, answer.

    The last step answers, and no other does. Steps before `first_step` rest: they run NoOp. Those from it on push: no
    map is lost, and no question is given up by running NoOp. Everything else is open by `freedom`, a factor of
    its module weights before they are normalised: 0 at first, then rising to 1, where no plan is left. So
    modules begin to run where the plan has them rest while they are too weak to do harm, and learn.

    `first_step` and `freedom` are variables that the training loop sets and a checkpoint holds.

    Args:
        kinds: of the modules, in the order of the module weights.
        num_steps: T.
    """

    def __init__(self, kinds: Sequence[Kind], num_steps: int, **kwargs):
        super().__init__(**kwargs)
        of_modules = [kind for kind in kinds for _ in range(kind.cells)]
        self._answers = [kind.answers for kind in of_modules]
        self._pushes = [kind.keeps for kind in of_modules]
        self.num_steps = num_steps
        self.first_step = tf.Variable(0, trainable=False, dtype=tf.int32, name="first_step")
        self.freedom = tf.Variable(1.0, trainable=False, dtype=tf.float32, name="freedom")

    def openness(self, dtype: tf.DType) -> tf.Tensor:
        """How open each module is at each step, in [0, 1], [steps, modules]; the last module is NoOp."""
        answers, pushes = tf.constant(self._answers), tf.constant(self._pushes)
        steps = tf.range(self.num_steps)[:, tf.newaxis]
        runs, last = steps >= self.first_step, tf.equal(steps, self.num_steps - 1)
        planned = tf.concat([runs & tf.where(last, answers, pushes), ~runs], axis=-1)
        possible = tf.concat([tf.where(last, answers, ~answers), ~last], axis=-1)
        openness = tf.where(planned, 1.0, tf.where(possible, self.freedom, 0.0))
        return tf.cast(openness, dtype)


def open_weights(logits: tf.Tensor, openness: tf.Tensor) -> tf.Tensor:
    """softmax(logits) times openness, normalised, [batch, modules]; openness learns nothing.

    Args:
        logits: of the modules, [batch, modules].
        openness: of each module, in [0, 1], at least one above 0, [batch, modules].
    """
    return tf.nn.softmax(logits + tf.math.log(tf.stop_gradient(openness)), axis=-1)


def without_no_op(weights: tf.Tensor, may_rest: tf.Tensor) -> tf.Tensor:
    """Module weights, [batch, modules], those of the others in its place where NoOp may not run.

    Args:
        weights: with what the stack does not allow counted as NoOp's.
        may_rest: 1 where NoOp may run, else 0, [batch, 1].
    """
    others = weights[:, :-1]
    others /= tf.reduce_sum(others, axis=-1, keepdims=True) + 1e-6
    acting = tf.concat([others, tf.zeros_like(may_rest)], axis=-1)
    return tf.where(may_rest > 0.0, weights, acting)
