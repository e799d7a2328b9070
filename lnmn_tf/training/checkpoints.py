"""Checkpoints that a run survives `kill -9` with.

    checkpoints/
      index.json              which folder is the last one, and which the best
      step_00001200/
        weights.*             the network as it answers (averaged, where a moving average is kept)
        training.*            the network as it is trained, and both optimizers
        state.json            epoch, batch, step, best accuracy

A folder is written under a temporary name, renamed, and then entered in the index, whose replacement
is the one moment at which a checkpoint comes into being. The index also names the folders that it
supersedes: they are removed, and nothing else is, for a folder that we did not make may be a copy.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from lnmn_tf.errors import InputError, sentence
from lnmn_tf.files import read_json, write_json
from lnmn_tf.training.algorithm_2 import AlternatingTrainer


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Args:
        epoch: the current one, from 0.
        batch: batches of it that are done: with `epoch` and the seed, the position in the data.
        step: weight steps done in all.
        seconds: spent so far, over all restarts.
        best_accuracy: of the best checkpoint on the monitored questions; -1 before the first.
        best_step: when that was.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    best_accuracy: float = -1.0
    best_step: int = 0


class CheckpointFolder:
    """The checkpoints of a run.

    Args:
        run_dir: the folder of the run.
    """

    def __init__(self, run_dir: str | os.PathLike):
        self.path = Path(run_dir) / "checkpoints"

    def exists(self) -> bool:
        """Whether there is a checkpoint."""
        return self._index_path.is_file()

    def save(self, trainer: AlternatingTrainer, progress: Progress, best: bool) -> None:
        """Writes a checkpoint, makes it the last one and, with `best`, the best.

        Raises:
            InputError: the disk is full; the checkpoints before it stay.
            FloatingPointError: a weight is not finite; the checkpoints before it stay.
        """
        for variable in trainer.network.variables:
            if not np.isfinite(variable.numpy()).all():
                raise FloatingPointError(f"variable {variable.name} is not finite")
        name = f"step_{progress.step:08d}"
        temporary = self.path / f".{name}.tmp"
        index = self._read_index() if self.exists() else {}
        named = {index[which] for which in ("last", "best") if which in index}
        try:
            left = [p.name for p in self.path.glob(".step_*.tmp")]  # by a kill
            self._remove(*left, *index.get("superseded", ()))
            temporary.mkdir(parents=True)
            with trainer.answering():
                tf.train.Checkpoint(network=trainer.network).write(str(temporary / "weights"))
            _everything(trainer).write(str(temporary / "training"))
            write_json(temporary / "state.json", dataclasses.asdict(progress))
            if name not in named:  # of a kill before the index knew it
                self._remove(name)
            os.replace(temporary, self.path / name)
            index["last"] = name
            if best:
                index["best"] = name
            index["superseded"] = sorted(named - {index["last"], index.get("best")})
            write_json(self._index_path, index)
            self._remove(*index["superseded"])
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise InputError(
                f"{self.path}: the checkpoint of step {progress.step} cannot be written: {error}; "
                "earlier checkpoints are kept"
            ) from None

    def restore(self, trainer: AlternatingTrainer) -> Progress:
        """Brings a trainer, whose optimizers have their slots, to the last checkpoint."""
        folder = self._folder("last")
        _read(_everything(trainer), folder / "training")
        return self.progress("last")

    def load_weights(self, network: tf.keras.Model, which: str = "best") -> Progress:
        """Gives a built network the weights of the `best` or `last` checkpoint.

        Where a training writes newer ones meanwhile, weights and progress are those of one of them.

        Returns:
            Where the run was at this checkpoint.
        """
        folder = self._folder(which)
        while True:
            try:
                progress = _progress_in(folder)
                _read(tf.train.Checkpoint(network=network), folder / "weights")
                return progress
            except InputError:
                newer = self._folder(which)
                if newer == folder:
                    raise
                folder = newer  # the other was superseded, and removed, as it was read

    def weights_path(self, which: str = "best") -> Path:
        """Of the weights of the `best` or `last` checkpoint, as `tf.train.load_checkpoint` reads them."""
        return self._folder(which) / "weights"

    def load_encoder(self, encoder: tf.keras.layers.Layer) -> None:
        """Gives a built image encoder the weights of that of the last checkpoint."""
        network = tf.train.Checkpoint(image_encoder=encoder)
        _read(tf.train.Checkpoint(network=network), self._folder("last") / "weights")

    def progress(self, which: str) -> Progress:
        """Where the run was at the `best` or `last` checkpoint."""
        return _progress_in(self._folder(which))

    @property
    def _index_path(self) -> Path:
        return self.path / "index.json"

    def _read_index(self) -> dict:
        index = read_json(self._index_path)
        if not isinstance(index, dict) or "last" not in index:
            raise InputError(f"{self._index_path}: names no last checkpoint")
        names = [index[which] for which in ("last", "best") if which in index]
        superseded = index.get("superseded", [])
        names += superseded if isinstance(superseded, list) else [superseded]
        for name in names:  # they are removed, or read: never what lies elsewhere
            if not isinstance(name, str) or not re.fullmatch(r"step_\d{8,}", name):
                raise InputError(
                    f"{self._index_path}: names {name!r}; expected folders like step_00001200"
                )
        return index

    def _folder(self, which: str) -> Path:
        if not self.exists():
            raise InputError(f"{self.path}: has no checkpoint; expected a run made by --mode=train")
        index = self._read_index()
        if which not in index:
            raise InputError(f"{self._index_path}: names no {which!r} checkpoint; has {index}")
        return self.path / index[which]

    def _remove(self, *names: str) -> None:
        for name in names:
            if (self.path / name).is_dir():
                shutil.rmtree(self.path / name)


def _progress_in(folder: Path) -> Progress:
    path = folder / "state.json"
    try:
        return Progress(**read_json(path))
    except TypeError as error:
        raise InputError(f"{path}: is no state of a run: {error}") from None


def _everything(trainer: AlternatingTrainer) -> tf.train.Checkpoint:
    parts = {"network": trainer.network, "optimizer": trainer.optimizer}
    if trainer.arch_optimizer is not None:
        parts["arch_optimizer"] = trainer.arch_optimizer
    return tf.train.Checkpoint(**parts)


def _read(checkpoint: tf.train.Checkpoint, path: Path) -> None:
    for file in sorted(path.parent.glob(f"{path.name}.*")):
        if not os.access(file, os.R_OK):
            raise InputError(f"{file}: cannot be read: permission denied")
    try:
        status = checkpoint.read(str(path)).assert_existing_objects_matched()
        status.expect_partial()  # of what it holds beside, TensorFlow warns otherwise
    except (AssertionError, ValueError, LookupError, tf.errors.OpError) as error:
        reason = sentence(str(error).strip().splitlines()[0])
        raise InputError(
            f"{path}: is damaged, or of another model: {reason}; expected a checkpoint of this config"
        ) from None
