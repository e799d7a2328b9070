"""Convolutions of a frozen network, each with its batch normalisation folded in.

A frozen normalisation is linear: `gamma (conv(x) - mean) / sqrt(variance + epsilon) + beta`, so it is
a factor of the kernel and a bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from tensorflow import keras

from lnmn_tf.errors import InputError

Arrays = Mapping[str, np.ndarray]


def folded(
    arrays: Arrays, convolution: str, normalisation: str, epsilon: float, depthwise: bool = False
) -> list[np.ndarray]:
    """Kernel and bias of a convolution and the normalisation after it, as Keras keeps them.

    Args:
        arrays: a PyTorch state dict: "<convolution>.weight" [out, in, rows, columns], and the weight,
            bias, running_mean and running_var [out] of "<normalisation>".
        convolution, normalisation: their names.
        epsilon: of the normalisation.
        depthwise: whether the kernel is [out, 1, rows, columns], one for each channel.

    Returns:
        [kernel [rows, columns, in, out] (depthwise: [rows, columns, out, 1]), bias [out]], float32.

    Raises:
        KeyError: an array is missing.
        ValueError: arrays of shapes that do not fit each other.
    """
    kernel = _take(arrays, f"{convolution}.weight")
    gamma, beta, mean, variance = (
        _take(arrays, f"{normalisation}.{name}")
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + epsilon)
    kernel = kernel * scale[:, None, None, None]
    axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
    return [kernel.transpose(axes).astype(np.float32), (beta - mean * scale).astype(np.float32)]


def set_weights(
    network: keras.Model, weights_of: Callable[[str], list[np.ndarray]], where: str, whose: str
) -> None:
    """Gives each layer of a network its weights.

    Args:
        network: its layers named so that `weights_of` knows them.
        weights_of: the weights of a layer, by its name.
        where: the file they are from, for messages.
        whose: the network that the file should hold.

    Raises:
        InputError: an array is missing or has another shape.
    """
    for layer in network.layers:
        if not layer.weights:
            continue
        try:
            weights = weights_of(layer.name)
        except KeyError as error:
            raise InputError(
                f"{where}: has no array {error}; expected the weights of {whose}"
            ) from None
        except ValueError as error:
            raise InputError(
                f"{where}: the arrays of {layer.name} do not fit each other ({error}); expected the "
                f"weights of {whose}"
            ) from None
        wanted, found = ([list(w.shape) for w in some] for some in (layer.weights, weights))
        if wanted != found:
            raise InputError(
                f"{where}: {layer.name} has the shapes {found}; expected {wanted}, as {whose} has"
            )
        layer.set_weights(weights)


def _take(arrays: Arrays, name: str) -> np.ndarray:
    return arrays[name].astype(np.float64)
