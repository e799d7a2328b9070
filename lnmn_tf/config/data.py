"""Where a run's questions and images come from."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.option import option, validate
from lnmn_tf.config.parts import check_limit, parse_mix, parts_of
from lnmn_tf.errors import InputError


@dataclass(frozen=True)
class DataConfig:
    """Folder, splits and limits."""

    data_dir: str = option(
        "data/quickstart",
        "A folder of CLEVR's form (images/, questions/).",
        may_change=True,
    )
    data_format: str = option(
        "clevr",
        "Of the questions: CLEVR's (CoGenT, CLOSURE, CLEVR-Humans), or VQA's.",
        choices=("clevr", "vqa_v1", "vqa_v2"),
    )
    questions_file: str = option(
        "",
        "JSON of questions in the place of questions/CLEVR_{split}_questions.json, with {split} in its "
        "name for the split: CLEVR-Humans, CLOSURE.",
        may_change=True,
    )
    train_split: str = option("train", "The split that is trained on.")
    val_split: str = option(
        "val",
        "The split that is reported. It is never trained on, unless --train_split is VQA's trainval2014, "
        "which holds val2014.",
    )
    features: str = option(
        "",
        "HDF5 file of image features, [N,C,H,W] or [N,H,W,C], with {split} in its name for the "
        "split. Empty = pixels.",
        may_change=True,
    )
    max_train_questions: int = option(
        0,
        "Only the first so many training questions; 0 = all, for --limit_images keeps the questions of a "
        "picture together.",
        minimum=0,
        flag=False,
    )
    max_val_questions: int = option(
        0, "Only the first so many questions of an evaluation; 0 = all.", minimum=0, may_change=True
    )
    fresh_questions: bool = option(
        False, "In every epoch, new questions about the embedded world's training pictures."
    )
    limit_images: str = option(
        "",
        "Train only on the questions about some of the images, drawn with --seed: a share as in 10%, or "
        "a number; empty = all.",
    )
    mix: str = option(
        "",
        "FOLDER:SHARE mixes questions of a CLEVR folder about the same pictures into the training "
        "questions, until they are this share of all.",
    )
    min_word_count: int = option(
        1, "Words that training questions have less often become <unk>.", minimum=1
    )
    max_answers: int = option(
        3000,
        "VQA: the model knows so many answers, those given most often; Hu et al. have 3,000.",
        minimum=1,
        flag=False,
    )
    vqa_rules: str = option(
        "official",
        "VQA: how answers are compared: as the program of the data set's authors does it, or as its "
        "description says. Published figures are the program's.",
        choices=("official", "strict"),
        may_change=True,
        flag=False,
    )
    cache_mb: int = option(
        512,
        "Images of a split up to this size, in MiB as stored, are kept in memory; of more, a window "
        "at a time.",
        minimum=0,
    )
    window_mb: int = option(
        128,
        "Size of a window, in MiB: its questions are shuffled together. Two are in memory at a time, and "
        "small beside --cache_mb; each mixes some thousand pictures.",
        minimum=1,
        flag=False,
    )
    structure_split: str = option(
        "held_out",
        "Where structure batches come from: a held-out part of the training split, or --val_split "
        "as in the paper.",
        choices=("held_out", "val"),
    )
    structure_fraction: float = option(
        0.1,
        "Share of the training images that is held out; the structure has few parameters to learn.",
        above=0,
        below=1,
        flag=False,
    )
    max_hops: int = option(
        -1,
        "Train only on questions of at most so many hops between objects; -1 = all. All are reported.",
        minimum=-1,
        flag=False,
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
        if self.trains_on_val and self.structure_split == "val":
            raise InputError(
                f"--structure_split is 'val' and --train_split is {self.train_split!r}, which has "
                f"{self.val_split} in it; expected held_out, for the structure is learned on questions "
                "that the weights do not see"
            )
        for name, example in (
            ("features", "features_{split}.h5"),
            ("questions_file", "CLEVR-Humans-{split}.json"),
        ):
            path = getattr(self, name)
            if path and "{split}" not in path:
                raise InputError(
                    f"--{name} is {path!r}; expected {{split}} in it, as in {example!r}"
                )
        if self.mix:
            parse_mix(self.mix)
        if self.limit_images:
            check_limit(self.limit_images)
        for name in ("questions_file", "mix"):
            if self.is_vqa and getattr(self, name):
                raise InputError(
                    f"--{name} is {getattr(self, name)!r} and --data_format is {self.data_format!r}; "
                    "expected it empty, for VQA has files of its own"
                )

    @property
    def is_vqa(self) -> bool:
        """Questions have ten answers each, and the official accuracy."""
        return self.data_format.startswith("vqa")

    def folders_of(self, split: str) -> tuple[str, ...]:
        """The folders of a split's pictures, and their names in --features.

        VQA's test-dev2015 asks about pictures of test2015, and trainval2014 about those of two splits.
        """
        return parts_of(split.replace("-dev", "")) if self.is_vqa else (split,)

    @property
    def trains_on_val(self) -> bool:
        """The reported split is part of the one that is trained on, as trainval2014 holds val2014."""
        return self.is_vqa and self.val_split in parts_of(self.train_split)
