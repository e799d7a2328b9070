"""Encoded pictures to pixels inside the graph, as `lnmn_tf.data.pixels` makes them.

PIL scales in two passes, columns and then rows, each with a filter (a triangle, or a cubic) as wide as
the scale, and rounds to whole levels after each; `tf.image.resize` has the same filters and rounds
nowhere. So two calls of it, each rounded, give PIL's pixels but for one in two hundred: where a sum falls
on a half, PIL's fixed-point numbers may round the other way, to the next level.
"""

from __future__ import annotations

import tensorflow as tf

from lnmn_tf.data.pixels import MAX_PIXELS, MAX_SIDE

from .checks import checked

_AT_A_TIME = 4  # pictures decoded side by side
_HEADER_BYTES = 24  # of a PNG, up to its size; no JPEG is shorter
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


def read_pictures(
    content: tf.Tensor, height: int, width: int, method: str = "bilinear"
) -> tf.Tensor:
    """PNG and JPEG files of any size -> float32 [batch, height, width, 3] in [0, 255].

    Args:
        content: string [batch], the bytes of the files.
        height, width: what each is scaled to, whatever its aspect ratio.
        method: "bilinear" or "bicubic".
    """
    return tf.map_fn(
        lambda numbered: _scale(_decode(*numbered), height, width, method),
        (tf.range(tf.size(content)), content),
        fn_output_signature=tf.TensorSpec([height, width, 3], tf.float32),
        parallel_iterations=_AT_A_TIME,
    )


def _decode(number: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """The pixels of one picture, uint8 [rows, columns, 3]; transparency is dropped."""
    is_png = tf.equal(tf.strings.substr(content, 0, len(_PNG)), _PNG)
    is_jpeg = tf.equal(tf.strings.substr(content, 0, len(_JPEG)), _JPEG)
    length = tf.strings.length(content)
    content = checked(
        content,
        (is_png | is_jpeg) & (length >= _HEADER_BYTES),
        "image {} is not a picture: expected the bytes of a PNG or JPEG file, found {} others",
        number,
        length,
    )
    size = tf.cond(is_png, lambda: _png_size(content), lambda: _jpeg_size(content))
    rows, columns = tf.unstack(tf.cast(size, tf.int64), 2)
    content = checked(
        content,
        (tf.minimum(rows, columns) >= 1)
        & (tf.maximum(rows, columns) <= MAX_SIDE)
        & (rows * columns <= MAX_PIXELS),
        f"image {{}} has {{}} rows and {{}} columns; expected 1 to {MAX_SIDE} of each, and at most "
        f"{MAX_PIXELS} pixels",
        number,
        rows,
        columns,
    )
    return tf.cond(
        is_png,
        lambda: tf.io.decode_png(content, channels=3),
        lambda: tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE"),
    )


def _png_size(content: tf.Tensor) -> tf.Tensor:
    """[rows, columns]: width and height stand in bytes 16 to 23, the most significant first."""
    return tf.io.decode_raw(tf.strings.substr(content, 16, 8), tf.int32, little_endian=False)[::-1]


def _jpeg_size(content: tf.Tensor) -> tf.Tensor:
    """[rows, columns]."""
    return tf.io.extract_jpeg_shape(content)[:2]


def _scale(pixels: tf.Tensor, height: int, width: int, method: str) -> tf.Tensor:
    """uint8 [rows, columns, 3] -> whole numbers, float32 [height, width, 3]."""
    for size in ([tf.shape(pixels)[0], width], [height, width]):
        pixels = tf.image.resize(pixels, size, method, antialias=True)
        pixels = tf.clip_by_value(tf.floor(pixels + 0.5), 0.0, 255.0)  # bicubic overshoots
    return pixels
