"""ResNet-101 up to conv4: pictures to the features [14, 14, 1024] that the paper's models read."""

from __future__ import annotations

import os
from pathlib import Path

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.errors import InputError

LAYER = "conv4_block23_out"


class Backbone:
    """The frozen network that the features of a run came from.

    Args:
        weights: a file that `keras.applications.ResNet101(include_top=False)` loads.
        feature_shape: (height, width, channels) that the run was trained on.

    Raises:
        InputError: no such file, weights of another network, or features of another shape.
    """

    image_shape = (224, 224)  # rows, columns

    def __init__(self, weights: str | os.PathLike, feature_shape: tuple[int, ...]):
        if not Path(weights).is_file():
            raise InputError(f"--backbone_weights is {str(weights)!r}; there is no such file")
        try:
            whole = keras.applications.ResNet101(
                include_top=False, weights=str(weights), input_shape=(*self.image_shape, 3)
            )
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"{weights}: holds no weights of keras.applications.ResNet101 without its top: {reason}"
            ) from None
        self.network = keras.Model(whole.input, whole.get_layer(LAYER).output)
        found = self.network.output_shape[1:]
        if found != tuple(feature_shape):
            raise InputError(
                f"--with_backbone makes features of the shape {list(found)}, but the run was trained "
                f"on {list(feature_shape)}; expected a run on ResNet-101's"
            )

    def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
        """RGB in [0, 255], float32 [batch, 224, 224, 3] -> [batch, 14, 14, 1024]."""
        inputs = keras.applications.resnet.preprocess_input(pixels)
        return self.network(inputs, training=False)
