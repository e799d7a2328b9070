"""Fresh questions in a run: the embedded world asks anew about the training pictures in every epoch."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from lnmn_tf.config import RunConfig
from lnmn_tf.data.clevr import scenes_path
from lnmn_tf.data.expert_layouts import layout_ids
from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.data.programs import FAMILIES, count_hops, family_of
from lnmn_tf.data.question_set import NO_MODULE, QuestionSet, pad, padded
from lnmn_tf.errors import InputError
from lnmn_tf.world import lexicon, templates
from lnmn_tf.world.asking import NOUNS, Asked
from lnmn_tf.world.fresh import fresh_questions, program_of
from lnmn_tf.world.generator import end_with_parent
from lnmn_tf.world.scene_table import SceneTable


def with_lexicon(questions: QuestionSet, data_dir: str) -> QuestionSet:
    """The same questions, with a vocabulary that holds all words and answers of the world's templates.

    The words of the questions keep their ids.

    Raises:
        InputError: `data_dir` is no embedded world.
    """
    types, _ = _asked_by_world(data_dir)
    vocabulary = questions.vocabulary.extended(lexicon.texts_of(types), lexicon.answers_of(types))
    return dataclasses.replace(questions, vocabulary=vocabulary)


class FreshSource:
    """Asks about the images of a training part; a process of its own is one epoch ahead.

    Args:
        part: the training part, whose questions are replaced.
        table: the scenes of its images, in the order of `images`.
        images: int [I], which images of `part` they are.
        types: of questions.
        questions_per_image: as in the world's files.
        seed: of the run.
        epochs: of the run; none is asked beyond them.
    """

    def __init__(
        self,
        part: QuestionSet,
        table: SceneTable,
        images: np.ndarray,
        types: tuple[str, ...],
        questions_per_image: int,
        seed: int,
        epochs: int,
    ):
        self._part, self._images, self._epochs = part, images, epochs
        context = multiprocessing.get_context("spawn")  # a fork would copy TensorFlow's locks
        self._worker = ProcessPoolExecutor(
            1,
            context,
            initializer=_prepare,
            initargs=(table, types, questions_per_image, seed, part.vocabulary),
        )
        self._futures: dict[int, Future] = {}
        self._epoch, self._questions = -1, part

    @classmethod
    def open(cls, part: QuestionSet, config: RunConfig) -> FreshSource:
        """Reads the scenes of a training part.

        Raises:
            InputError: the folder is no embedded world, or has no scene of an image.
        """
        data = config.data
        types, questions_per_image = _asked_by_world(data.data_dir)
        images = np.unique(part.image_index)
        path = scenes_path(data.data_dir, data.train_split)
        wanted = {part.image_filenames[image]: row for row, image in enumerate(images)}
        scenes = [None] * len(images)
        for scene in stream_array(path, "scenes"):
            row = wanted.pop(scene.get("image_filename"), None)
            if row is not None:
                scenes[row] = scene
        if wanted:
            raise InputError(f"{path}: has no scene of {min(wanted)}; --fresh_questions needs it")
        training = config.training
        return cls(
            part,
            SceneTable(scenes),
            images,
            types,
            questions_per_image,
            training.seed,
            training.epochs,
        )

    def instead_of(self, part: QuestionSet, epoch: int) -> QuestionSet:
        """As many fresh questions as `part` has, with no more words or relations than its own.

        A pure function of the run's seed and the epoch. Which of too many are left out is drawn; too
        few, as a small world may give, are asked again.

        Args:
            part: questions of the training part.
            epoch: of the run.
        """
        fresh = self._of_epoch(epoch)
        fits = (fresh.lengths <= part.max_length) & (fresh.hop_counts <= part.hop_counts.max())
        fitting = np.flatnonzero(fits)
        if not len(fitting):
            raise InputError(
                f"{part.source}: the world asks no question as short as the {len(part)} of epoch "
                f"{epoch}; expected --nofresh_questions"
            )
        order = np.random.default_rng([epoch, len(part)]).permutation(fitting)
        return fresh.select(np.resize(order, len(part))).padded_to(part.max_length)

    def _of_epoch(self, epoch: int) -> QuestionSet:
        """All questions of an epoch; those of the next one are then begun."""
        if epoch != self._epoch:
            self._begin(epoch)
            try:
                columns = self._futures.pop(epoch).result()
            except BrokenProcessPool:
                raise InputError(
                    "--fresh_questions: the process that asks them was killed, most likely for want of "
                    "memory; start again to go on from the last checkpoint"
                ) from None
            self._futures.clear()
            image_index = self._images[columns.pop("scenes")].astype(np.int32)
            self._questions = dataclasses.replace(self._part, image_index=image_index, **columns)
            self._epoch = epoch
        if epoch + 1 < self._epochs:
            self._begin(epoch + 1)
        return self._questions

    def _begin(self, epoch: int) -> None:
        if epoch not in self._futures:
            self._futures[epoch] = self._worker.submit(_ask, epoch)


_arguments: tuple = ()


def _prepare(*arguments) -> None:
    """Keeps, in the worker, what all epochs have in common."""
    global _arguments
    _arguments = arguments
    end_with_parent()


def _ask(epoch: int) -> dict:
    """The fields of a QuestionSet that are other in every epoch, and `scenes`, rows of the table."""
    table, types, questions_per_image, seed, vocabulary = _arguments
    fresh = fresh_questions(table, types, questions_per_image, seed, epoch)
    question_ids, lengths = pad(map(vocabulary.encode, fresh.texts))
    functions = [
        [function for function, _, _ in (word.partition(":") for word in family.sketch)]
        for family in templates.FAMILIES
    ]
    kinds = np.array([FAMILIES.index(family_of(words)) for words in functions], np.int8)
    hops = np.array([count_hops(words) for words in functions], np.int16)
    return {
        "source": f"fresh questions of epoch {epoch}",
        "scenes": fresh.scenes,
        "question_ids": question_ids,
        "lengths": lengths,
        "answers": np.array(
            [vocabulary.encode_answer(answer) for answer in fresh.answers], np.int32
        ),
        "families": kinds[fresh.families],
        "question_family_index": fresh.families.astype(np.int32),
        "program_lengths": fresh.program_lengths,
        "hop_counts": hops[fresh.families],
        "question_index": np.arange(len(fresh.texts), dtype=np.int32),
        "texts": np.array(fresh.texts, object),
        "layouts": _layouts(fresh.asked),
    }


def _layouts(asked: Sequence[Asked]) -> np.ndarray:
    """The expert layout of each question, as a QuestionSet has them.

    It depends on the family, and on which nouns name an attribute at all: "thing" has no filter.
    """
    layouts, known = [], {}
    for question in asked:
        key = question.family, *(slot for slot, ids in question.nouns.items() if NOUNS[ids])
        if key not in known:
            known[key] = layout_ids(program_of(question))
        layouts.append(known[key])
    flat = np.array([module for layout in layouts for module in layout], np.int8)
    return padded(flat, np.array([len(layout) for layout in layouts]), NO_MODULE)


def _asked_by_world(data_dir: str) -> tuple[tuple[str, ...], int]:
    """The types of a world's questions, and how many it asks about each image.

    Raises:
        InputError: the folder has no `world.json`, or another than the generator writes.
    """
    path = Path(data_dir) / "world.json"
    try:
        world = json.loads(path.read_text(encoding="utf-8"))["world"]
        types, count = tuple(world["question_types"]), world["questions_per_image"]
    except FileNotFoundError:
        raise InputError(
            f"{path}: is missing; --fresh_questions needs an embedded world, made by --mode=generate"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is not what --mode=generate writes ({error!r})") from None
    if type(count) is not int or count < 1 or not all(isinstance(name, str) for name in types):
        raise InputError(f"{path}: is not what --mode=generate writes; expected another --data_dir")
    return types, count
