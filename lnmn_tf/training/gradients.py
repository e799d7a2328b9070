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
ENCODED = "encoded"  # of a batch, by the network's `encode`

Loss = Callable[[Batch], tuple[tf.Tensor, dict[str, tf.Tensor]]]


class ShardedGradients(Sharded):
    """Computes a loss, what it reports, and its gradients.

    Args:
        loss: of a batch: a scalar that is a mean over the batch, and a dict of scalars to report, also
            means.
        variables: to differentiate with respect to.
        shards: into how many equal parts a batch is cut; it must divide the batch size.
        xla: compile with XLA.
        encode: what is done with the whole batch first, on all cores and outside of what is compiled. It
            returns the batch with the entry `ENCODED`; None = nothing.
        through: variables have an effect through that entry, too.
    """

    def __init__(
        self,
        loss: Loss,
        variables: Sequence[tf.Variable],
        shards: int = 1,
        xla: bool = True,
        encode: Callable[[Batch], Batch] | None = None,
        through: bool = True,
    ):
        self.variables, self._encode = list(variables), encode
        self._through = through and encode is not None
        self._is_float16 = keras.mixed_precision.global_policy().compute_dtype == "float16"
        self._scale = FLOAT16_LOSS_SCALE if self._is_float16 else 1.0

        def shard(batch: Batch) -> tuple[dict[str, tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
            """The losses, and gradients of the scaled loss: of the variables, of what is watched."""
            watched = tf.nest.flatten(batch["watched"])
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([*self.variables, *watched])
                value, report = loss({**batch["fixed"], **batch["watched"]})
                scaled = self._scale * value
            of_variables, of_watched = tape.gradient(
                scaled, [self.variables, watched], unconnected_gradients="zero"
            )
            of_variables = [tf.convert_to_tensor(g) for g in of_variables]
            return {"loss": value, **report}, of_variables, of_watched

        super().__init__(shard, shards, xla)

    def __call__(  # type: ignore[override]  # the parts are put together
        self, batch: Batch
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Returns (the loss and its report, one gradient for each variable), of the whole batch.

        Gradients of which one overflowed in float16 are all zero.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.variables if self._through else [])
            batch = self._encode(batch) if self._encode else batch
        watched = {ENCODED: batch[ENCODED]} if self._through else {}
        fixed = {k: x for k, x in batch.items() if k not in watched}
        losses, gradients, of_encoded = zip(*super().__call__({"fixed": fixed, "watched": watched}))
        losses = tf.nest.map_structure(_mean, *losses)
        gradients = tf.nest.map_structure(_mean, *gradients)
        if self._through:
            seeds = [tf.concat(parts, axis=0) / self.shards for parts in zip(*of_encoded)]
            encoded = tf.nest.flatten(watched)
            through = tape.gradient(encoded, self.variables, seeds, unconnected_gradients="zero")
            gradients = [g + tf.convert_to_tensor(t) for g, t in zip(gradients, through)]
        gradients = [g / self._scale for g in gradients]
        losses, gradients = mean_over_replicas((losses, gradients))
        if self._is_float16:
            finite = tf.math.is_finite(tf.linalg.global_norm(gradients))
            gradients = [tf.where(finite, g, tf.zeros_like(g)) for g in gradients]
        return losses, gradients


def global_norm(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """||g||_2 over all tensors together, a scalar; also where its square is beyond float32.

    The paper's maps grow with a power of 2 to the number of steps (docs/learning.md), and so do gradients:
    those above 1.8e19 have an infinite square, for which clipping would make a gradient of NaN.
    """
    norm = tf.linalg.global_norm(gradients)

    def scaled():
        largest = tf.reduce_max([tf.reduce_max(tf.abs(g)) for g in gradients])
        return largest * tf.linalg.global_norm([g / largest for g in gradients])

    return tf.cond(tf.math.is_finite(norm), lambda: norm, scaled)


def _mean(*values: Any) -> tf.Tensor:
    return values[0] if len(values) == 1 else tf.add_n(values) / len(values)
