"""What happens around the steps of a run: schedules, progress, checkpoints, the stop."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable

from tensorflow import keras

from lnmn_tf.config import TrainingConfig
from lnmn_tf.errors import InputError
from lnmn_tf.layers.dropout import StepDropout
from lnmn_tf.models.draw import Draw
from lnmn_tf.progress import Stage, say
from lnmn_tf.training import structure_history
from lnmn_tf.training.checkpoints import CheckpointFolder, Progress
from lnmn_tf.training.schedules import entropy_weight, first_step, freedom
from lnmn_tf.training.tensorboard import Board

SHOWN = ("loss", "accuracy")
_NOTE_EVERY = 10  # steps between two texts beside the bar


class Clock:
    """Steps and seconds of a run, which every callback reads.

    Args:
        progress: where the run begins.
        steps_per_epoch: weight steps.
        epochs: of the whole run.
    """

    def __init__(self, progress: Progress, steps_per_epoch: int, epochs: int):
        self.epoch, self.batch, self.step = progress.epoch, progress.batch, progress.step
        self.best_accuracy, self.best_step = progress.best_accuracy, progress.best_step
        self.board_share = 0.0  # of the time since this start, what TensorBoard's files took
        self.steps_per_epoch, self.epochs = steps_per_epoch, epochs
        self._began = time.monotonic() - progress.seconds

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.epochs

    def advance(self) -> None:
        """One more step is done."""
        self.batch += 1
        self.step += 1

    def end_epoch(self) -> None:
        self.epoch += 1
        self.batch = 0

    @property
    def progress(self) -> Progress:
        return Progress(
            self.epoch, self.batch, self.step, self.seconds, self.best_accuracy, self.best_step
        )


class Schedule(keras.callbacks.Callback):
    """Sets lambda_w, the step of what is random and, from the choice on, hard nodes; keeps the clock; comes first."""

    def __init__(self, clock: Clock, config: TrainingConfig):
        super().__init__()
        self.clock, self.config = clock, config

    def on_train_begin(self, logs=None) -> None:
        layers = self.model.network.submodules
        self._random = [layer for layer in layers if isinstance(layer, (StepDropout, Draw))]

    def on_train_batch_begin(self, batch, logs=None) -> None:
        clock = self.clock
        epoch = clock.epoch + clock.batch / clock.steps_per_epoch
        self.model.entropy_weight.assign(entropy_weight(epoch, self.config))
        for layer in self._random:
            layer.step.assign(clock.step)
        network = self.model.network
        if getattr(network, "growth", None):
            share = epoch / self.config.epochs
            growth = network.growth
            growth.first_step.assign(first_step(share, growth.num_steps, self.config))
            growth.freedom.assign(freedom(share, self.config))
        trainer = self.model
        chosen = trainer.has_choice and clock.step >= trainer.choose_step
        if chosen and not trainer.hardened:
            trainer.harden()

    def on_train_batch_end(self, batch, logs=None) -> None:
        self.clock.advance()

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.clock.end_epoch()


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops when the loss is no number, before a checkpoint could be made of it.

    Args:
        clock: of the run; it has counted the step already.
        describe: names the questions of a batch: (epoch, batch) -> text.

    Raises:
        InputError: with step, loss, and the batch's questions.
    """

    def __init__(self, clock: Clock, describe: Callable[[int, int], str]):
        super().__init__()
        self.clock, self.describe = clock, describe

    def on_train_batch_end(self, batch, logs=None) -> None:
        bad = {name: value for name, value in logs.items() if not math.isfinite(value)}
        if bad:
            clock = self.clock
            raise InputError(
                f"step {clock.step}: {bad} is not finite, in the batch with the questions "
                f"{self.describe(clock.epoch, clock.batch - 1)}; the last good checkpoint is kept; "
                "a lower --learning_rate or --set=clip_norm=5 may help"
            )


