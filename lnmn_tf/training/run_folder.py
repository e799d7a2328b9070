"""A run folder is one experiment: locked while it is written, and finished for good.

    config.json, flags.txt          what was asked for
    vocabulary.json                 of the training split
    checkpoints/, tensorboard/      written while it trains
    structure.jsonl                 alpha after each epoch
    search/                         of a search before the training, see `search_first.py`
    search_1/, search_2/            beginnings of it that were given up
    data_checked.json               images on disk that were read through before the training
    metrics.json, predictions.txt   written at the end: a run that has metrics is finished
    evaluations.jsonl               one line for each evaluation, see `evaluations.py`
    .lock                           held by the process that trains

Nothing here imports TensorFlow, so that a finished run says so at once.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lnmn_tf.config import RunConfig
from lnmn_tf.config.option import flag_text
from lnmn_tf.config.run import SECTIONS, label_of
from lnmn_tf.errors import InputError
from lnmn_tf.files import read_json

METRICS = "metrics.json"
PREDICTIONS = "predictions.txt"
LOCK = ".lock"
# Fields of the model that a run finds in its data.
FOUND_IN_DATA = ("num_words", "num_answers", "feature_shape", "feature_identity", "encoder_groups")
# They say how a run is computed, not what: a finished run is the same with any of their values.
COMPUTING = frozenset(
    {"strategy", "gpu_memory_growth", "xla", "shards", "checkpoint_steps", "generate", "workers"}
)


class RunFolder:
    """The folder of a run.

    Args:
        run_dir: the folder, which need not exist.
    """

    def __init__(self, run_dir: str | os.PathLike):
        self.path = Path(run_dir)

    def finished(self, config: RunConfig) -> dict | None:
        """The metrics of a finished run of this config; None where there is something left to train.

        Raises:
            InputError: the folder holds a finished run of another config.
        """
        if not (self.path / METRICS).is_file():
            return None
        saved = RunConfig.load(self.path)
        if self._more_epochs(config, saved):
            return None
        for name, wanted, found in _differences(config, saved):
            raise InputError(
                f"{self.path}: holds a finished run with {label_of(name)}={flag_text(found)}, but "
                f"{label_of(name)} is {flag_text(wanted)}; expected the same flags, more --epochs, or another --run_dir"
            )
        return self.metrics()

    def metrics(self) -> dict:
        """What the training reported."""
        path = self.path / METRICS
        try:
            metrics = read_json(path)
            float(metrics["val"]["accuracy"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: is no file of metrics: {error!r}") from None
        return metrics

    def set_results_aside(self) -> None:
        """Renames the results of fewer epochs, before a finished run is extended."""
        if (self.path / METRICS).is_file():
            epochs = RunConfig.load(self.path).training.epochs
            for name in (PREDICTIONS, METRICS):  # the metrics last: they say that a run is finished
                old = self.path / name
                if old.exists():
                    old.rename(old.with_name(f"{old.stem}_{epochs}_epochs{old.suffix}"))

    def where_it_goes_on(self) -> str:
        """What the same command does with a run that was stopped."""
        if any(self.path.glob("**/checkpoints/index.json")):
            return "the same command goes on from the last checkpoint"
        if any(self.path.glob("**/encoder/epoch_*")):
            return "the same command goes on after the image encoder's last finished epoch"
        return "the same command begins anew: nothing was finished that could be kept"

    def check_free(self) -> None:
        """Raises InputError where another process trains in this folder."""
        try:
            with open(self.path / LOCK, encoding="utf-8") as stream:
                self._take(stream, fcntl.LOCK_SH)
        except FileNotFoundError:
            pass

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other trainings out; the kernel ends the lock with the process, however it dies.

        Raises:
            InputError: another process trains in this folder.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / LOCK, "a+", encoding="utf-8") as stream:
            self._take(stream, fcntl.LOCK_EX)
            stream.truncate(0)
            stream.write(f"process {os.getpid()} of {os.uname().nodename}")
            stream.flush()
            yield

    def _take(self, stream: TextIO, kind: int) -> None:
        try:
            fcntl.flock(stream, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise InputError(
                f"{self.path}: another process trains here{_named(stream.read(80))}; expected its "
                "end first, or another --run_dir"
            ) from None

    def _more_epochs(self, config: RunConfig, saved: RunConfig) -> bool:
        if config.training.epochs <= saved.training.epochs:
            return False
        same = config.replace(epochs=saved.training.epochs)
        return not any(_differences(same, saved))


def _named(text: str) -> str:
    return f" ({text.strip()})" if text.strip() else ""


def _differences(wanted: RunConfig, found: RunConfig) -> Iterator[tuple]:
    """(name, value wanted, value found) of the flags whose values differ.

    Of two models, --model alone: each has flags of its own.
    """
    if wanted.model.model != found.model.model:
        yield "model", wanted.model.model, found.model.model
        return
    for title in SECTIONS:
        for field in dataclasses.fields(getattr(wanted, title)):
            values = [getattr(getattr(config, title), field.name) for config in (wanted, found)]
            if field.name in FOUND_IN_DATA or field.name in COMPUTING:
                continue
            if field.name == "data_dir":
                same = len({os.path.realpath(value) for value in values}) == 1
            else:
                same = values[0] == values[1]
            if not same:
                yield (field.name, *values)
