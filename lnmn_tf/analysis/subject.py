"""What is analysed: a trained network, and the questions of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from lnmn_tf.analysis import interrupts
from lnmn_tf.analysis.probe import Probe
from lnmn_tf.config import RunConfig
from lnmn_tf.data.image_store import ImageStore
from lnmn_tf.data.pipeline import batches
from lnmn_tf.data.question_set import QuestionSet
from lnmn_tf.data.vocabulary import UNKNOWN, Vocabulary
from lnmn_tf.errors import InputError
from lnmn_tf.training.examples import Examples, open_split
from lnmn_tf.training.networks import check_features
from lnmn_tf.training.run import METRICS
from lnmn_tf.training.trained import TrainedRun

_BATCH_FLOATS = 2**20  # of one map [positions, map_dim] for each example of a batch
_UNKNOWN_WORDS = 0.2  # a larger share says that the questions are of other data


class Batch(NamedTuple):
    """Questions of a batch, encoded."""

    encoded: dict[str, Any]  # what `Probe.answer` takes
    inputs: dict[str, tf.Tensor]  # what the network itself takes
    answers: tf.Tensor | None  # ids, [batch]
    weight: tf.Tensor  # 1, or 0 for an example that only fills up the last batch, [batch]
    positions: np.ndarray  # of the real examples in the question set, [at most batch]

    @property
    def real(self) -> int:
        """How many examples are real; they come first."""
        return len(self.positions)


@dataclass
class Subject:
    """A network and questions for it.

    Args:
        probe: of the network.
        examples: the questions and their images, or features of these.
        vocabulary: of the network.
        split: its name.
        config: of the run, or None for a network that belongs to none.
        folder: for tables and pictures, or None.
        pictures: what `examples` holds the features of; None where there are no pictures.
    """

    probe: Probe
    examples: Examples
    vocabulary: Vocabulary
    split: str = "val"
    config: RunConfig | None = None
    folder: Path | None = None
    pictures: ImageStore | None = None

    @classmethod
    def open(
        cls,
        run_dir: str | Path,
        split: str = "",
        checkpoint: str = "best",
        changes: Mapping[str, Any] | None = None,
    ) -> Subject:
        """Opens a run folder; a frozen image encoder sees each picture once, here.

        Raises:
            InputError: no run, an unfinished one without `checkpoint` "last", no such split, or the
                split of another data set.
        """
        run_dir = Path(run_dir)
        run = TrainedRun.open(run_dir, checkpoint, changes)
        if checkpoint != "last" and not (run_dir / METRICS).exists():
            raise InputError(
                f"{run_dir}: has no {METRICS}, for its training is not finished; expected a finished "
                "run, or --checkpoint=last for what it has learned so far"
            )
        data = run.config.data
        split = split or data.val_split
        examples = open_split(run.config, split, run.vocabulary, data.max_val_questions)
        check_features(run.config.model, examples.store, data.features)
        check_words(examples.questions, run_dir)
        pictures = examples.store if examples.store.key == "image" else None
        if pictures is not None:
            examples = examples.encoded(run.network.image_encoder)
        probe, folder = Probe(run.network), run_dir / "analysis"
        return cls(probe, examples, run.vocabulary, split, run.config, folder, pictures)

    @property
    def questions(self) -> QuestionSet:
        return self.examples.questions

    @property
    def families(self) -> tuple[str, ...]:
        """The families of questions that the split has, in the order of the data set."""
        present = set(self.questions.families.tolist())
        return tuple(n for i, n in enumerate(self.questions.family_names) if i in present)

    def need_answers(self, what: str) -> None:
        """Raises InputError for a split without answers."""
        if self.questions.answers is None:
            raise InputError(
                f"{self.questions.source}: has no answers; --what={what} expected a split that has"
            )

    def need_families(self, what: str) -> None:
        """Raises InputError for a split that does not tell families of questions apart."""
        if not self.families:
            raise InputError(
                f"{self.questions.source}: has no programs, by which questions have a family; "
                f"--what={what} expected a split that has"
            )

    @property
    def batch_size(self) -> int:
        """Questions at a time: 256, or fewer where there are not so many, or maps are large."""
        height, width, _ = self.examples.store.shape
        network: Any = self.probe.network
        chooses = getattr(network, "chooses_places", False)
        places = network.config.attended_places if chooses else height * width
        channels = getattr(network.config, "map_dim", network.config.kb_dim)
        size = _BATCH_FLOATS // (places * channels)
        enough = 2 ** int(np.ceil(np.log2(len(self.questions))))
        return int(np.clip(2 ** int(np.log2(max(size, 1))), 8, max(min(enough, 256), 8)))

    def batches(self, indices: np.ndarray | None = None) -> Iterator[Batch]:
        """All questions, or those at `indices`, in that order."""
        examples = self.examples if indices is None else self.examples.select(indices)
        key = examples.store.key
        dataset = batches(examples.questions, examples.store, self.batch_size, shuffle=False)
        for batch in dataset:
            interrupts.check()
            inputs = {name: batch[name] for name in (key, "question")}
            real = int(tf.reduce_sum(batch["weight"]))
            positions = batch["position"].numpy()[:real]
            yield Batch(
                self.probe.encode(inputs),
                inputs,
                batch.get("answer"),
                batch["weight"],
                positions if indices is None else np.asarray(indices)[positions],
            )

    def chunks(self, size: int) -> Iterator[tuple[str, np.ndarray]]:
        """Names and indices of consecutive parts of the questions, whole batches each."""
        size = max(size // self.batch_size, 1) * self.batch_size
        for first in range(0, len(self.questions), size):
            indices = np.arange(first, min(first + size, len(self.questions)))
            yield f"questions_{first}_{indices[-1] + 1}", indices

    def fingerprint(self) -> dict[str, Any]:
        """What results depend on: weights and questions, as a key of a `Ledger`."""
        digest = hashlib.sha256()
        for variable in self.probe.network.variables:
            digest.update(variable.numpy().tobytes())
        questions = hashlib.sha256(self.questions.question_ids.tobytes())
        questions.update(self.questions.question_index.tobytes())
        return {
            "weights": digest.hexdigest(),
            "questions": questions.hexdigest(),
            "split": self.split,
        }


def check_words(questions: QuestionSet, run_dir: Path) -> None:
    """Refuses questions of which the run does not know the words: they are another data set's."""
    ids = questions.question_ids
    words = np.arange(ids.shape[1]) < questions.lengths[:, None]
    share = float(np.mean(ids[words] == UNKNOWN)) if words.any() else 0.0
    if share > _UNKNOWN_WORDS:
        raise InputError(
            f"{questions.source}: {100 * share:.0f} % of its words are unknown to {run_dir}; expected "
            "questions of the data set that the run was trained on"
        )
