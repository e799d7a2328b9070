"""Gradients of a batch, split over replicas, and on each over the cores of the machine.

XLA:CPU runs a compiled function on one core. So a batch is cut into as many shards as there are cores,
each in a compiled call of its own, and the results are averaged: with equal shards, the gradient of a
mean over the batch is the mean of the shards' gradients. The same holds for the parts that replicas
have of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.training.replicas import mean_over_replicas

# In float16 small gradients vanish; so the loss is multiplied by this first, and gradients divided.
FLOAT16_LOSS_SCALE = 2.0**10

Batch = dict[str, tf.Tensor]
Loss = Callable[[Batch], tuple[tf.Tensor, dict[str, tf.Tensor]]]


class ShardedGradients:
    """Computes a loss, what it reports, and its gradients.

    Args:
        loss: of a batch, which is a dict of tensors with a leading batch dimension: a scalar that is a
            mean over the batch, and a dict of scalars to report, also means.
        variables: to differentiate with respect to.
        shards: into how many equal parts a batch is cut; it must divide the batch size.
        jit: compile with XLA.
    """

    def __init__(
        self, loss: Loss, variables: Sequence[tf.Variable], shards: int = 1, jit: bool = True
    ):
        self.variables, self.shards = list(variables), shards
        self._is_float16 = keras.mixed_precision.global_policy().compute_dtype == "float16"
        scale = FLOAT16_LOSS_SCALE if self._is_float16 else 1.0

        def shard(batch: Batch) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(self.variables)
                value, report = loss(batch)
                scaled = scale * value
            gradients = tape.gradient(scaled, self.variables, unconnected_gradients="zero")
            return {"loss": value, **report}, [tf.convert_to_tensor(g) / scale for g in gradients]

        self._shard = tf.function(shard, jit_compile=jit, autograph=False)

    def __call__(self, batch: Batch) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Returns (the loss and its report, one gradient for each variable), of the whole batch.

        Gradients of which one overflowed in float16 are all zero.
        """
        losses, gradients = mean_over_replicas(self._of_replica(batch))
        if self._is_float16:
            finite = tf.math.is_finite(tf.linalg.global_norm(gradients))
            gradients = [tf.where(finite, g, tf.zeros_like(g)) for g in gradients]
        return losses, gradients

    def _of_replica(self, batch: Batch):
        if self.shards == 1:
            return self._shard(batch)
        parts = {name: tf.split(value, self.shards) for name, value in batch.items()}
        results = [
            self._shard({name: part[i] for name, part in parts.items()}) for i in range(self.shards)
        ]
        return tf.nest.map_structure(_mean, *results)


def _mean(*values: Any) -> tf.Tensor:
    return tf.add_n(values) / len(values)
