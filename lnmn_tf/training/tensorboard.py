"""What TensorBoard shows of a run: scalars as it goes on, and after each epoch a look inside."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorflow import keras

from lnmn_tf.config import RunConfig
from lnmn_tf.errors import InputError
from lnmn_tf.layers.operators import OPERATORS
from lnmn_tf.training import board_pictures, board_texts
from lnmn_tf.training.optimizers import learning_rate_of
from lnmn_tf.training.watched import Watched

# Tag of what a step reports, by its name there; of anything else it is loss/<name>.
TAGS = {
    "loss": "loss/weights_total",
    "structure_loss": "loss/structure_total",
    "accuracy": "accuracy/training",
    "module_entropy": "layout/module_entropy",
    "structure_sparsity": "structure/sparsity",
    "gradient_norm": "optimizer/gradient_norm",
    "structure_gradient_norm": "optimizer/structure_gradient_norm",
}
TENSORBOARD = "tensorboard"  # in the run folder
Texts = Callable[[keras.Model], Mapping[str, str]]
MOST_IN_HISTOGRAM = 100_000  # values
HELD_OUT, VALIDATION = "accuracy/held_out", "accuracy/validation"


class Board(keras.callbacks.Callback):
    """Writes the event files of a run.

    Args:
        folder: `tensorboard/` of the run.
        clock: of the run: `step`, which all is written at.
        config: of the run.
        flags: a flagfile that gives the config.
        ledger: what each part of the run was told, and by whom (its supervision), by part.
        watched: questions to look at after each epoch; None = none.
        texts: of the network, by tag, in Markdown, written after each epoch; None = none.
        every: steps that one point stands for.
    """

    def __init__(
        self,
        folder: Path,
        clock: Any,
        config: RunConfig,
        flags: str = "",
        ledger: Mapping[str, str] | None = None,
        watched: Watched | None = None,
        texts: Texts | None = None,
        every: int = 50,
    ):
        super().__init__()
        self._folder, self._writer = folder, tf.summary.create_file_writer(str(folder))
        self._clock, self._batch_size = clock, config.training.batch_size
        self._every, self._watched, self._texts = every, watched, texts
        self._looked, self._graph = False, None  # of the watched questions
        self._made, self.seconds = time.monotonic(), 0.0  # spent here
        with self._writing():
            board_texts.write_head(config, flags, ledger)

    def on_epoch_begin(self, epoch, logs=None) -> None:
        self._began_epoch = self._began = time.monotonic()
        self._of_epoch, self._recent = _Means(), _Means()

    def on_train_batch_end(self, batch, logs=None) -> None:
        self._recent.add(logs)
        self._of_epoch.add(logs)
        if self._recent.steps == self._every:
            self._write_point()

    def on_epoch_end(self, epoch, logs=None) -> None:
        if self._of_epoch.steps < self._every:  # a short epoch has a point, too
            self._write_point()
        seconds = time.monotonic() - self._began_epoch
        logs.update(self._of_epoch.means())
        logs["examples_per_second"] = self._of_epoch.steps * self._batch_size / seconds

    def look(self, table: Mapping[str, Any]) -> None:
        """Writes accuracies, structure, weights, and what happens to the watched questions.

        The network holds the weights that it answers with.

        Args:
            table: what `accuracy_table` says of the held-out questions.
        """
        scalars = {HELD_OUT: table["accuracy"]}
        scalars |= {f"held_out_accuracy/{k}": v for k, v in table["families"].items()}
        mixtures = self._mixtures()
        for name, mixture in mixtures.items():
            logs = np.log(np.maximum(mixture, 1e-30))
            scalars[f"structure_entropy/{name}"] = float(-(mixture * logs).sum(-1).mean())
            scalars[f"structure_top_weight/{name}"] = float(mixture.max(-1).mean())
        self.write(scalars)
        with self._writing():
            for name, values in self._weights().items():
                _write_histogram(f"weights/{name}", values)
            for name, mixture in mixtures.items():
                _write_histogram(f"alpha/{name}", mixture)
            if mixtures:
                tf.summary.image("structure/alpha", structure_picture(mixtures)[np.newaxis])
                tf.summary.text("structure/genotype", board_texts.genotype(mixtures))
            for name, text in self._texts(self.model.network).items() if self._texts else ():
                tf.summary.text(name, text)
            if self._watched is not None:
                self._look_at_watched()

    @property
    def share(self) -> float:
        """Of the time since it was made, what was spent here."""
        return self.seconds / (time.monotonic() - self._made)

    def write(self, scalars: Mapping[str, float]) -> None:
        """Writes scalars at the step of the clock. Raises InputError where the disk is full."""
        with self._writing():
            for name, value in scalars.items():
                tf.summary.scalar(name, value)

    def _write_point(self) -> None:
        """Writes the means since the last point, and begins anew."""
        model, steps = self.model, self._recent.steps
        seconds = time.monotonic() - self._began
        scalars = {TAGS.get(k, f"loss/{k}"): v for k, v in self._recent.means().items()}
        scalars["layout/lambda_w"] = float(model.entropy_weight.numpy())
        scalars["optimizer/learning_rate"] = float(learning_rate_of(model.optimizer))
        if model.arch_optimizer is not None and model.structure:
            scalars["structure/steps"] = float(model.arch_optimizer.iterations.numpy())
        if "structure_loss" in self._recent.means():  # while the structure is searched
            rate = float(learning_rate_of(model.arch_optimizer))
            scalars["optimizer/structure_learning_rate"] = rate
        scalars["speed/examples_per_second"] = steps * self._batch_size / seconds
        self.write(scalars)
        self._recent, self._began = _Means(), time.monotonic()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            with self._writer.as_default(step=self._clock.step):
                yield
            self._writer.flush()
        except (OSError, tf.errors.OpError) as error:
            raise InputError(f"{self._folder}: cannot be written: {error}") from None
        finally:
            self.seconds += time.monotonic() - began

    def _mixtures(self) -> dict[str, np.ndarray]:
        """alpha' of each cell by name, [nodes, 6]."""
        mixtures = {}
        for variable in self.model.structure:
            bank = ["structure", *str(variable.name).split("/")[:-1]][-1]
            for index, alpha in enumerate(variable.numpy()):
                powers = np.exp(alpha - alpha.max(axis=-1, keepdims=True))
                mixtures[f"{bank}.{index}"] = powers / powers.sum(axis=-1, keepdims=True)
        return mixtures

    def _weights(self) -> dict[str, np.ndarray]:
        """All weights of each layer by its name."""
        groups = defaultdict(list)
        for variable in self.model.weights_of_network:
            layer = ["others", *str(variable.name).split("/")[1:2]][-1]
            groups[layer.partition(":")[0]].append(variable.numpy().ravel())
        return {name: np.concatenate(parts) for name, parts in groups.items()}

    def _way_to_trace(self):
        """Without a graph at first: making one takes as long as some looks, and is then worth it."""
        trace = self.model.network.answer_and_trace
        if self._looked and self._graph is None:
            self._graph = tf.function(trace, autograph=False)
        self._looked = True
        return self._graph or trace

    def _look_at_watched(self) -> None:
        network, watched = self.model.network, self._watched
        if not hasattr(network, "answer_and_trace"):
            return
        outputs, trace = self._way_to_trace()(watched.inputs)
        weights = tf.cast(trace.module_weights, tf.float32).numpy()
        names = network.module_names
        for step in range(weights.shape[1]):
            _write_histogram(f"module_weights/step_{step + 1}", weights[:, step])
        for family in np.unique(watched.families):
            name = watched.family_names[family] if family >= 0 else "all"
            use = weights[watched.families == family].mean(axis=0).T  # [modules, steps]
            steps = [f"step {step + 1}" for step in range(use.shape[1])]
            drawn = board_pictures.heat_map(use, names, steps, f"weights of modules: {name}")
            tf.summary.image(f"module_use/{name}", drawn[np.newaxis])
        shown = len(watched.pictures)
        stack, pointer = (tf.cast(x[:shown], tf.float32) for x in (trace.stack, trace.pointer))
        left = tf.einsum("bthwl,btl->bthw", stack, pointer)
        maps = network.show(left).numpy()
        given = np.argmax(outputs["logits"], axis=-1)
        for row, picture in enumerate(watched.pictures):
            right = bool(given[row] == watched.truths[row])
            truth = "" if right else f", not {watched.answers[watched.truths[row]]}"
            labels = [
                f"{step + 1} {names[w.argmax()]} {w.max():.2f}"
                for step, w in enumerate(weights[row])
            ]
            answer = f"{watched.answers[given[row]]}{truth}"
            drawn = board_pictures.strip(
                picture, maps[row], labels, watched.texts[row], answer, right
            )
            tf.summary.image(f"attention/question_{row + 1}", drawn[np.newaxis])


