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


def soft_cross_entropy(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of a sigmoid for each answer, summed over answers: the mean over the batch, in nats.

    For questions that several people answered differently (Hu et al., 2018, on VQA).

    Args:
        logits: [batch, answers].
        targets: how right each answer is, [batch, answers], in [0, 1].
    """
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
    return tf.reduce_mean(tf.reduce_sum(losses, axis=-1))


def layout_loss(
    module_logits: tf.Tensor,
    expert: tf.Tensor,
    mask: tf.Tensor | None = None,
    allowed: tf.Tensor | None = None,
) -> tf.Tensor:
    """-log of the weight of the expert's module, the mean over steps and batch, in nats.

    The steps after the end of a layout count, too: there the expert's module is NoOp (Hu et al., 2018).

    Args:
        module_logits: MLP(u), of which w^(t) is the softmax, [batch, steps, modules].
        expert: ids of the expert's modules, int [batch, steps], see `lnmn_tf.data.expert_layouts`.
        mask: [batch], 0 for questions whose loss is 0 (those without an expert layout), else 1; None = all
            count. The mean is over all questions, so that it is the mean of the parts of a batch, too.
        allowed: which modules may do the work of each id, zeros and ones [ids, modules]: what counts is
            their weight together. None = an id is the number of a module.
    """
    logits = tf.cast(module_logits, tf.float32)
    if allowed is None:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=expert, logits=logits)
    else:
        may = tf.gather(tf.cast(allowed, tf.bool), expert)  # [batch, steps, modules]
        among = tf.where(may, logits, logits.dtype.min / 2.0)
        losses = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_logsumexp(among, axis=-1)
    losses = tf.reduce_mean(losses, axis=-1)  # [batch]
    if mask is not None:
        losses = tf.where(tf.cast(mask, tf.bool), losses, 0.0)
    return tf.reduce_mean(losses)


def answer_probabilities(logits: tf.Tensor, answer_loss: str) -> tf.Tensor:
    """What the logits of a trained model say, float [batch, answers].

    Args:
        logits: [batch, answers].
        answer_loss: of its training. "softmax": probabilities that add up to 1. "sigmoid": how right each
            answer is by itself.
    """
    return tf.nn.sigmoid(logits) if answer_loss == "sigmoid" else tf.nn.softmax(logits)
