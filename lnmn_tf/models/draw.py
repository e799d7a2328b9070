"""Layouts of one module a step: drawn in training, the likeliest in an answer."""

from __future__ import annotations

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.models.growth import Growth


class Draw(keras.layers.Layer):
    """Gumbel noise by which each step but the last draws its module, see `one_of`; while a machine is small.

    Where a look pushes by half, the pointer stands between two maps. Drawn, a question has two maps or one. The last step
    answers; its modules add to one memory, and their average is what each would say. As the other steps begin to open, all
    steps run the average: what is new has a small weight then, and would be drawn whole. That it is better than an average
    is not shown (docs/learning.md).

    In the share `rest_share` of the questions of a training a look rests, by chance, each look by itself. So each of them
    learns to find.

    Noise is a function of `step`, and of the lengths of the questions, which tell apart the shards of a batch. `step`, which
    the training loop sets, and `rest_share`, which a search sets, are variables that a checkpoint holds.

    Args:
        growth: of the machine.
        num_modules: M.
    """

    def __init__(self, growth: Growth, num_modules: int, **kwargs):
        super().__init__(**kwargs)
        self.growth, self.num_modules = growth, num_modules
        self.step = tf.Variable(0, trainable=False, dtype=tf.int32, name="step")
        self.rest_share = tf.Variable(0.0, trainable=False, dtype=tf.float32, name="rest_share")

    def call(self, mask: tf.Tensor, training: bool | None = None) -> dict[str, tf.Tensor]:
        """What `one_of` needs of each step, by its names; outside training noise and rests are 0.

        Args:
            mask: 1 for the words of a question, else 0, [batch, words].

        Returns:
            `noise`, [batch, steps, modules]; `draws` and `rests`, [batch, steps, 1].
        """
        batch, num_steps = tf.shape(mask)[0], self.growth.num_steps
        looks = tf.range(num_steps)[:, tf.newaxis] < num_steps - 1
        draws = tf.broadcast_to(looks & (self.growth.freedom == 0.0), [batch, num_steps, 1])
        noise, rests = tf.zeros([batch, num_steps, self.num_modules]), tf.zeros_like(draws)
        if training:
            words = tf.reduce_sum(tf.cast(mask, tf.int32), axis=-1)
            seed = tf.stack([self.step, tf.reduce_sum(words * tf.range(1, batch + 1))])
            uniform = tf.random.stateless_uniform(tf.shape(noise), seed, 1e-6, 1.0 - 1e-6)
            noise = -tf.math.log(-tf.math.log(uniform))
            chance = tf.random.stateless_uniform(tf.shape(rests), seed + 1)
            rests = draws & (chance < self.rest_share)
        given = {"noise": noise, "draws": draws, "rests": rests}
        return {name: tf.cast(x, mask.dtype) for name, x in given.items()}


def one_of(weights: tf.Tensor, noise: tf.Tensor, draws: tf.Tensor, rests: tf.Tensor) -> tf.Tensor:
    """One module: by chance, as likely as its weight, or without noise the likeliest.

    The gradient is that of the weights (straight-through).

    Args:
        weights: of the modules, the last one NoOp, [batch, modules]; none of weight 0 is drawn.
        noise: Gumbel's, or 0, [batch, modules].
        draws: 1, or 0 where the weights stay as they are, [batch, 1].
        rests: 1 where it is NoOp, whatever the weights, which learn nothing then; else 0, [batch, 1].

    Returns:
        Zeros and a one, [batch, modules].
    """
    scores = tf.where(weights > 0.0, tf.math.log(weights) + noise, weights.dtype.min)
    modules = weights.shape[-1]
    chosen = tf.where(rests[:, 0] > 0.0, tf.cast(modules - 1, tf.int64), tf.argmax(scores, axis=-1))
    one = tf.one_hot(chosen, modules, dtype=weights.dtype)
    learning = tf.where(rests > 0.0, tf.stop_gradient(weights), weights)
    return learning + tf.stop_gradient(draws * (one - weights))
