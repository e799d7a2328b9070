"""`--mode=extract_features`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lnmn_tf.config.data import DataConfig
from lnmn_tf.config.features import FeaturesConfig, features_path
from lnmn_tf.config.parts import parts_of


def extract_features(command, choices: Mapping[str, Any]) -> None:
    """The mode: `command.split`, and the flags that were given."""
    extract_splits(choices, command.split)


def extract_splits(choices: Mapping[str, Any], split: str = "") -> list[str]:
    """Writes the features of the pictures of a split, or goes on where that was stopped.

    Args:
        choices: fields that were given, by name: those of `FeaturesConfig`, `data_dir`, `features`
            (the file, with {split} in its name), and `image_height` and `image_width` (what
            pictures are scaled to).
        split: name of the folder of pictures; "" takes the training and the validation split.

    Returns:
        The files.

    Raises:
        InputError: see `Backbone` and `extract`.
    """
    from lnmn_tf.features.backbone import Backbone  # TensorFlow: not before it is needed
    from lnmn_tf.features.extraction import extract

    names = {"data_dir", "features", "train_split", "val_split"}
    data = DataConfig(**{name: value for name, value in choices.items() if name in names})
    options = FeaturesConfig.create(choices)
    size = (choices.get("image_height", 0), choices.get("image_width", 0))
    backbone = Backbone(
        options.backbone,
        options.backbone_layer,
        size,
        options.preprocessing,
        options.backbone_weights,
    )
    print(f"features of {backbone.identity}")
    name = f"{options.backbone}_{backbone.identity.layer}"
    files = []
    wanted = [split] if split else [data.train_split, data.val_split]
    for part in dict.fromkeys(part for name in wanted for part in parts_of(name)):
        path = features_path(data.features, data.data_dir, name, part)
        extract(backbone, data.data_dir, part, path, dtype=options.features_dtype)
        files.append(path)
    pattern = features_path(data.features, data.data_dir, name, "{split}")
    print(
        f"next: python -m lnmn_tf.main --mode=train --data_dir={data.data_dir} --features='{pattern}'"
    )
    return files
