"""The network that features come from, for extraction and for an export that begins with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lnmn_tf.config.option import option, validate
from lnmn_tf.errors import InputError

BACKBONES = ("efficientnet_lite0", "resnet101", "resnet152")  # of lnmn_tf.features.registry
PREPROCESSINGS = ("", "lite", "keras", "torchvision")


@dataclass(frozen=True)
class FeaturesConfig:
    """Not part of a run: a run that reads features keeps their identity."""

    backbone: str = option(
        "efficientnet_lite0",
        "The network that makes features of pictures.",
        choices=BACKBONES,
        flag="backbone",
    )
    backbone_layer: str = option(
        "",
        "The layer whose output they are: reduction8, reduction16 or reduction32 of "
        "efficientnet_lite0; conv3, conv4, conv5 or conv5_pool2 (the mean over 2x2 places) of a ResNet. Empty = reduction16, conv4 of "
        "resnet101, conv5 of resnet152.",
        flag="backbone",
    )
    backbone_weights: str = option(
        "",
        "File of the network's weights: a PyTorch archive (.pth), an npz file of the same arrays, or, "
        "for a ResNet of the preprocessing keras, a file of keras.applications without its top. Empty = "
        "the network's usual ones.",
    )
    preprocessing: str = option(
        "",
        "What is done to pixels; it belongs to the weights. lite; keras (blue first, minus means) or "
        "torchvision (mean and deviation, bicubic) for a ResNet of that origin. Empty = lite or keras.",
        choices=PREPROCESSINGS,
        flag="backbone",
    )
    features_dtype: str = option(
        "float32",
        "extract_features: the type that features are stored in; float16 is half as large.",
        choices=("float32", "float16"),
    )

    def __post_init__(self):
        validate(self)

    @classmethod
    def create(cls, choices: Mapping[str, Any]) -> FeaturesConfig:
        """Takes what it knows of the flags that were given, by name."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in choices.items() if name in names})


def features_path(pattern: str, data_dir: str, name: str, split: str) -> str:
    """The file of a split's features.

    Args:
        pattern: `--features`, with {split} in it; "" is a name in the data's own folder.
        data_dir: that folder.
        name: of the features, for such a name.
        split: its name.
    """
    pattern = pattern or f"{data_dir}/features/{name}_{{split}}.h5"
    if "{split}" not in pattern:
        raise InputError(f"--features is {pattern!r}; expected {{split}} in it")
    return pattern.replace("{split}", split)
