"""ResNet-101 and ResNet-152 up to a layer, in two forms that differ in more than their weights.

    keras        `keras.applications`: the stride is in a block's first convolution, which has a bias
    torchvision  the stride is in a block's second convolution; the authors' features came from it

He et al. (2016), "Deep residual learning for image recognition". The preprocessing of each form goes
with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tensorflow import keras

from lnmn_tf.errors import InputError
from lnmn_tf.features.convolution import folded, set_weights
from lnmn_tf.features.weights import read_arrays

BLOCKS = {101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}  # of conv2, conv3, conv4 and conv5
_KERAS = {101: keras.applications.ResNet101, 152: keras.applications.ResNet152}
_NARROW = (64, 128, 256, 512)  # channels inside a block of each; its output has four times as many
POOLED = "_pool2"  # after a layer's name: the mean over each 2x2 places (Hu et al., 2018, on VQA)
_EPSILON = 1e-5  # of torchvision's batch normalisations


def maker(depth: int) -> Callable[[str, str, str], keras.Model]:
    """The function that makes ResNet-`depth`; see `registry.BackboneKind.make`."""

    def make(layer: str, weights: str, preprocessing: str) -> keras.Model:
        block, pooled, _ = layer.partition(POOLED)
        network = (_torchvision if preprocessing == "torchvision" else _keras)(
            depth, block, weights
        )
        if not pooled:
            return network
        means = keras.layers.AveragePooling2D(2, name=layer)(network.output)
        return keras.Model(network.input, means, name=layer)

    return make


def _keras(depth: int, layer: str, weights: str) -> keras.Model:
    if weights and not Path(weights).is_file():
        raise InputError(f"--backbone_weights is {weights!r}; there is no such file")
    try:
        whole = _KERAS[depth](include_top=False, weights=weights or "imagenet")
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{weights or '--backbone_weights is empty'}: holds no weights of keras.applications."
            f"ResNet{depth} without its top: {reason}"
            if weights
            else f"--backbone_weights is empty, and the weights of keras.applications.ResNet{depth} "
            f"cannot be fetched: {reason}"
        ) from None
    number = int(layer[len("conv") :])
    output = whole.get_layer(f"{layer}_block{BLOCKS[depth][number - 2]}_out").output
    return keras.Model(whole.input, output, name=layer)


def _torchvision(depth: int, layer: str, weights: str) -> keras.Model:
    if not weights:
        raise InputError(
            "preprocessing (--backbone) is 'torchvision' and --backbone_weights is empty; expected "
            f"torchvision's file of ResNet-{depth}"
        )
    arrays = read_arrays(weights)
    network = build_torchvision(depth, layer)
    set_weights(
        network,
        lambda name: folded(arrays, name, _normalisation(name), _EPSILON),
        weights,
        f"torchvision's ResNet-{depth}",
    )
    return network


def build_torchvision(depth: int, layer: str) -> keras.Model:
    """torchvision's ResNet up to a layer, its weights random; normalisations are folded.

    Args:
        depth: 101 or 152.
        layer: "conv3", "conv4" or "conv5".
    """
    inputs = keras.Input([None, None, 3])
    x = _relu(_convolution(inputs, 64, 7, 2, "conv1"))
    x = keras.layers.MaxPool2D(3, 2)(keras.layers.ZeroPadding2D(1)(x))  # after a ReLU: 0 is least
    for number in range(int(layer[len("conv") :]) - 1):
        for block in range(BLOCKS[depth][number]):
            stride = 2 if number and not block else 1
            x = _block(x, _NARROW[number], stride, f"layer{number + 1}.{block}", not block)
    return keras.Model(inputs, x, name=layer)


def _normalisation(convolution: str) -> str:
    """The batch normalisation after a convolution."""
    if convolution.endswith("downsample.0"):
        return convolution[:-1] + "1"
    return convolution.replace("conv", "bn")


def _block(x, channels: int, stride: int, name: str, widens: bool):
    """A bottleneck: 1x1, 3x3 / stride, 1x1, and its input, which the first of a stage projects."""
    shortcut = x
    if widens:
        shortcut = _convolution(x, 4 * channels, 1, stride, f"{name}.downsample.0")
    x = _relu(_convolution(x, channels, 1, 1, f"{name}.conv1"))
    x = _relu(_convolution(x, channels, 3, stride, f"{name}.conv2"))
    x = _convolution(x, 4 * channels, 1, 1, f"{name}.conv3")
    return _relu(keras.layers.Add()([x, shortcut]))


def _convolution(x, channels: int, kernel: int, stride: int, name: str):
    """PyTorch pads both sides alike, where Keras' "same" pads the end more."""
    if kernel > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2)(x)
    return keras.layers.Conv2D(channels, kernel, stride, name=name)(x)


def _relu(x):
    return keras.layers.ReLU()(x)
