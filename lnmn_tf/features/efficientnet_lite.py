"""EfficientNet-Lite0: the mobile network of Tan and Le (2019) without squeeze-and-excitation.

    stem 3x3 / 2 -> seven stages of inverted bottlenecks -> head 1x1 -> mean over space -> 1000 classes

An inverted bottleneck widens its channels (1x1), convolves each by itself (k x k), and narrows them
again (1x1, linear); where shapes allow, its input is added. All non-linearities are ReLU6. Widths and
depths are those of EfficientNet-B0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from tensorflow import keras

from lnmn_tf.features.convolution import Arrays, folded, set_weights

CLASSES = 1000
STEM, HEAD = 32, 1280  # channels
_EPSILON = 1e-3  # of the batch normalisations


class Stage(NamedTuple):
    """Bottlenecks in a row; the first has the stride, and changes the number of channels."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
# The last map of each size, of 40, 112 and 320 channels.
LAYERS = {"reduction8": 2, "reduction16": 4, "reduction32": 6}  # name: its stage


def build(layer: str | None = None) -> keras.Model:
    """The network, its weights random.

    Args:
        layer: one of `LAYERS`, where it ends; None for the whole of it, up to the logits.

    Returns:
        A model of float32 [batch, height, width, 3], preprocessed, of any height and width.
    """
    last = None if layer is None else LAYERS[layer]
    inputs = keras.Input([None, None, 3])
    x = _relu6(keras.layers.Conv2D(STEM, 3, 2, "same", name="conv_stem")(inputs))
    block = 0
    for number, stage in enumerate(STAGES):
        for repeat in range(stage.repeats):
            x = _bottleneck(x, stage, stage.stride if repeat == 0 else 1, f"blocks.{block}")
            block += 1
        if number == last:
            return keras.Model(inputs, x, name=layer)
    x = _relu6(keras.layers.Conv2D(HEAD, 1, name="conv_head")(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="fc")(x), name="logits")


def load(network: keras.Model, arrays: Arrays, where: str) -> None:
    """Gives a network of `build` the weights of a PyTorch state dict.

    Args:
        network: what `build` returned.
        arrays: named as in the package `efficientnet_lite_pytorch`: "_blocks.0._bn1.weight".
        where: the file, for messages.

    Raises:
        InputError: an array is missing or has another shape.
    """
    set_weights(network, lambda name: _weights(name, arrays), where, "EfficientNet-Lite0")


def _weights(name: str, arrays: Arrays) -> list[np.ndarray]:
    if name == "fc":
        return [arrays["_fc.weight"].T, arrays["_fc.bias"]]
    block, _, part = name.rpartition(".")
    # A block's normalisations are numbered; without a widening convolution the first is left out.
    number = {"conv_stem": 0, "conv_head": 1, "expand_conv": 0, "depthwise_conv": 1}.get(part, 2)
    prefix = f"_{block}." if block else ""
    return folded(
        arrays,
        f"{prefix}_{part}",
        f"{prefix}_bn{number}",
        _EPSILON,
        depthwise=part == "depthwise_conv",
    )


def _bottleneck(x, stage: Stage, stride: int, name: str):
    """[batch, height, width, in] -> [batch, height / stride, width / stride, stage.channels]."""
    inputs, channels = x, x.shape[-1]
    if stage.expansion > 1:
        x = _relu6(
            keras.layers.Conv2D(channels * stage.expansion, 1, name=f"{name}.expand_conv")(x)
        )
    depthwise = keras.layers.DepthwiseConv2D(
        stage.kernel, stride, "same", name=f"{name}.depthwise_conv"
    )
    x = _relu6(depthwise(x))
    x = keras.layers.Conv2D(stage.channels, 1, name=f"{name}.project_conv")(x)
    same_shape = stride == 1 and channels == stage.channels
    return keras.layers.Add()([x, inputs]) if same_shape else x


def _relu6(x):
    return keras.layers.ReLU(6.0)(x)
