"""A training run: data, network, Algorithm 2, checkpoints, and the report at its end."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.data.pipeline import explained_errors
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_json, write_text
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.progress import Stage
from lnmn_tf.training import callbacks, evaluations, replicas
from lnmn_tf.training.baselines import baselines
from lnmn_tf.training.checkpoints import CheckpointFolder, Progress
from lnmn_tf.training.encoder_progress import EncoderProgress
from lnmn_tf.training.evaluation import Predictor, accuracy_table, format_table, write_predictions
from lnmn_tf.training.examples import Examples, TrainingExamples, open_split
from lnmn_tf.training.fitting import fit, make_trainer
from lnmn_tf.training.frozen_encoder import give_encoder
from lnmn_tf.training.layout_supervision import check_layouts
from lnmn_tf.training.networks import VOCABULARY, build_network, check_features, sizes_of
from lnmn_tf.training.run_folder import METRICS, PREDICTIONS, RunFolder
from lnmn_tf.training.search_first import search_first
from lnmn_tf.training.sound_data import check_images
from lnmn_tf.training.structure_history import SEARCH
from lnmn_tf.training.supervision import describe as describe_supervision
from lnmn_tf.training.supervision import supervision
from lnmn_tf.training.tensorboard import TENSORBOARD, Texts, write_result
from lnmn_tf.training.warm_start import begin

FLAGS = "flags.txt"
logger = logging.getLogger(__name__)


def train(config: RunConfig, run_dir: Path, flags: str = "", texts: Texts | None = None) -> dict:
    """Trains one seed, or goes on where a run was stopped, and reports.

    Args:
        config: of the run.
        run_dir: its folder, made where it is missing.
        flags: a flagfile that gives the config, for `flags.txt`.
        texts: what TensorBoard is to say of the network after each epoch.

    Returns:
        What it also writes to `metrics.json`; nothing on other workers than the first, which alone
        writes and measures.

    A finished run is left as it is.

    Raises:
        InputError: anything wrong with config, data or checkpoint, before training begins; another
            process trains in the folder; later, a loss that is not finite, or a full disk.
    """
    run_folder = RunFolder(run_dir)
    finished = run_folder.finished(config)
    if finished is not None:
        return finished
    replicas.configure(config.machine)
    strategy = replicas.make_strategy(config.machine.strategy)
    first = replicas.is_first(strategy)
    replicas.check_batch(strategy, config.training)
    if config.training.search_epochs and strategy.num_replicas_in_sync > 1:
        raise InputError(
            f"search_epochs is {config.training.search_epochs}, which one device alone can do; expected --strategy=one, "
            "or search_epochs=0"
        )
    examples = TrainingExamples.open(config)
    reported = open_split(
        config, config.data.val_split, examples.vocabulary, config.data.max_val_questions
    )
    if reported.questions.answers is None:
        raise InputError(
            f"{reported.questions.source}: has no answers; expected a --val_split with answers"
        )
    config = config.replace(**sizes_of(examples))
    check_features(config.model, reported.store, config.data.features)
    coverage = check_layouts(config, examples.weights.questions)
    if first and coverage:
        print(coverage, flush=True)
    with run_folder.locked() if first else contextlib.nullcontext():
        return _train(config, run_dir, flags, strategy, examples, reported, texts)


def _train(
    config: RunConfig,
    run_dir: Path,
    flags: str,
    strategy: tf.distribute.Strategy,
    examples: TrainingExamples,
    reported: Examples,
    texts: Texts | None,
) -> dict:
    """`train` in a folder that is ours, with all data opened."""
    first = replicas.is_first(strategy)
    folder = CheckpointFolder(run_dir)
    if (run_dir / SEARCH).exists() or folder.exists() or EncoderProgress(run_dir).exists():
        _check_vocabulary(examples.vocabulary, run_dir)
        config.check_fits(RunConfig.load(run_dir), run_dir)
    if first:
        stores = (examples.weights.store, examples.structure.store, reported.store)
        check_images(stores, run_dir)
        RunFolder(run_dir).set_results_aside()
        config.save(run_dir)
        write_text(run_dir / FLAGS, flags)
        examples.vocabulary.save(run_dir / VOCABULARY)

    tf.keras.utils.set_random_seed(config.training.seed)
    eyesight = {}
    with strategy.scope():
        network = build_network(config.model)
    if config.training.pretrains_encoder:
        eyesight = give_encoder(network, config, examples, reported, folder)
        examples = examples.encoded(network.image_encoder)
        reported = reported.encoded(network.image_encoder)
    if not folder.exists():
        for line in begin(network, config.training, examples.vocabulary):
            print(line, flush=True)
    if config.training.freeze_words:
        network.question_encoder.embedding.trainable = False
    given = config
    if config.training.search_epochs:
        found = search_first(network, config, examples, run_dir)
        if found is not None:
            given = config.replace(genotype=str(found))
            examples = dataclasses.replace(examples, config=given)
    with strategy.scope():
        trainer = make_trainer(network, given, examples.total_steps)
    _warn_of_short_run(config, examples.total_steps)
    progress = Progress()
    if folder.exists():
        progress = folder.restore(trainer)
        print(f"goes on from step {progress.step} of {examples.total_steps}", flush=True)
    ledger = supervision(config)
    if first:
        print(f"what is learned from what:\n{describe_supervision(ledger)}", flush=True)
    with replicas.explained_loss_of_a_worker(), explained_errors():
        clock = fit(trainer, examples, folder, progress, flags, ledger, texts)
    metrics = {}
    if first:
        metrics = report(network, config, examples, reported, clock, run_dir, eyesight)
    replicas.wait_for_all(strategy)
    return metrics


def report(
    network: StackMachine,
    config: RunConfig,
    examples: TrainingExamples,
    reported: Examples,
    clock: callbacks.Clock,
    run_dir: Path,
    eyesight: dict[str, float],
) -> dict:
    """Measures the best checkpoint of a run that is at its end. Returns and writes the metrics."""
    progress = CheckpointFolder(run_dir).load_weights(network, "best")
    best = evaluations.describe(
        config,
        config.data.val_split,
        reported.questions.source,
        reported.questions.image_filenames,
        progress.step,
    )
    predictor = Predictor(network, config.training.batch_size, config.training.xla)
    predictions = predictor(reported, made=run_dir / PREDICTIONS, shown=True)
    write_predictions(run_dir / PREDICTIONS, predictions, examples.vocabulary)
    metrics: dict[str, Any] = {
        "val": accuracy_table(predictions, reported.questions, config.data.vqa_rules),
        "baselines": {},
        "image_encoder": eyesight,
        "supervision": supervision(config),
        "held_out": {"accuracy": clock.best_accuracy, "step": clock.best_step},
        "steps": clock.step,
        "seconds": clock.seconds,
        "tensorboard_share": clock.board_share,
        "parameters": int(sum(np.prod(v.shape) for v in network.trainable_variables)),
    }
    if config.training.baselines:
        with Stage("train the baselines", made=run_dir / METRICS):
            metrics["baselines"] = baselines(
                examples.weights.questions, reported.questions, config.training.seed
            )
    evaluations.append(
        run_dir,
        {"checkpoint": "best", **best},
        {"predictions": PREDICTIONS, "accuracy": metrics["val"]},
    )
    EncoderProgress(run_dir).remove()
    write_json(run_dir / METRICS, metrics)
    write_result(run_dir / TENSORBOARD, metrics)
    print(format_table({config.data.val_split: metrics["val"], **metrics["baselines"]}))
    for name, table in metrics["baselines"].items():
        if metrics["val"]["accuracy"] <= table["accuracy"]:
            logger.warning(
                "the run is no better than the baseline %s (%.1f %%), which sees no picture: more data, "
                "more --epochs or another --learning_rate may help",
                name,
                100 * table["accuracy"],
            )
    return metrics


def _warn_of_short_run(config: RunConfig, total_steps: int) -> None:
    if config.training.warmup_steps > total_steps / 2:
        logger.warning(
            "warmup_steps is %d of the run's %d steps: the learning rate hardly gets to its height; "
            "fewer of them, more --epochs, or a smaller --batch_size may help",
            config.training.warmup_steps,
            total_steps,
        )


def _check_vocabulary(vocabulary: Vocabulary, run_dir: Path) -> None:
    saved = Vocabulary.load(run_dir / VOCABULARY)
    if saved.hash != vocabulary.hash:
        raise InputError(
            f"{run_dir / VOCABULARY}: has {saved.num_words} words and {saved.num_answers} answers, "
            f"but the training split gives {vocabulary.num_words} and {vocabulary.num_answers}, or "
            "others; expected the data that the run began with, or another --run_dir"
        )
