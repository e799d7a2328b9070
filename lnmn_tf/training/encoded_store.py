"""Features that a frozen image encoder makes of pictures, once."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from lnmn_tf.data.image_store import ImageStore
from lnmn_tf.layers.encoders import ImageEncoder
from lnmn_tf.progress import Stage

_BATCH = 64


class EncodedStore(ImageStore):
    """The pictures of another store as float16 features in memory.

    Args:
        pixels: the pictures.
        encoder: whose features these are; it must not change afterwards.
    """

    key = "features"
    dtype = np.dtype(np.float16)
    in_memory = True

    def __init__(self, pixels: ImageStore, encoder: ImageEncoder):
        signature = [tf.TensorSpec([None, *pixels.shape], tf.float32)]
        encode = tf.function(encoder, input_signature=signature)
        parts = []
        with Stage("encode pictures", len(pixels), "pictures") as stage:
            for first in range(0, len(pixels), _BATCH):
                rows = np.arange(first, min(first + _BATCH, len(pixels)))
                images = tf.cast(pixels.read(rows), tf.float32) / 255.0
                parts.append(encode(images).numpy().astype(np.float16))
                stage.update(len(rows))
        self._features = np.concatenate(parts)
        self.shape = self._features.shape[1:]

    def __len__(self) -> int:
        return len(self._features)

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self._features[indices]
