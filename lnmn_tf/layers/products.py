"""Matrix products of what cells share, or have each for themselves, with kernels of each cell."""

from __future__ import annotations

import tensorflow as tf


def multiply(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """x_k W_k for each cell k: one matrix product where all cells share x.

    `tf.matmul` would copy x for every cell and W for every example, and so its gradient. For one cell it is
    a product of rank 2, for whose gradient XLA does not write down W transposed.

    Args:
        x: [batch, 1 or cells, rows, n].
        kernel: W, [cells, n, m].

    Returns:
        [batch, cells, rows, m].
    """
    kernel = tf.cast(kernel, x.dtype)
    if kernel.shape[0] == 1:
        return tf.tensordot(x, kernel[0], 1)
    if x.shape[1] == 1:
        return tf.einsum("brn,knm->bkrm", x[:, 0], kernel)
    return tf.einsum("bkrn,knm->bkrm", x, kernel)
