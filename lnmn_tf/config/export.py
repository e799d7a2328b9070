"""What an exported model is made of beside the run's own config."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lnmn_tf.config.features import FeaturesConfig
from lnmn_tf.config.option import option, validate
from lnmn_tf.errors import InputError


@dataclass(frozen=True)
class ExportConfig:
    """Not part of a run: the same run may be exported in several ways."""

    export: bool = option(False, "train: export the run at its end.")
    export_dir: str = option(
        "", "Folder of the exported versions 1, 2, ...; empty = <run_dir>/export."
    )
    port: int = option(
        8501, "serve: port on 127.0.0.1; 0 = any free one.", minimum=0, maximum=65535
    )
    allowed_host: tuple[str, ...] = option(
        (),
        "serve: other names that the page may be asked under, host:port as the browser shows them, such "
        "as localhost:9000 behind a port forward.",
    )
    export_jit: bool = option(
        False,
        "Compile the network by XLA for each new shape; stock TF Serving may refuse it.",
        flag=False,
    )
    export_dtype: str = option(
        "float32",
        "The type that weights are stored in; all computation is in float32, which loses nothing.",
        choices=("float32", "bfloat16", "float16"),
        flag=False,
    )
    export_features_dtype: str = option(
        "float32",
        "The type of the features in a request, for a model of features; float16 is half as many bytes, "
        "and gRPC's alone: JSON has no such numbers.",
        choices=("float32", "float16"),
        flag=False,
    )
    with_backbone: bool = option(
        False,
        "Put the network that the features came from in front of a model of features, so that it "
        "answers about pictures.",
    )
    features: FeaturesConfig = option(FeaturesConfig(), flag=False)

    def __post_init__(self):
        validate(self)
        if self.features.backbone_weights and not self.with_backbone:
            raise InputError(
                f"--backbone_weights is {self.features.backbone_weights!r} without --with_backbone; "
                "expected both, or neither"
            )
        if self.with_backbone and self.export_features_dtype != "float32":
            raise InputError(
                f"export_features_dtype is {self.export_features_dtype!r} with --with_backbone, whose "
                "requests have pictures and no features; expected one of the two"
            )

    @classmethod
    def create(cls, choices: Mapping[str, Any]) -> ExportConfig:
        """Takes what it knows of the flags that were given, by name.

        Raises:
            InputError: a wrong value, or several seeds, of which there is no one run to export.
        """
        if choices.get("export") and choices.get("num_seeds", 1) > 1:
            raise InputError(
                f"--export is given and --num_seeds is {choices['num_seeds']}; expected one seed, or "
                "--mode=export with the --run_dir of one of them"
            )
        names = {field.name for field in dataclasses.fields(cls)} - {"features"}
        given = {name: value for name, value in choices.items() if name in names}
        return cls(**given, features=FeaturesConfig.create(choices))
