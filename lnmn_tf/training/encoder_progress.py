"""Where the training of an image encoder is, so that it survives `kill -9` too.

    encoder/
      epoch_0003/         after three epochs; written under a temporary name, then renamed
        variables.*       the encoder and its optimizer
        state.json        the state of the order of pictures, and the loss

The folder is removed when the run is finished: its checkpoints hold the encoder.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

from lnmn_tf.errors import InputError, sentence
from lnmn_tf.files import read_json, write_json


class EncoderProgress:
    """The progress of an encoder's training in a run folder.

    Args:
        run_dir: the folder of the run.
        writes: False for the workers that only read.
    """

    def __init__(self, run_dir: str | os.PathLike, writes: bool = True):
        self.path, self.writes = Path(run_dir) / "encoder", writes

    def exists(self) -> bool:
        """Whether an epoch was finished."""
        return bool(self._folders())

    def save(
        self, encoder, optimizer, epochs: int, order: np.random.Generator, loss: float
    ) -> None:
        """Keeps what `restore` gives back, and removes what an earlier epoch kept.

        Raises:
            InputError: the disk is full; what the epoch before kept stays.
        """
        if not self.writes:
            return
        name, before = f"epoch_{epochs:04d}", self._folders()
        temporary = self.path / f".{name}.tmp"
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            _everything(encoder, optimizer).write(str(temporary / "variables"))
            state = {"order": order.bit_generator.state, "loss": loss}
            write_json(temporary / "state.json", state)
            os.replace(temporary, self.path / name)
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise InputError(
                f"{self.path}: epoch {epochs} of the image encoder cannot be written: {error}; the "
                "epoch before it is kept"
            ) from None
        for folder in before:
            shutil.rmtree(folder, ignore_errors=True)

    def restore(self, encoder, optimizer, order: np.random.Generator) -> tuple[int, float]:
        """Brings encoder, optimizer (with its slots) and order to the last finished epoch.

        Returns:
            (epochs that are finished, loss of the last one).

        Raises:
            InputError: the files are damaged.
        """
        if not self.exists():
            return 0, 0.0
        folder = self._folders()[-1]
        state = read_json(folder / "state.json")
        try:
            checkpoint = _everything(encoder, optimizer).read(str(folder / "variables"))
            checkpoint.assert_existing_objects_matched()
            order.bit_generator.state = state["order"]
            return self.epochs(), float(state["loss"])
        except (
            ValueError,
            KeyError,
            TypeError,
            AssertionError,
            tf.errors.OpError,
        ) as error:
            reason = sentence(str(error).strip() or type(error).__name__)
            raise InputError(
                f"{folder}: is damaged, or of another encoder: {reason}; expected what this run wrote "
                "(without the folder, the encoder begins anew)"
            ) from None

    def epochs(self) -> int:
        """How many epochs are finished."""
        return int(self._folders()[-1].name.removeprefix("epoch_")) if self.exists() else 0

    def remove(self) -> None:
        """Removes what was kept; a folder that holds anything else stays."""
        for folder in self._folders():
            shutil.rmtree(folder, ignore_errors=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def _folders(self) -> list[Path]:
        if not self.path.is_dir():
            return []
        ours = [p for p in self.path.iterdir() if re.fullmatch(r"epoch_\d{4,}", p.name)]
        return sorted(ours, key=lambda path: int(path.name.removeprefix("epoch_")))


def _everything(encoder, optimizer) -> tf.train.Checkpoint:
    return tf.train.Checkpoint(encoder=encoder, optimizer=optimizer)
