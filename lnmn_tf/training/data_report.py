"""The modes that look at data: `inspect` says what is there, `verify` what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lnmn_tf.config import RunConfig
from lnmn_tf.config.parts import parts_of
from lnmn_tf.data.clevr import questions_path
from lnmn_tf.data.inspection import describe
from lnmn_tf.data.verification import verify_split
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.data.vqa_files import files_of
from lnmn_tf.errors import InputError
from lnmn_tf.training.reading import read_split


def inspect(command: SimpleNamespace, choices: dict[str, Any]) -> None:
    """Prints sizes, lengths, answers by family, vocabulary and samples of the splits."""
    config = _config(choices)
    train = read_split(config, config.data.train_split, require_images=False)
    vocabulary = train.vocabulary
    splits = {}
    for split in _splits(config, command.split):
        same = split == config.data.train_split
        splits[split] = (
            train if same else read_split(config, split, vocabulary, require_images=False)
        )
    print(describe(splits, vocabulary))


def verify(command: SimpleNamespace, choices: dict[str, Any]) -> None:
    """Prints every problem of the splits, one a line.

    Raises:
        InputError: there is one.
    """
    config = _config(choices)
    found = {}
    splits = [part for split in _splits(config, command.split) for part in parts_of(split)]
    for split in dict.fromkeys(splits):
        verified = verify_split(config.data, split, _answers_of_training(config, split), print)
        print(f"{split}: {verified}", flush=True)
        found[split] = verified.problems
    if sum(found.values()):
        counts = ", ".join(f"{count} in {split}" for split, count in found.items())
        raise InputError(f"{config.data.data_dir}: has problems ({counts}); they are listed above")


def _config(choices: dict[str, Any]) -> RunConfig:
    size = {} if choices.get("features") else {"image_height": 1, "image_width": 1}
    return RunConfig.create({**size, **choices})


def _splits(config: RunConfig, wanted: str) -> list[str]:
    """The split that is asked for, or those of training and validation, and the test split if there."""
    data = config.data
    if wanted:
        return [wanted]
    return [
        data.train_split,
        data.val_split,
        *(s for s in ("test", "test2015") if _exists(config, s)),
    ]


def _exists(config: RunConfig, split: str) -> bool:
    data = config.data
    if data.questions_file:
        return Path(data.questions_file.replace("{split}", split)).is_file()
    try:
        if data.is_vqa:
            files_of(data.data_dir, split, int(data.data_format[-1]))
        else:
            questions_path(data.data_dir, split)
    except InputError:
        return False
    return True


def _answers_of_training(config: RunConfig, split: str) -> Vocabulary | None:
    """The vocabulary that a split is held against; None for the training split, or where that is wrong."""
    if config.data.is_vqa or split == config.data.train_split:
        return None
    try:
        return read_split(config, config.data.train_split, require_images=False).vocabulary
    except InputError:
        return None
