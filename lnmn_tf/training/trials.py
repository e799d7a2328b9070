"""Trials: what alpha leaves open of a structure is tried, all from the same weights and on the same questions.

A file has a line for each trial that is done, so trials that were stopped go on.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lnmn_tf.config.names import OPERATORS
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_text
from lnmn_tf.models.genotype import Genotype
from lnmn_tf.models.lnmn import LNMN
from lnmn_tf.progress import Stage
from lnmn_tf.training import callbacks
from lnmn_tf.training.algorithm_2 import AlternatingTrainer
from lnmn_tf.training.checkpoints import Progress
from lnmn_tf.training.evaluation import Predictor, accuracy_table
from lnmn_tf.training.examples import TrainingExamples
from lnmn_tf.training.fitting import make_trainer
from lnmn_tf.training.optimizers import assign_with_average
from lnmn_tf.training.warm_start import alpha_of

FILE_NAME = "trials.jsonl"
OPEN, MOST_TRIALS = 0.2, 3
Structure = tuple[str, ...]  # operators of the nodes of a cell, from first to last


class Trial(NamedTuple):
    """A trial that is done."""

    structure: Structure
    table: dict  # of the held-out questions, of `accuracy_table`


def likely(mixtures: np.ndarray) -> list[Structure]:
    """The structures that a search leaves open, the likeliest first, `MOST_TRIALS` at most.

    A node leaves its strongest operator open, and any other of a weight of `OPEN` or more; a structure is as likely as the
    product of its weights.

    Args:
        mixtures: alpha' of the cells, [cells, nodes, 6].
    """
    weights: dict[Structure, float] = {}
    for cell in mixtures:
        open_ = [np.flatnonzero((node >= OPEN) | (node == node.max())) for node in cell]
        for indices in itertools.product(*open_):
            structure = tuple(OPERATORS[i] for i in indices)
            weight = float(np.prod([node[i] for node, i in zip(cell, indices)]))
            weights[structure] = max(weight, weights.get(structure, 0.0))
    return sorted(weights, key=weights.__getitem__, reverse=True)[:MOST_TRIALS]


def with_simpler(structures: Sequence[Structure]) -> list[Structure]:
    """Structures of a cell of one map, and the likeliest one without the map's features; `MOST_TRIALS` at most.

    The first node of such a cell joins picture and map. A look still sees where the map points by its `Relation`.

    Args:
        structures: the likeliest first.
    """
    likeliest, *others = structures
    return list(dict.fromkeys([likeliest, ("choose_1", *likeliest[1:]), *others]))[:MOST_TRIALS]


def best(trials: Sequence[Trial]) -> Trial:
    """The simplest trial whose accuracy is within one standard error of the highest.

    So says the rule of one standard error (Breiman et al., Classification and Regression Trees, 1984). A structure is the
    simpler, the more of its nodes pass on one of their operands; of two that are alike, the more accurate one is the best.
    """
    highest = max(trials, key=lambda trial: trial.table["accuracy"]).table
    accuracy = highest["accuracy"]
    enough = accuracy - (accuracy * (1.0 - accuracy) / highest["questions"]) ** 0.5
    near = [trial for trial in trials if trial.table["accuracy"] >= enough]

    def merit(trial: Trial) -> tuple[int, float]:
        passes_on = sum(operator.startswith("choose") for operator in trial.structure)
        return passes_on, trial.table["accuracy"]

    return max(near, key=merit)


def strongest(network: LNMN) -> Genotype:
    """The strongest operators of each cell, by its name."""
    return {
        f"{name}.{i}": cell
        for name in network.structure
        for i, cell in enumerate(network.banks[name].fusion.strongest())
    }


class Trials:
    """Trials of structures of one bank, all from the same weights and on the same questions.

    Args:
        network: with the weights that each trial begins with.
        examples: of a trial.
        bank: name of the cells that are tried; all of them have one structure. The others are their strongest operators.
        like: as in `make_trainer`.
    """

    def __init__(
        self,
        network: LNMN,
        examples: TrainingExamples,
        bank: str,
        like: AlternatingTrainer | None = None,
    ):
        self.network, self.examples, self.bank = network, examples, bank
        self._trainer = make_trainer(network, examples.config, examples.total_steps, like)
        variables = (*network.variables, *self._trainer.optimizer.variables())
        self._first = [(variable, variable.numpy()) for variable in variables]
        self._others = strongest(network)

    def genotype(self, structure: Structure) -> Genotype:
        """The whole structure with one that is tried."""
        cells = range(self.network.structure[self.bank].shape[0])
        return {**self._others, **{f"{self.bank}.{i}": list(structure) for i in cells}}

    def go_back(self) -> None:
        """Gives the network the weights that each trial begins with."""
        for variable, value in self._first:
            variable.assign(value)

    def __call__(self, structure: Structure) -> dict:
        """Trains with a structure. Returns what `accuracy_table` says of the held-out questions."""
        self.go_back()
        trainer, examples = self._trainer, self.examples
        for name, alpha in alpha_of(self.network, self.genotype(structure)).items():
            assign_with_average(trainer.arch_optimizer, self.network.structure[name], alpha)
        training, steps = examples.config.training, examples.steps_per_epoch
        clock = callbacks.Clock(Progress(), steps, training.epochs)
        for epoch in range(training.epochs):
            trainer.fit(
                examples.epoch(epoch, 0),
                steps_per_epoch=steps,
                callbacks=[callbacks.Schedule(clock, training)],
                verbose=0,
            )
        with trainer.answering():
            return self.measured()

    def measured(self) -> dict:
        """What `accuracy_table` says of the held-out questions, with the weights that the network has."""
        return held_out(self._trainer.predictor, self.examples)

    def go_on(self, structure: Structure) -> None:
        """Gives the network the weights that a trial ends with, averaged where the run averages them."""
        self(structure)
        with self._trainer.answering():
            ended = [variable.numpy() for variable in self.network.variables]
        for variable, value in zip(self.network.variables, ended):
            variable.assign(value)


def held_out(predictor: Predictor, examples: TrainingExamples) -> dict:
    """What `accuracy_table` says of the held-out questions."""
    return accuracy_table(predictor(examples.structure), examples.structure.questions)


def try_each(
    trials: Callable[[Structure], dict], structures: Sequence[Structure], folder: Path
) -> list[Trial]:
    """Tries structures, but those that an earlier start has tried; writes each one down in the folder."""
    path = folder / FILE_NAME
    done = read(path)
    left = [x for x in structures if x not in {trial.structure for trial in done}]
    total, before = len(structures), len(structures) - len(left)
    title = f"search: trials of {folder.name}"
    with Stage(title, total, "structures", before, made=path) as stage:
        for structure in left:
            table = trials(structure)
            done.append(Trial(structure, table))
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps({"structure": structure, **table}) + "\n")
            stage.note(f"{', '.join(structure)} {table['accuracy']:.4f}")
            stage.update()
    return done


def read(path: Path) -> list[Trial]:
    """The trials in a file; a last line without its end, of a process that was killed, is cut off.

    Raises:
        InputError: a line is no trial.
    """
    if not path.is_file():
        return []
    whole, _, rest = path.read_text(encoding="utf-8").rpartition("\n")
    if rest:
        write_text(path, f"{whole}\n" if whole else "")
    try:
        entries = [json.loads(line) for line in whole.splitlines()]
        trials = [Trial(tuple(entry.pop("structure")), entry) for entry in entries]
        for trial in trials:
            float(trial.table["accuracy"]), int(trial.table["questions"])
            dict(trial.table["families"])
        return trials
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: is no list of trials: {error!r}; without it, they begin anew"
        ) from None
