"""Algorithm 2 around a network, from wherever it is to its last epoch."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.progress import Stage
from lnmn_tf.training import callbacks, replicas
from lnmn_tf.training.algorithm_2 import AlternatingTrainer
from lnmn_tf.training.checkpoints import CheckpointFolder, Progress
from lnmn_tf.training.evaluation import Predictor, accuracy_table
from lnmn_tf.training.examples import TrainingExamples
from lnmn_tf.training.layout_supervision import LayoutSupervision
from lnmn_tf.training.optimizers import create_slots, structure_optimizer, weight_optimizer
from lnmn_tf.training.search import make_search
from lnmn_tf.training.shards import shards_for
from lnmn_tf.training.tensorboard import TENSORBOARD, Board, Texts
from lnmn_tf.training.watched import watch


def make_trainer(
    network: StackMachine,
    config: RunConfig,
    total_steps: int,
    like: AlternatingTrainer | None = None,
) -> AlternatingTrainer:
    """Algorithm 2 around a network, its optimizers ready for a checkpoint.

    Args:
        network: built.
        config: of the run.
        total_steps: of the training.
        like: a trainer whose compiled gradients and answers serve again, see `AlternatingTrainer.compute_as`; None = they are
            compiled, which takes longer than some hundred steps.
    """
    training = config.training
    weight = training.layout_loss_weight
    fixed = training.freeze_structure or training.genotype
    of_replica = training.batch_size // tf.distribute.get_strategy().num_replicas_in_sync
    trainer = AlternatingTrainer(
        network,
        sparsity=training.sparsity,
        structure_every=training.structure_every,
        unrolled=training.unrolled,
        search=None if fixed else make_search(training, total_steps),
        choose_step=training.choose_step(total_steps),
        answer_loss=training.answer_loss,
        clip_norm=training.clip_norm,
        shards=shards_for(of_replica, training.shards),
        xla=training.xla != "off",
        expert=LayoutSupervision(weight, network.module_names) if weight else None,
    )
    of_weights = weight_optimizer(training, total_steps)
    of_structure = structure_optimizer(training, total_steps)
    create_slots(of_weights, trainer.weights_of_network)
    create_slots(of_structure, trainer.structure)
    trainer.compile(optimizer=of_weights, arch_optimizer=of_structure)
    if training.genotype:  # each node is one operator from the first step on
        trainer.harden()
    if like is None:
        trainer.predictor = Predictor(network, training.batch_size, training.xla)
    else:
        trainer.compute_as(like)
    return trainer


def fit(
    trainer: AlternatingTrainer,
    examples: TrainingExamples,
    folder: CheckpointFolder,
    progress: Progress,
    flags: str = "",
    ledger: dict[str, str] | None = None,
    texts: Texts | None = None,
    stage: str = "train",
) -> callbacks.Clock:
    """Trains from `progress` to the last epoch. Returns the clock at the end.

    Args:
        trainer, examples, folder, progress: of the run.
        flags: a flagfile that gives the config.
        ledger: what each part of the run learns from.
        texts: what TensorBoard is to say of the network after each epoch.
        stage: what the progress is called.
    """
    training = examples.config.training
    clock = callbacks.Clock(progress, examples.steps_per_epoch, training.epochs)
    monitored = examples.structure.select(
        np.arange(min(training.monitor_questions, len(examples.structure.questions)))
    )

    def monitor() -> dict:
        return accuracy_table(trainer.predictor(monitored), monitored.questions)

    def describe(epoch: int, batch: int) -> str:
        (positions,) = examples.weight_batches(epoch, batch).map(lambda b: b["position"]).take(1)
        questions = examples.asked(epoch).questions
        return str(questions.question_index[positions.numpy()].tolist())

    strategy = trainer.distribute_strategy
    watchers = [
        callbacks.Schedule(clock, training),
        callbacks.StopOnNonFinite(clock, describe),
    ]
    first, total = replicas.is_first(strategy), clock.total_steps
    with Stage(stage, total, "steps", clock.step, made=folder.path, shown=first) as shown:
        if first:
            watched = watch(monitored, pictures_of(examples.config), training.batch_size)
            board = Board(
                folder.path.parent / TENSORBOARD,
                clock,
                examples.config,
                flags,
                ledger,
                watched,
                texts,
            )
            last_is_best = bool(trainer.structure) and trainer.choose_step is not None
            watchers += [
                callbacks.Progressbar(shown, training.epochs, training.batch_size),
                board,
                callbacks.Checkpoints(
                    folder, clock, monitor, training.checkpoint_steps, board, last_is_best
                ),
            ]
        while clock.epoch < training.epochs:
            # One `fit` an epoch, so that an epoch that begins in its middle is nothing special.
            trainer.fit(
                replicas.distribute(
                    strategy, functools.partial(examples.epoch, clock.epoch, clock.batch)
                ),
                steps_per_epoch=clock.steps_per_epoch - clock.batch,
                initial_epoch=clock.epoch,
                epochs=clock.epoch + 1,
                callbacks=watchers,
                verbose=0,
            )
    return clock


def pictures_of(config: RunConfig) -> list[Path]:
    """The folders of the pictures that the held-out questions are about."""
    data = config.data
    split = data.val_split if data.structure_split == "val" else data.train_split
    return [Path(data.data_dir) / "images" / folder for folder in data.folders_of(split)]
