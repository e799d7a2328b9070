"""A frozen network with all that belongs to it: from pictures to features."""

from __future__ import annotations

import math

import tensorflow as tf

from lnmn_tf.data.feature_manifest import FeatureIdentity
from lnmn_tf.errors import InputError
from lnmn_tf.features.preprocessing import PREPROCESSINGS
from lnmn_tf.features.registry import kind_of
from lnmn_tf.features.weights import digest_of


class Backbone:
    """RGB pictures in [0, 255] to the features of one layer of a network.

    Args:
        name: in the registry.
        layer: the layer that they are taken from; "" takes the network's usual one.
        image_size: (rows, columns) that pictures are scaled to; (0, 0) takes the size that the network
            was trained on.
        preprocessing: by name; "" takes the network's usual one.
        weights: a file; "" takes the network's usual ones.

    Attributes:
        network: the Keras model of preprocessed pictures.
        image_shape: (rows, columns).
        resize: how pictures are scaled to it, "bilinear" or "bicubic".
        feature_shape: (height, width, channels) of its features.
        identity: what it is, for the files it makes and the models that read them.

    Raises:
        InputError: an unknown name, layer or preprocessing, a size too small for a map of 1x1, or
            weights that are missing or of another network.
    """

    def __init__(
        self,
        name: str,
        layer: str = "",
        image_size: tuple[int, int] = (0, 0),
        preprocessing: str = "",
        weights: str = "",
    ):
        kind = kind_of(name)
        layer = _chosen("backbone_layer", layer, kind.layers, name)
        preprocessing = _chosen("preprocessing", preprocessing, kind.preprocessings, name)
        rows, columns = image_size if any(image_size) else kind.image_size
        if min(rows, columns) < 1:
            raise InputError(f"--image_size is {columns}x{rows}; expected neither to be 0, or both")
        self.network = kind.make(layer, weights, preprocessing)
        self.network.trainable = False
        self.image_shape = (rows, columns)
        self._preprocess = PREPROCESSINGS[preprocessing]
        self.resize = self._preprocess.resize
        self.feature_shape = tuple(self.network.compute_output_shape([1, rows, columns, 3])[1:])
        self.identity = FeatureIdentity(
            backbone=name,
            layer=layer,
            image_size=f"{rows}x{columns}",
            preprocessing=preprocessing,
            weights=digest_of(self.network.get_weights()),
        )

    def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
        """RGB in [0, 255], [batch, rows, columns, 3] -> float32 [batch, *feature_shape]."""
        return self.network(self._preprocess(pixels), training=False)

    @property
    def feature_bytes(self) -> int:
        """Bytes of one picture's features in float32."""
        return 4 * math.prod(self.feature_shape)


def _chosen(field: str, value: str, choices: tuple[str, ...], name: str) -> str:
    if value and value not in choices:
        raise InputError(
            f"{field} (--backbone) is {value!r} and backbone is {name!r}; expected one of: {', '.join(choices)}"
        )
    return value or choices[0]
