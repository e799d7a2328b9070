"""The networks that features may come from, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tensorflow import keras

from lnmn_tf.errors import InputError
from lnmn_tf.features import efficientnet_lite, resnet
from lnmn_tf.features.resnet import POOLED
from lnmn_tf.features.weights import lite0_weights


class BackboneKind(NamedTuple):
    """One entry.

    Args:
        layers: names of the layers whose output may be taken; the first is the default.
        image_size: (rows, columns) that it was trained on.
        preprocessings: those that fit its weights; the first is the default.
        make: (layer, file of weights or "", preprocessing) -> the network up to that layer, a model of
            preprocessed pictures.
    """

    layers: tuple[str, ...]
    image_size: tuple[int, int]
    preprocessings: tuple[str, ...]
    make: Callable[[str, str, str], keras.Model]


def _lite0(layer: str, weights: str, preprocessing: str) -> keras.Model:
    arrays, where = lite0_weights(weights)
    network = efficientnet_lite.build(layer)
    efficientnet_lite.load(network, arrays, where)
    return network


BACKBONES: Mapping[str, BackboneKind] = {
    "efficientnet_lite0": BackboneKind(
        ("reduction16", "reduction8", "reduction32"), (224, 224), ("lite",), _lite0
    ),
    "resnet101": BackboneKind(
        ("conv4", "conv5", "conv3", f"conv5{POOLED}"),
        (224, 224),
        ("keras", "torchvision"),
        resnet.maker(101),
    ),
    "resnet152": BackboneKind(
        ("conv5", "conv4", "conv3", f"conv5{POOLED}"),
        (448, 448),
        ("keras", "torchvision"),
        resnet.maker(152),
    ),
}


def kind_of(name: str) -> BackboneKind:
    """An entry of the registry.

    Raises:
        InputError: no such entry.
    """
    if name not in BACKBONES:
        raise InputError(f"--backbone is {name!r}; expected one of: {', '.join(BACKBONES)}")
    return BACKBONES[name]