def _write_histogram(tag: str, values: np.ndarray) -> None:
    """As `tf.summary.histogram`, with fewer operations; of many values, some at equal distances."""
    values = values.ravel()[:: values.size // MOST_IN_HISTOGRAM + 1]
    tf.summary.experimental.write_raw_pb(histogram_pb(tag, values).SerializeToString())


def structure_picture(mixtures: Mapping[str, np.ndarray]) -> np.ndarray:
    """alpha' of every cell, a row a node: uint8 [height, width, 3]."""
    rows = [f"{cell}  node {k + 1}" for cell, nodes in mixtures.items() for k in range(len(nodes))]
    values = np.concatenate(list(mixtures.values()))
    return board_pictures.heat_map(values, rows, OPERATORS, "alpha' of each node")


def write_result(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Writes the accuracies that a run reports at its end, which TensorBoard's HParams compare."""
    writer = tf.summary.create_file_writer(str(folder), filename_suffix=".result")
    with writer.as_default(step=metrics["steps"]):
        tf.summary.scalar(VALIDATION, metrics["val"]["accuracy"])
        for name, value in metrics["val"]["families"].items():
            tf.summary.scalar(f"validation_accuracy/{name}", value)
        board_texts.write_end()
    writer.close()


class _Means:
    """Means over steps; of what a structure step reports, over those that took one, or none."""

    def __init__(self) -> None:
        self.steps, self._searched = 0, 0
        self._sums: dict[str, float] = defaultdict(float)

    def add(self, logs: Mapping[str, float]) -> None:
        self.steps += 1
        self._searched += logs.get("structure_cross_entropy", 0.0) != 0.0
        for name, value in logs.items():
            self._sums[name] += value

    def means(self) -> dict[str, float]:
        steps = {True: self._searched, False: self.steps}
        counts = {name: steps[name.startswith("structure_")] for name in self._sums}
        return {name: self._sums[name] / count for name, count in counts.items() if count}
