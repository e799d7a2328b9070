"""The examples of a run: which questions and images are trained on, and in which order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.data.features import FeatureStore
from lnmn_tf.data.image_store import ImageStore
from lnmn_tf.data.joined_store import JoinedStore
from lnmn_tf.data.pipeline import batches, num_batches
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.data.question_set import QuestionSet, split_for_structure
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.data.vqa_files import pictures_in
from lnmn_tf.errors import InputError
from lnmn_tf.layers.encoders import ImageEncoder
from lnmn_tf.training.encoded_store import EncodedStore
from lnmn_tf.training.fresh import FreshSource, with_lexicon
from lnmn_tf.training.layout_supervision import expert_columns
from lnmn_tf.training.reading import answerable, read_split, read_training
from lnmn_tf.training.replicas import WHOLE, Part


@dataclass(frozen=True, eq=False)
class Examples:
    """Questions and their images."""

    questions: QuestionSet
    store: ImageStore

    def select(self, indices: np.ndarray) -> Examples:
        """Some of the questions, in that order; the images stay."""
        return Examples(self.questions.select(indices), self.store)

    def encoded(self, encoder: ImageEncoder) -> Examples:
        """The same questions about features, which a frozen encoder makes of the pictures once."""
        return Examples(self.questions, EncodedStore(self.store, encoder))


def open_split(
    config: RunConfig,
    split: str,
    vocabulary: Vocabulary | None = None,
    max_questions: int = 0,
) -> Examples:
    """Reads one split as the config says.

    Args:
        config: `data` and the size of pictures.
        split: its name.
        vocabulary: of the training split; None builds it.
        max_questions: only the first ones; 0 = all.

    Raises:
        InputError: see `read_questions`, `PixelStore` and `FeatureStore`.
    """
    return with_images(config, split, read_split(config, split, vocabulary, max_questions))


def with_images(config: RunConfig, split: str, questions: QuestionSet) -> Examples:
    """Questions of a split with their pictures or features."""
    folders = config.data.folders_of(split)
    if len(folders) == 1:
        store = _store(config, folders[0], questions, slice(None), questions.images_in_split)
        return Examples(questions, store)
    stores = []
    for folder in folders:  # whose images lie one after another, named after the folder
        own = [f"_{folder}_" in name for name in questions.image_filenames]
        present = pictures_in(Path(config.data.data_dir) / "images" / folder)
        in_folder = len(present) if present else None
        stores.append(_store(config, folder, questions, np.flatnonzero(own), in_folder))
    return Examples(questions, JoinedStore(stores, folders))


def _store(
    config: RunConfig,
    folder: str,
    questions: QuestionSet,
    images: np.ndarray | slice,
    images_in_split: int | None,
) -> ImageStore:
    """Some of the images of a question set, all of one folder."""
    data, cache_bytes = config.data, config.data.cache_mb << 20
    names = tuple(np.array(questions.image_filenames, object)[images])
    if data.features:
        return FeatureStore(
            data.features.replace("{split}", folder),
            questions.image_rows[images],
            names=names,
            pictures=f"{data.data_dir}/images/{folder}",
            images_in_split=images_in_split,
            cache_bytes=cache_bytes,
        )
    model = config.model
    return PixelStore(
        data.data_dir,
        folder,
        names,
        model.image_height,
        model.image_width,
        cache_bytes=cache_bytes,
    )


@dataclass(frozen=True, eq=False)
class TrainingExamples:
    """What Algorithm 2 reads: a training part, and a part that the weights never see.

    Args:
        weights: for the weights.
        structure: for the structure, and for choosing the best checkpoint.
        config: of the run.
        fresh: asks new questions about the images of the training part in every epoch, in the place of
            its own; None where these are trained on.
    """

    weights: Examples
    structure: Examples
    config: RunConfig
    fresh: FreshSource | None = None

    @classmethod
    def open(cls, config: RunConfig) -> TrainingExamples:
        """Reads the training split, and the validation split where structure batches come from it."""
        data = config.data
        train = with_images(config, data.train_split, read_training(config))
        if data.fresh_questions:
            train = Examples(with_lexicon(train.questions, data.data_dir), train.store)
        if data.structure_split == "val":
            structure = open_split(config, data.val_split, train.questions.vocabulary)
            structure = Examples(answerable(structure.questions), structure.store)
            weights = train
        else:
            weights, structure = (
                Examples(part, train.store)
                for part in split_for_structure(
                    train.questions, data.structure_fraction, config.training.seed
                )
            )
        fresh = FreshSource.open(weights.questions, config) if data.fresh_questions else None
        examples = cls(weights, structure, config, fresh)
        examples.check_sizes()
        return examples

    @property
    def vocabulary(self) -> Vocabulary:
        return self.weights.questions.vocabulary

    def encoded(self, encoder: ImageEncoder) -> TrainingExamples:
        """The same with features, which a frozen encoder makes of the pictures once."""
        weights = self.weights.encoded(encoder)
        same = self.structure.store is self.weights.store
        structure = (
            Examples(self.structure.questions, weights.store)
            if same
            else self.structure.encoded(encoder)
        )
        return TrainingExamples(weights, structure, self.config, self.fresh)

    def check_sizes(self) -> None:
        """Refuses parts that do not fill a batch, and a warm-up longer than the run."""
        training = self.config.training
        for part in (self.weights, self.structure):
            if len(part.questions) < training.batch_size:
                raise InputError(
                    f"--batch_size is {training.batch_size}, but {part.questions.source} has only "
                    f"{len(part.questions)} questions for this part of the training; expected at "
                    "most as many"
                )
        if self.structure.questions.answers is None:
            raise InputError(
                f"{self.structure.questions.source}: has no answers; --structure_split=val needs them"
            )
        if training.warmup_steps >= self.total_steps:
            raise InputError(
                f"warmup_steps is {training.warmup_steps}; expected less than the run's "
                f"{self.total_steps} steps"
            )

    def asked(self, epoch: int) -> Examples:
        """What an epoch trains the weights on: the training part, or fresh questions in its place."""
        if self.fresh is None:
            return self.weights
        fresh = self.fresh.instead_of(self.weights.questions, epoch)
        return Examples(fresh, self.weights.store)

    @property
    def steps_per_epoch(self) -> int:
        """Weight steps; an epoch leaves out its last, incomplete batch."""
        return num_batches(
            self.weights.questions, self.config.training.batch_size, drop_remainder=True
        )

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.config.training.epochs

    def epoch(self, epoch: int, start: int, part: Part = WHOLE) -> tf.data.Dataset:
        """Pairs (weight batch, structure batch) of an epoch, from batch `start` on.

        A pure function of seed, epoch and start: a run that was killed goes on where it was. A worker
        reads its part of each batch. Once the nodes have chosen, or where the structure is given, zeros stand in
        the place of structure batches, which nobody uses and nobody reads.
        """
        step = self.steps_per_epoch * epoch + start
        steps = self.steps_per_epoch - start
        pairs = tf.data.Dataset.zip(
            (self.weight_batches(epoch, start, part), self._structure_batches(step, steps, part))
        )
        return pairs.apply(tf.data.experimental.assert_cardinality(steps))

    def weight_batches(self, epoch: int, start: int, part: Part = WHOLE) -> tf.data.Dataset:
        """The training batches of an epoch, from batch `start` on."""
        examples, columns = self.asked(epoch), None
        if self.config.training.layout_loss_weight:
            columns = expert_columns(examples.questions, self.config.model.num_steps)
        return self._batches(examples, epoch, start, part, columns)

    def _structure_batches(self, step: int, steps: int, part: Part) -> tf.data.Dataset:
        """One structure batch for each of so many steps from `step` on.

        Epochs of the structure part follow one another; each batch stands `structure_every` times,
        as only one step of so many uses it.
        """
        every = self.config.training.structure_every
        per_epoch = num_batches(
            self.structure.questions, self.config.training.batch_size, drop_remainder=True
        )
        training = self.config.training
        fixed = training.genotype or training.freeze_structure
        chosen = 0 if fixed else training.choose_step(self.total_steps)
        searching = steps if chosen is None else min(max(chosen - step, 0), steps)
        # Batches, the last included; the first is there for its shapes, if for nothing else.
        first, last = step // every, (step + max(searching, 1) - 1) // every
        stream = None
        for epoch in itertools.count(first // per_epoch):
            if epoch * per_epoch > last:
                break
            start = first % per_epoch if stream is None else 0
            more = self._batches(self.structure, epoch, start, part)
            stream = more if stream is None else stream.concatenate(more)
        stream = stream.flat_map(lambda batch: tf.data.Dataset.from_tensors(batch).repeat(every))
        zeros = tf.nest.map_structure(lambda x: tf.zeros(x.shape, x.dtype), stream.element_spec)
        unused = tf.data.Dataset.from_tensors(zeros).repeat(steps - searching)
        return stream.skip(step % every).take(searching).concatenate(unused)

    def _batches(
        self,
        examples: Examples,
        epoch: int,
        start: int,
        part: Part,
        columns: dict[str, np.ndarray] | None = None,
    ) -> tf.data.Dataset:
        training = self.config.training
        return batches(
            examples.questions,
            examples.store,
            training.batch_size,
            shuffle=True,
            seed=training.seed,
            epoch=epoch,
            start=start,
            drop_remainder=True,
            window_bytes=self.config.data.window_mb << 20,
            part=(part.index, part.count),
            columns=columns,
        )
