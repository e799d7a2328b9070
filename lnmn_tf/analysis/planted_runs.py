"""Runs on the graded world that share one graph: each is a run folder, as `--mode=train` leaves it.

A network of this size trains in seconds and compiles in half a minute. So all arms and seeds that compute the
same function use one network and one trainer (`training.algorithm_2`), which begin anew for each run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.data.question_set import QuestionSet, split_for_structure
from lnmn_tf.files import write_json, write_text
from lnmn_tf.layers.nodes import LEAST_ALPHA
from lnmn_tf.models.genotype import one_hot
from lnmn_tf.training import structure_history
from lnmn_tf.training.callbacks import Clock, Schedule, StopOnNonFinite
from lnmn_tf.training.checkpoints import CheckpointFolder, Progress
from lnmn_tf.training.evaluation import Predictor, accuracy_table, write_predictions
from lnmn_tf.training.examples import Examples, TrainingExamples, open_split
from lnmn_tf.training.fitting import make_trainer
from lnmn_tf.training.networks import VOCABULARY, build_network, sizes_of
from lnmn_tf.training.run_folder import METRICS, PREDICTIONS, RunFolder
from lnmn_tf.training.supervision import supervision
from lnmn_tf.training.warm_start import give_genotype
from lnmn_tf.world.graded import KINDS

# A stack machine that can just hold what the questions need: one cell that looks and pushes, two cells for
# two maps, and cells that answer of one map and of two.
SIZES = {
    "embed_dim": 16,
    "text_dim": 32,
    "kb_dim": 16,
    "map_dim": 16,
    "mem_dim": 32,
    "mlp_dim": 32,
    "num_steps": 4,
    "stack_len": 3,
    "looking_cells": 1,
    "attention_3": 2,
    "attention_4": 2,
    "answer_3": 1,
    "answer_4": 2,
    "word_inhibition": 15.0,
}
TRAINING = {
    "epochs": 18,
    "batch_size": 128,
    "learning_rate": 1e-2,
    "warmup_steps": 50,
    "decay": "linear",
    "decay_start": 0.5,
    "final_learning_rate": 0.02,
    "clip_norm": 5.0,
    "shards": 1,
    "baselines": False,
    "structure_fraction": 0.25,
    "entropy_weight": 1.0,  # of two cells for one kind of module, both are tried before one is chosen
    "structure_learning_rate": 3e-2,
    "choose_share": 0.7,
}
SUPERVISED = (
    "expert layouts, made of programs: the kind of module of each step, not which of its cells"
)


class SharedRuns:
    """Trains runs of one graph, one after the other.

    Args:
        data: folder of `world.graded.write_graded`, with the splits train and val.
        layout_weight: of the loss of expert layouts; 0 = answers alone.
    """

    def __init__(self, data: Path, layout_weight: float = 3.0):
        choices = {
            **SIZES,
            **TRAINING,
            "data_dir": str(data),
            "features": f"{data}/{{split}}.h5",
            "layout_loss_weight": layout_weight,
        }
        self.config = RunConfig.create(choices)
        self.examples = TrainingExamples.open(self.config)
        self.config = self.config.replace(**sizes_of(self.examples))
        self.reported = open_split(self.config, "val", self.examples.vocabulary)
        store = self.examples.weights.store
        self._train = open_split(self.config, "train", self.examples.vocabulary).questions
        self._store = store
        self.network = build_network(self.config.model)
        self.trainer = make_trainer(self.network, self.config, self.examples.total_steps)
        self._search = self.trainer.search
        self._functions: dict[bool, Any] = {}
        self._predictor = Predictor(self.network, 500, "off")

    def run(
        self,
        folder: Path,
        seed: int,
        genotype: str = "",
        freeze: bool = False,
        given: Mapping[str, Sequence[str]] | None = None,
        how: str = "",
    ) -> dict:
        """Trains one run from its beginning, and reports. Of a finished one, the network has the weights.

        Args:
            folder: of the run.
            seed: of its first weights, its order of the data, and what it holds out for the structure.
            genotype: a file; the structure is that from the beginning and stays so.
            freeze: the structure stays as it is drawn.
            given: operators of some nodes, by cell; "" = none of that node. They begin so surely (softmax(alpha) is one
                operator to the last bit) that no gradient moves them, and are given anew after each epoch, for the decay does.
            how: what the ledger of supervision says of a genotype that was found; "" = it was given.

        Returns:
            Its `metrics.json`, with accuracies by kind of question under "kinds".
        """
        config = self.config.replace(seed=seed, genotype=genotype, freeze_structure=freeze)
        finished = RunFolder(folder).finished(config)
        if finished is not None:
            CheckpointFolder(folder).load_weights(self.network)
            return finished
        self._begin(seed, genotype, given or {})
        examples = self._examples(config)
        clock = self._fit(examples, given or {}, search=not (genotype or freeze))
        predictions = self._predictor(self.reported)
        metrics = {
            "val": accuracy_table(predictions, self.reported.questions),
            "kinds": by_kind(predictions, self.reported.questions),
            "supervision": self._supervision(config, given or {}, how),
            "steps": clock.step,
            "seconds": clock.seconds,
            "parameters": int(sum(np.prod(v.shape) for v in self.network.trainable_variables)),
        }
        config.save(folder)
        write_text(folder / "flags.txt", "")
        examples.vocabulary.save(folder / VOCABULARY)
        alpha = {
            f"{bank}.{i}": values
            for bank, structure in self.network.structure.items()
            for i, values in enumerate(structure.numpy())
        }
        (folder / structure_history.FILE_NAME).unlink(missing_ok=True)
        structure_history.append(folder / structure_history.FILE_NAME, clock.step, alpha)
        CheckpointFolder(folder).save(self.trainer, clock.progress, best=True)
        write_predictions(folder / PREDICTIONS, predictions, examples.vocabulary)
        write_json(folder / METRICS, metrics)
        return metrics

    def held_out(self, seed: int, structure: Mapping[str, Sequence[str]]) -> dict:
        """Trains weights from their beginning with a structure, and leaves no folder.

        Args:
            seed: as in `run`.
            structure: operators of all nodes, by cell.

        Returns:
            "accuracy" and number of "questions" of those that choose the structure, and the accuracy of each kind, by
            "families".
        """
        self._begin(seed, "", structure)
        examples = self._examples(self.config.replace(seed=seed))
        self._fit(examples, structure, search=False)
        questions = examples.structure.questions
        predictions = self._predictor(examples.structure)
        return {
            "accuracy": float(np.mean(predictions == questions.answers)),
            "questions": len(questions),
            "families": by_kind(predictions, questions),
        }

    def _examples(self, config: RunConfig) -> TrainingExamples:
        """The training questions, parted as a seed says."""
        weights, structure = (
            Examples(part, self._store)
            for part in split_for_structure(
                self._train, config.data.structure_fraction, config.training.seed
            )
        )
        return TrainingExamples(weights, structure, config)

    def _begin(self, seed: int, genotype: str, given: Mapping[str, Sequence[str]]) -> None:
        """Weights and structure of a new network, and optimizers that have seen nothing."""
        tf.keras.utils.set_random_seed(seed)
        fresh = build_network(self.config.model)
        for variable, value in zip(self.network.variables, fresh.variables):
            variable.assign(value)
        self._give(given)
        if genotype:
            give_genotype(self.network, genotype)
        for optimizer in (self.trainer.optimizer, self.trainer.arch_optimizer):
            for variable in optimizer.variables():
                variable.assign(tf.zeros_like(variable))

    def _give(self, operators: Mapping[str, Sequence[str]]) -> None:
        """Makes some nodes one operator each."""
        for bank, structure in self.network.structure.items():
            alpha = structure.numpy()
            for cell in range(len(alpha)):
                for place, name in enumerate(operators.get(f"{bank}.{cell}", ())):
                    if name:
                        alpha[cell, place] = LEAST_ALPHA * (1 - one_hot([name])[0])
            structure.assign(alpha)

    def _fit(self, examples: TrainingExamples, given: Mapping, search: bool) -> Clock:
        trainer, training = self.trainer, examples.config.training
        trainer.search = self._search if search else None
        trainer.train_function = self._functions.get(search)
        self._functions[search] = trainer.make_train_function()
        clock = Clock(Progress(), examples.steps_per_epoch, training.epochs)
        watchers = [
            Schedule(clock, training),
            StopOnNonFinite(clock, lambda epoch, batch: f"of epoch {epoch}, batch {batch}"),
        ]
        while clock.epoch < training.epochs:
            trainer.fit(
                examples.epoch(clock.epoch, 0),
                steps_per_epoch=clock.steps_per_epoch,
                initial_epoch=clock.epoch,
                epochs=clock.epoch + 1,
                callbacks=watchers,
                verbose=0,
            )
            self._give(given)
        return clock

    def _supervision(self, config: RunConfig, given: Mapping, how: str) -> Mapping[str, str]:
        ledger = supervision(config)
        if how:
            ledger["structure of modules"] = how
        elif given:
            ledger["structure of modules"] += f"; given by hand in {', '.join(given)}"
        return {**ledger, "layout": SUPERVISED} if config.training.layout_loss_weight else ledger


def by_kind(predictions: np.ndarray, questions: QuestionSet) -> dict[str, float]:
    """Accuracy of each kind of question, in [0, 1]; predictions are [N]."""
    right, kinds = predictions == questions.answers, questions.question_family_index
    return {
        kind: float(right[kinds == place].mean())
        for place, kind in enumerate(KINDS)
        if (kinds == place).any()
    }
