"""Dropout whose chance comes from the step alone, so that a restarted run repeats it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras


class StepDropout(keras.layers.Layer):
    """Drops a share of its inputs in training, and scales up the rest.

    What is dropped is a pure function of `step`, a variable that the training loop sets and a checkpoint
    holds, and of the inputs, which tells apart the shards of a batch. keras.layers.Dropout draws from
    a stream that begins anew when a run is started again.

    Args:
        rate: share that is dropped, in [0, 1).
    """

    def __init__(self, rate: float, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.step = tf.Variable(0, trainable=False, dtype=tf.int32, name="step")

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """[batch, channels] -> [batch, channels]."""
        if not training or not self.rate:
            return inputs
        of_shard = tf.bitcast(tf.cast(tf.reduce_sum(inputs[0]), tf.float32), tf.int32)
        seed = tf.stack([self.step, of_shard])
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}
