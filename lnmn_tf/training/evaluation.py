"""Accuracy, overall and for each family of questions, and the predictions themselves."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from lnmn_tf.data.pipeline import batches, explained_errors
from lnmn_tf.data.question_set import QuestionSet
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.data.vqa_results import vqa_table, write_results
from lnmn_tf.files import write_text
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.progress import Stage
from lnmn_tf.training.examples import Examples
from lnmn_tf.training.shards import Batch, Sharded, shards_for

INPUTS = ("question", "image", "features")


# Compiling takes some seconds, in which a plain graph answers this many questions of the quickstart.
COMPILED_FROM = 10_000


class Predictor:
    """Answers all questions of a set, one graph for all calls.

    Args:
        network: a built model.
        batch_size: questions at a time.
        xla: auto, on or off; auto = compile for `COMPILED_FROM` questions or more.
    """

    def __init__(self, network: StackMachine, batch_size: int, xla: str = "auto"):
        self.batch_size = batch_size
        self._compiled_from = {"auto": COMPILED_FROM, "on": 0, "off": math.inf}[xla]

        def answer(inputs: Batch) -> tf.Tensor:
            return network(inputs, training=False)["logits"]

        sharded = Sharded(answer, shards_for(batch_size))
        self._plain = tf.function(answer, autograph=False)
        self._compiled = tf.function(
            lambda inputs: tf.concat(sharded(network.encode(inputs)), axis=0), autograph=False
        )

    def graph(self, questions: int) -> tf.types.experimental.GenericFunction:
        """Logits of a batch, [batch_size, answers], in the way that pays for so many questions."""
        return self._compiled if questions >= self._compiled_from else self._plain

    def __call__(self, examples: Examples, made: object = "", shown: bool = False) -> np.ndarray:
        """Answer ids, int32 [N], in the order of the questions; `made` and `shown` as in `Stage`."""
        dataset = batches(examples.questions, examples.store, self.batch_size, shuffle=False)
        count = len(examples.questions)
        answer, parts = self.graph(count), []
        stage = Stage("answer", count, "questions", made=made, shown=shown)
        with explained_errors(), stage:
            for batch in dataset:
                logits = answer({name: batch[name] for name in INPUTS if name in batch})
                parts.append(np.argmax(logits, axis=-1).astype(np.int32))
                stage.update(min(self.batch_size, count - (len(parts) - 1) * self.batch_size))
        return np.concatenate(parts)[:count]


def accuracy_table(
    predictions: np.ndarray, questions: QuestionSet, vqa_rules: str = "official"
) -> dict:
    """Share of right answers; of VQA's, the official accuracy.

    Args:
        predictions: answer ids, [N].
        questions: N questions with answers.
        vqa_rules: how VQA's answers are compared, see `lnmn_tf.data.vqa_accuracy`.

    Returns:
        {"accuracy": in [0, 1], "families": {family: accuracy}, "hops": {h: {family: accuracy}}, "questions": N};
        "hops" has those questions alone whose programs go h times from one object to another. A family without
        questions is left out. For VQA, see `vqa_table`.
    """
    if questions.annotations is not None:
        return vqa_table(_spelt(predictions, questions.vocabulary), questions, vqa_rules)
    right = predictions == questions.answers

    def of_families(asked: np.ndarray) -> dict[str, float]:
        chosen = {
            name: right[asked & (questions.families == index)]
            for index, name in enumerate(questions.family_names)
        }
        return {
            name: float(of_family.mean()) for name, of_family in chosen.items() if len(of_family)
        }

    hops = questions.hop_counts
    return {
        "accuracy": float(right.mean()),
        "families": of_families(np.ones_like(right)),
        "hops": {str(h): of_families(hops == h) for h in np.unique(hops)},
        "questions": len(questions),
    }


def write_predictions(
    path: str | os.PathLike, predictions: np.ndarray, vocabulary: Vocabulary
) -> None:
    """Writes one answer a line in the order of the questions, as CLEVR's test server wants it."""
    write_text(path, (f"{answer}\n" for answer in _spelt(predictions, vocabulary)))


def write_for_server(
    run_dir: Path, split: str, predictions: np.ndarray, questions: QuestionSet
) -> Path:
    """Writes predictions as VQA's evaluation server wants them. Returns the path."""
    path = run_dir / f"vqa_OpenEnded_mscoco_{split}_{run_dir.resolve().name}_results.json"
    write_results(path, _spelt(predictions, questions.vocabulary), questions)
    return path


def _spelt(predictions: np.ndarray, vocabulary: Vocabulary) -> list[str]:
    return [vocabulary.answers[index] for index in predictions]


def format_table(tables: dict[str, dict]) -> str:
    """Accuracies in percent as text: a row for each table, a column for each family.

    Args:
        tables: what `accuracy_table` returned, by a name.
    """
    columns = [
        "accuracy",
        *dict.fromkeys(f for table in tables.values() for f in table["families"]),
    ]
    width = max(map(len, tables))
    lines = [" " * width + "".join(f"  {column}" for column in columns)]
    for name, table in tables.items():
        values = {"accuracy": table["accuracy"], **table["families"]}
        cells = (
            f"  {100 * values[c]:{len(c)}.1f}" if c in values else "  " + "-".rjust(len(c))
            for c in columns
        )
        lines.append(name.ljust(width) + "".join(cells))
    return "\n".join(lines)
