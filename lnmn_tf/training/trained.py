"""A trained run, opened again: measuring a split, answering a question."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.config.modes import AT_EVALUATION, INFERENCE_ONLY
from lnmn_tf.config.run import label_of
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.data.vocabulary import UNKNOWN, Vocabulary, check_question, tokenize
from lnmn_tf.errors import InputError
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.training import evaluations
from lnmn_tf.training.checkpoints import CheckpointFolder
from lnmn_tf.training.evaluation import (
    Predictor,
    accuracy_table,
    format_table,
    write_for_server,
    write_predictions,
)
from lnmn_tf.training.examples import open_split
from lnmn_tf.training.networks import VOCABULARY, build_network, check_features
from lnmn_tf.training.objectives import answer_probabilities
from lnmn_tf.training.packed import is_packed, load_packed
from lnmn_tf.training.replicas import configure


class TrainedRun:
    """A run folder with the network of one of its checkpoints.

    Args:
        run_dir: the folder.
        config: of the run.
        vocabulary: of its training split.
        network: with the checkpoint's weights.
        checkpoint, step: whose weights they are: best or last, and its step.
    """

    def __init__(
        self,
        run_dir: Path,
        config: RunConfig,
        vocabulary: Vocabulary,
        network: StackMachine,
        checkpoint: str = "best",
        step: int = 0,
    ):
        self.run_dir, self.config = run_dir, config
        self.checkpoint, self.step = checkpoint, step
        self.vocabulary, self.network = vocabulary, network

    @classmethod
    def open(
        cls,
        run_dir: str | os.PathLike,
        checkpoint: str = "best",
        changes: Mapping[str, Any] | None = None,
    ) -> TrainedRun:
        """Reads a run folder.

        Args:
            run_dir: made by training, or by `pack`.
            checkpoint: "best" or "last".
            changes: fields of the config to change; those that the weights depend on may not.

        Raises:
            InputError: no run, no such checkpoint, or a change that the checkpoint does not allow.
        """
        run_dir = Path(run_dir)
        if checkpoint not in ("best", "last"):
            raise InputError(f"--checkpoint is {checkpoint!r}; expected best or last")
        saved = RunConfig.load(run_dir)
        for name, value in (changes or {}).items():
            if name not in AT_EVALUATION:
                raise InputError(
                    f"{label_of(name)} is {value!r}; expected no other value than that of {run_dir}, for only "
                    f"{', '.join(AT_EVALUATION)} may differ from the training"
                )
            if name in INFERENCE_ONLY and not hasattr(saved.model, name):
                raise InputError(
                    f"{label_of(name)} is unknown to --model={saved.model.model}, which {run_dir} is of; leave "
                    "it out"
                )
        config = saved.replace(**(changes or {}))
        if saved.training.num_seeds > 1 and not CheckpointFolder(run_dir).exists():
            seeds = ", ".join(sorted(path.name for path in run_dir.glob("seed_*")))
            raise InputError(
                f"{run_dir}: holds several runs; expected --run_dir of one of: {seeds}"
            )
        vocabulary = Vocabulary.load(run_dir / VOCABULARY)
        sizes = config.model.num_words, config.model.num_answers
        if (vocabulary.num_words, vocabulary.num_answers) != sizes:
            raise InputError(
                f"{run_dir / VOCABULARY}: has {vocabulary.num_words} words and "
                f"{vocabulary.num_answers} answers, but the run was trained with {sizes[0]} and "
                f"{sizes[1]}; expected the file that the run wrote"
            )
        configure(config.machine)
        network = build_network(config.model)
        if is_packed(run_dir):
            step = load_packed(network, run_dir)
        else:
            step = CheckpointFolder(run_dir).load_weights(network, checkpoint).step
        return cls(run_dir, config, vocabulary, network, checkpoint, step)

    def evaluate(self, split: str) -> dict:
        """Accuracy on a split, printed, and added to the run's evaluations.

        Returns:
            The accuracy table; empty for a split without answers.
        """
        data = self.config.data
        examples = open_split(self.config, split, self.vocabulary, data.max_val_questions)
        check_features(self.config.model, examples.store, data.features)
        predictor = Predictor(
            self.network, self.config.training.batch_size, self.config.training.xla
        )
        predictions = predictor(examples, shown=True)
        questions, table = examples.questions, {}
        if questions.answers is not None:
            table = accuracy_table(predictions, questions, data.vqa_rules)
            print(format_table({split: table}), flush=True)
        what = evaluations.describe(
            self.config, split, questions.source, questions.image_filenames, self.step
        )
        path = self.run_dir / f"predictions_{split}_{evaluations.short_name(what)}.txt"
        write_predictions(path, predictions, self.vocabulary)
        result = {"predictions": path.name, **({"accuracy": table} if table else {})}
        evaluations.append(self.run_dir, {"checkpoint": self.checkpoint, **what}, result)
        print(f"wrote {path}, and a record to {self.run_dir / evaluations.FILE}")
        if data.is_vqa:
            print(f"wrote {write_for_server(self.run_dir, split, predictions, questions)}")
        return table

    def inputs_of(self, image: str | os.PathLike, question: str) -> dict[str, tf.Tensor]:
        """A batch of one question about one picture.

        Args:
            image: a picture file, PNG or JPEG, of any size.
            question: in English.

        Returns:
            `image`, float32 [1, height, width, 3] in [0, 1], and `question`, int32 [1, words].

        Raises:
            InputError: no picture, no question, or a model that reads features.
        """
        model = self.config.model
        check_question(question)
        if not image:
            raise InputError("--image is empty; expected a picture file")
        if not model.image_height:
            raise InputError(
                f"{self.run_dir}: this model reads features, not pictures; expected a run that was "
                "trained with --image_size"
            )
        path = Path(os.path.abspath(image))  # resolve() would fail at a loop of links
        store = PixelStore(path.parent, "", [str(path)], model.image_height, model.image_width)
        ids = self.vocabulary.encode(question)
        if UNKNOWN in ids:
            unknown = [w for w, i in zip(tokenize(question), ids) if i == UNKNOWN]
            print(f"warning: unknown words become <unk>: {', '.join(unknown)}", file=sys.stderr)
        return {
            "image": tf.cast(store.read(np.array([0])), tf.float32) / 255.0,
            "question": tf.constant([ids], tf.int32),
        }

    def answer(self, image: str | os.PathLike, question: str) -> list[tuple[str, float]]:
        """Answers with their probabilities, the most likely first.

        Those of a run whose answer_loss is sigmoid are how right each answer is by itself, and do not add up
        to 1.

        Args, raises: see `inputs_of`.
        """
        logits = self.network(self.inputs_of(image, question), training=False)["logits"][0]
        probabilities = answer_probabilities(logits, self.config.training.answer_loss).numpy()
        order = np.argsort(-probabilities)
        return [(self.vocabulary.answers[i], float(probabilities[i])) for i in order]
