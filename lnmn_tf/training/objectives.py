"""What Algorithm 2 descends: cross-entropy, module entropy and structure sparsity (section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def cross_entropy(logits: tf.Tensor, answers: tf.Tensor) -> tf.Tensor:
    """Mean cross-entropy of answer ids [batch] under logits [batch, answers], in nats."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(answers, logits)
    return tf.reduce_mean(losses)


def module_entropy(module_weights: tf.Tensor) -> tf.Tensor:
    """(1/T) sum_t H(w^(t)), the mean over the batch, in nats.

    Args:
        module_weights: [batch, steps, modules].
    """
    module_weights = tf.cast(module_weights, tf.float32)
    logs = tf.math.log(tf.maximum(module_weights, 1e-30))
    return -tf.reduce_mean(tf.reduce_sum(module_weights * logs, axis=-1))


def structure_sparsity(structure: Sequence[tf.Tensor]) -> tf.Tensor:
    """sum_m sum_k ||alpha'||_2 / ||alpha'||_1 with alpha' = softmax(alpha) (Hurley and Rickard, 2009).

    Between nodes / sqrt(6), all operators alike, and nodes, one operator each.

    Args:
        structure: alpha of each bank, [cells, nodes, 6].
    """
    total = tf.constant(0.0)
    for alpha in structure:
        mixture = tf.nn.softmax(alpha, axis=-1)
        ratio = tf.norm(mixture, axis=-1) / tf.reduce_sum(tf.abs(mixture), axis=-1)
        total += tf.reduce_sum(ratio)
    return total
