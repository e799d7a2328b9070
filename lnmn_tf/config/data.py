"""Where a run's questions and images come from."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.option import option, validate
from lnmn_tf.errors import InputError


@dataclass(frozen=True)
class DataConfig:
    """Folder, splits and limits."""

    data_dir: str = option(
        "data/quickstart",
        "A folder of CLEVR's form (images/, questions/).",
        may_change=True,
    )
    train_split: str = option("train", "The split that is trained on.")
    val_split: str = option("val", "The split that is reported, and never trained on.")
    features: str = option(
        "",
        "HDF5 file of image features, [N,C,H,W] or [N,H,W,C], with {split} in its name for the "
        "split. Empty = pixels.",
        may_change=True,
    )
    max_train_questions: int = option(
        0, "Only the first so many training questions; 0 = all.", minimum=0
    )
    max_val_questions: int = option(
        0, "Only the first so many questions of an evaluation; 0 = all.", minimum=0, may_change=True
    )
    cache_mb: int = option(
        512,
        "Images of a split up to this size, in MiB as stored, are kept in memory; of more, a window "
        "at a time.",
        minimum=0,
    )
    window_mb: int = option(
        128,
        "Size of a window, in MiB: its questions are shuffled together. Two are in memory at a time.",
        minimum=1,
    )
    structure_split: str = option(
        "held_out",
        "Where structure batches come from: a held-out part of the training split, or --val_split "
        "as in the paper.",
        choices=("held_out", "val"),
    )
    structure_fraction: float = option(
        0.1, "Share of the training images that is held out.", above=0, below=1
    )
    max_hops: int = option(
        -1, "Train only on questions of at most so many hops between objects; -1 = all.", minimum=-1
    )

    def __post_init__(self):
        validate(self)
        for name in ("data_dir", "train_split", "val_split"):
            if not getattr(self, name):
                raise InputError(f"--{name} is empty")
        if not self.train_split.startswith("train"):
            raise InputError(
                f"--train_split is {self.train_split!r}; expected a name that begins with 'train'"
            )
        if self.val_split == self.train_split:
            raise InputError(
                f"--val_split is {self.val_split!r}, the split that is trained on; expected another"
            )
        if self.features and "{split}" not in self.features:
            raise InputError(
                f"--features is {self.features!r}; expected {{split}} in it, as in "
                "'features_{split}.h5'"
            )