class Progressbar(keras.callbacks.Callback):
    """Tells a stage how far the run is, with loss, accuracy and examples per second of the epoch so far.

    Args:
        stage: of all steps of the run.
        epochs: of the run.
        batch_size: questions a step.
    """

    def __init__(self, stage: Stage, epochs: int, batch_size: int):
        super().__init__()
        self._stage, self._epochs, self._batch_size = stage, epochs, batch_size
        self._epoch = None

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._epoch, self._steps, self._sums = epoch, 0, defaultdict(float)

    def on_train_begin(self, logs=None) -> None:
        if self._epoch is None:
            self._stage.note("the first step takes longest: it is traced and compiled")

    def on_train_batch_end(self, batch, logs=None) -> None:
        self._steps += 1
        for name in SHOWN:
            self._sums[name] += logs[name]
        self._stage.update()
        if self._steps == 1:  # which may have been compiled
            self._began = time.monotonic()
        elif self._steps % _NOTE_EVERY == 0:
            self._note()

    def _note(self) -> None:
        rate = (self._steps - 1) * self._batch_size / (time.monotonic() - self._began)
        means = "  ".join(f"{name} {total / self._steps:.4f}" for name, total in self._sums.items())
        self._stage.note(f"epoch {self._epoch + 1}/{self._epochs}  {means}  {rate:,.0f} examples/s")


class Checkpoints(keras.callbacks.Callback):
    """Measures each epoch on questions that the weights never see, and writes checkpoints.

    Args:
        folder: where to.
        clock: of the run.
        monitor: () -> what `accuracy_table` says of the monitored questions.
        every: steps between checkpoints within an epoch.
        board: looks at the network after each epoch.
        last_is_best: the last checkpoint answers, not the one with the best accuracy: a search that ends with
            one operator a node is no search before its end.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        clock: Clock,
        monitor: Callable[[], dict],
        every: int,
        board: Board,
        last_is_best: bool = False,
    ):
        super().__init__()
        self._last_is_best = last_is_best
        self._folder, self._clock, self._monitor = folder, clock, monitor
        self._every, self._board = every, board

    def on_train_batch_end(self, batch, logs=None) -> None:
        clock, trainer = self._clock, self.model
        if trainer.has_choice and clock.step == trainer.choose_step < clock.total_steps:
            say(
                f"step {clock.step}: each node is one operator from here on; the weights learn alone"
            )
        if clock.step % self._every == 0 and clock.batch < clock.steps_per_epoch:
            self._save(best=False)

    def on_epoch_end(self, epoch, logs=None) -> None:
        with self.model.answering():
            table = self._monitor()
            self._board.look(table)
            self._remember_structure()
        accuracy = table["accuracy"]
        clock = self._clock
        clock.board_share = self._board.share
        best = accuracy >= clock.best_accuracy or self._last_is_best
        if best:
            clock.best_accuracy, clock.best_step = accuracy, clock.step
        self._save(best)
        say(
            f"epoch {epoch + 1}/{clock.epochs}  step {clock.step}  "
            f"loss {logs['loss']:.4f}  accuracy {logs['accuracy']:.4f}  "
            f"held-out accuracy {accuracy:.4f}  {logs['examples_per_second']:,.0f} examples/s  "
            f"{clock.seconds:,.0f} s",
        )

    def _remember_structure(self) -> None:
        cells = {
            f"{name}.{i}": alpha
            for name, bank in getattr(self.model.network, "structure", {}).items()
            for i, alpha in enumerate(bank.numpy())
        }
        if cells:
            path = self._folder.path.parent / structure_history.FILE_NAME
            structure_history.append(path, self._clock.step, cells)

    def _save(self, best: bool) -> None:
        try:
            self._folder.save(self.model, self._clock.progress, best)
        except FloatingPointError as error:
            raise InputError(
                f"step {self._clock.step}: {error}; the last good checkpoint is kept; a lower "
                "--learning_rate or --set=clip_norm=5 may help"
            ) from None
