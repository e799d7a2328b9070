"""Gradients of a batch, split over replicas, and on each over the cores of the machine.

With equal parts, the gradient of a mean over the batch is the mean of the parts' gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.training.replicas import mean_over_replicas
from lnmn_tf.training.shards import Batch, Sharded

# In float16 small gradients vanish; so the loss is multiplied by this first, and gradients divided.
FLOAT16_LOSS_SCALE = 2.0**10

Loss = Callable[[Batch], tuple[tf.Tensor, dict[str, tf.Tensor]]]


class ShardedGradients(Sharded):
    """Computes a loss, what it reports, and its gradients.

    Args:
        loss: of a batch, which is a dict of tensors with a leading batch dimension: a scalar that is a
            mean over the batch, and a dict of scalars to report, also means.
        variables: to differentiate with respect to.
        shards: into how many equal parts a batch is cut; it must divide the batch size.
        xla: compile with XLA.
    """

    def __init__(
        self, loss: Loss, variables: Sequence[tf.Variable], shards: int = 1, xla: bool = True
    ):
        self.variables = list(variables)
        self._is_float16 = keras.mixed_precision.global_policy().compute_dtype == "float16"
        scale = FLOAT16_LOSS_SCALE if self._is_float16 else 1.0

        def shard(batch: Batch) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(self.variables)
                value, report = loss(batch)
                scaled = scale * value
            gradients = tape.gradient(scaled, self.variables, unconnected_gradients="zero")
            return {"loss": value, **report}, [tf.convert_to_tensor(g) / scale for g in gradients]

        super().__init__(shard, shards, xla)

    def __call__(self, batch: Batch) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Returns (the loss and its report, one gradient for each variable), of the whole batch.

        Gradients of which one overflowed in float16 are all zero.
        """
        losses, gradients = mean_over_replicas(
            tf.nest.map_structure(_mean, *super().__call__(batch))
        )
        if self._is_float16:
            finite = tf.math.is_finite(tf.linalg.global_norm(gradients))
            gradients = [tf.where(finite, g, tf.zeros_like(g)) for g in gradients]
        return losses, gradients


def _mean(*values: Any) -> tf.Tensor:
    return values[0] if len(values) == 1 else tf.add_n(values) / len(values)
