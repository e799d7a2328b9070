"""The memory stack of attention maps (paper, section 2.2 and Algorithm 3): pure functions.

A stack A is [batch, positions, stack_len], a pointer p [batch, stack_len] is a distribution over its
slots, and an attention map is [batch, positions]. Slot 0 is the bottom. A module pops by reading at p
and moving p down, and pushes by moving p up and writing at p.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def read(stack: tf.Tensor, pointer: tf.Tensor) -> tf.Tensor:
    """sum_l A_l p_l: the attention map at the pointer, [batch, positions]."""
    return tf.linalg.matvec(stack, pointer)


def write(stack: tf.Tensor, pointer: tf.Tensor, attention: tf.Tensor) -> tf.Tensor:
    """A (1 - p) + a p: the stack with `attention` in the place that the pointer points at.

    Args:
        stack: A, [batch, positions, stack_len].
        pointer: p, [batch, stack_len].
        attention: a, [batch, positions].

    Returns:
        The new stack, [batch, positions, stack_len].
    """
    pointer = pointer[:, tf.newaxis, :]  # [batch, 1, stack_len]
    return stack * (1.0 - pointer) + attention[:, :, tf.newaxis] * pointer


def move_up(pointer: tf.Tensor, saturate: bool = True) -> tf.Tensor:
    """fw(p)_i = p_(i-1). At the top, mass stays (`saturate`) or falls off (Stack-NMN's default).

    Args:
        pointer: p, [batch, stack_len].
        saturate: mass stays.

    Returns:
        [batch, stack_len].
    """
    kept = pointer[:, -1:] if saturate else tf.zeros_like(pointer[:, -1:])
    shifted = tf.concat([tf.zeros_like(pointer[:, :1]), pointer[:, :-1]], axis=-1)
    return shifted + tf.concat([tf.zeros_like(pointer[:, 1:]), kept], axis=-1)


def move_down(pointer: tf.Tensor, saturate: bool = True) -> tf.Tensor:
    """bw(p)_i = p_(i+1). At the bottom, mass stays (`saturate`) or falls off.

    Args, returns: see `move_up`.
    """
    return tf.reverse(move_up(tf.reverse(pointer, [-1]), saturate), [-1])


def sharpen(pointer: tf.Tensor, temperature: float) -> tf.Tensor:
    """softmax(p / temperature), [batch, stack_len] (Algorithm 1; the authors' code uses 0.2)."""
    return tf.nn.softmax(pointer / temperature, axis=-1)


def sharpen_hard(pointer: tf.Tensor) -> tf.Tensor:
    """The one-hot vector of the largest entry, [batch, stack_len]; no gradient passes (Stack-NMN)."""
    return tf.one_hot(tf.argmax(pointer, axis=-1), pointer.shape[-1], dtype=pointer.dtype)


def bottom_pointer(batch: tf.Tensor, stack_len: int, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """The pointer at the bottom slot, [batch, stack_len]."""
    return tf.one_hot(tf.zeros([batch], tf.int32), stack_len, dtype=dtype)


def validity(pops: Sequence[int], pushes: Sequence[int], stack_len: int) -> np.ndarray:
    """Where each module may run: 1 if the stack holds enough to pop and has room to push, else 0.

    A pointer at slot l says that l maps are on the stack: the first push goes to slot 1 (Hu et al., 2018).

    Args:
        pops, pushes: of each module.
        stack_len: L.

    Returns:
        float32 [stack_len, modules].
    """
    matrix = np.zeros([stack_len, len(pops)], np.float32)
    for module, (popped, pushed) in enumerate(zip(pops, pushes)):
        matrix[popped : stack_len + popped - pushed, module] = 1.0
    return matrix
