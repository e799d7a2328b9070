"""From a picture to what a network was trained on. The preprocessing belongs to the weights.

lite         (rgb - 127) / 128: EfficientNet-Lite's official program
torchvision  (rgb / 255 - mean) / deviation, scaled bicubically: the authors' features of ResNet
keras        bgr - mean: the ResNet of keras.applications
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Preprocessing:
    """(pixels[order] - mean) / deviation, for pixels in [0, 255] that were scaled by `resize`.

    Args:
        mean, deviation: of the three channels in `order`.
        order: "rgb" or "bgr".
        resize: "bilinear" or "bicubic", both with antialiasing.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    order: str = "rgb"
    resize: str = "bilinear"

    def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
        """RGB in [0, 255], [batch, height, width, 3] -> float32, what the network reads."""
        pixels = tf.cast(pixels, tf.float32)
        if self.order == "bgr":
            pixels = tf.reverse(pixels, axis=[-1])
        return (pixels - tf.constant(self.mean)) / tf.constant(self.deviation)


_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
PREPROCESSINGS = {
    "lite": Preprocessing((127.0,) * 3, (128.0,) * 3),
    "torchvision": Preprocessing(
        tuple(255 * x for x in _IMAGENET_MEAN),
        tuple(255 * x for x in _IMAGENET_DEVIATION),
        resize="bicubic",
    ),
    "keras": Preprocessing((103.939, 116.779, 123.68), (1.0,) * 3, order="bgr"),
}
