"""What a served model refuses, in words: an InvalidArgument error of the graph."""

from __future__ import annotations

import tensorflow as tf


def checked(tensor: tf.Tensor, holds: tf.Tensor, message: str, *values: tf.Tensor) -> tf.Tensor:
    """A tensor that nothing reads before a condition holds; where it does not, the request ends.

    Args:
        tensor: any.
        holds: bool [].
        message: the text of the INVALID_ARGUMENT error, with `{}` for each of `values`.
        values: scalars.
    """
    text = tf.strings.format(message, values)
    with tf.control_dependencies([tf.debugging.Assert(holds, [text])]):
        return tf.identity(tensor)


def checked_each(tensor: tf.Tensor, hold: tf.Tensor, message: str) -> tf.Tensor:
    """`checked` for each example of a batch that is not empty.

    Args:
        tensor: any.
        hold: bool [batch].
        message: with `{}` for the position in the batch of the first example that fails.
    """
    first = tf.argmin(tf.cast(hold, tf.int32))
    return checked(tensor, tf.reduce_all(hold), message, first)
