"""Makes a whole world: scenes, pictures and questions, in parallel, in the CLEVR v1.0 folder.

The work is cut into shards of SHARD_SIZE images. A shard's chance comes from the seed, the split
and its number alone, and answers are balanced within it, so the result depends neither on the
number of workers nor on interruptions.
"""

from __future__ import annotations

import dataclasses
import io
import multiprocessing
import os
import random
import signal
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from lnmn_tf.data.synthetic.questions import AnswerBalance, families_of, generate_questions
from lnmn_tf.data.synthetic.renderer import render
from lnmn_tf.data.synthetic.scenes import MAX_OBJECTS, sample_scene
from lnmn_tf.data.synthetic.templates import QUESTION_TYPES
from lnmn_tf.data.synthetic.world_folder import WorldFolder
from lnmn_tf.errors import InputError

SPLITS = ("train", "val", "test")
SHARD_SIZE = 50
# A third of the default's time, for files that are an eighth larger.
_PNG_STRATEGY = zlib.Z_RLE
# Raise it with every change that makes other worlds of the same config: kept ones are then refused.
_GENERATOR_VERSION = 2


@dataclasses.dataclass(frozen=True)
class WorldConfig:
    """What a synthetic world consists of.

    Attributes:
      num_train, num_val, num_test: images per split; a split of 0 images is left out.
      questions_per_image: questions per image; an image of very few objects may give fewer.
      width, height: size of the images in pixels.
      min_objects, max_objects: objects per scene, both bounds included, within 1..10.
      question_types: some of `templates.QUESTION_TYPES`.
      seed: what all chance comes from; not negative.
      workers: processes; 0 means one per core. The world does not depend on it.

    Raises:
      InputError: a field is out of its range.
    """

    num_train: int = 2000
    num_val: int = 200
    num_test: int = 200
    questions_per_image: int = 10
    width: int = 480
    height: int = 320
    min_objects: int = 3
    max_objects: int = MAX_OBJECTS
    question_types: tuple[str, ...] = QUESTION_TYPES
    seed: int = 0
    workers: int = 0

    def __post_init__(self):
        least = dict.fromkeys(("questions_per_image", "width", "height", "min_objects"), 1)
        for field in dataclasses.fields(self):
            if field.name == "question_types":
                continue
            value, minimum = getattr(self, field.name), least.get(field.name, 0)
            if not isinstance(value, int) or value < minimum:
                raise InputError(f"{field.name}={value!r}: expected a whole number >= {minimum}")
        if not self.min_objects <= self.max_objects <= MAX_OBJECTS:
            raise InputError(
                f"min_objects={self.min_objects} and max_objects={self.max_objects}: "
                f"expected min_objects <= max_objects <= {MAX_OBJECTS}"
            )
        families_of(self.question_types)

    def num_images(self, split: str) -> int:
        """Returns the number of images of a split."""
        return getattr(self, f"num_{split}")

    def record(self) -> dict[str, Any]:
        """Returns all that determines the world, as JSON values."""
        fields = dataclasses.asdict(self)
        del fields["workers"]
        question_types = list(self.question_types)
        return {**fields, "question_types": question_types, "generator": _GENERATOR_VERSION}


class _Shard(NamedTuple):
    """The images `first <= image_index < end` of a split."""

    split: str
    first: int
    end: int

    @property
    def name(self) -> str:
        return f"{self.split}_{self.first:07d}"


def _shards(config: WorldConfig, split: str) -> list[_Shard]:
    total = config.num_images(split)
    return [
        _Shard(split, first, min(first + SHARD_SIZE, total))
        for first in range(0, total, SHARD_SIZE)
    ]


def generate_world(config: WorldConfig, out_dir: str | os.PathLike, progress: bool = True) -> None:
    """Makes a world, or what is missing of it after an interruption.

    The folder then holds `images/<split>/CLEVR_<split>_%06d.png`,
    `questions/CLEVR_<split>_questions.json`, `scenes/CLEVR_<split>_scenes.json` and `world.json`,
    the config. All splits have answers. A folder that is finished is left as it is.

    Workers are spawned, and so import the main module again: it should import little at its top,
    and be guarded by `if __name__ == "__main__"`.

    Args:
      config: the world's size and content.
      out_dir: a new or empty folder, or one with this very world, finished or not.
      progress: whether to show a progress bar.

    Raises:
      InputError: `out_dir` holds something else or cannot be written, or a worker was killed.
    """
    folder = WorldFolder(out_dir)
    with folder.claimed():
        finished = folder.start(config.record())
        shards = {split: _shards(config, split) for split in SPLITS}
        every = [shard for split in SPLITS for shard in shards[split]]
        if finished and all(folder.has_texts(split) for split in SPLITS if shards[split]):
            lost = [s for s in every if not folder.has_pictures(s.split, range(s.first, s.end))]
            for _ in _made(config, folder, lost):
                pass
            folder.clean()  # a kill may have come just after the world was finished
            return
        missing = [s for s in every if not folder.has_part(s.name)]
        total = sum(config.num_images(split) for split in SPLITS)
        done = total - sum(shard.end - shard.first for shard in missing)
        with tqdm(total=total, initial=done, unit="image", disable=not progress) as bar:
            for shard in _made(config, folder, missing):
                bar.update(shard.end - shard.first)
        for split in filter(config.num_images, SPLITS):
            folder.merge(split, [shard.name for shard in shards[split]])
        folder.finish(config.record())


def _made(config: WorldConfig, folder: WorldFolder, shards: list[_Shard]) -> Iterator[_Shard]:
    """Yields each shard when it is made."""
    workers = min(config.workers or os.cpu_count() or 1, len(shards))
    if workers <= 1:
        for shard in shards:
            yield _make_shard(config, folder, shard)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the parent's threads' locks
    with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
        futures = [pool.submit(_make_shard, config, folder, shard) for shard in shards]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            raise InputError(
                f"workers={workers}: one of them was killed, most likely for want of memory; "
                "start again with fewer: what is finished will be kept"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _end_with_parent() -> None:
    """Prepares a worker: an interrupt is the parent's business, and its death is the worker's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _make_shard(config: WorldConfig, folder: WorldFolder, shard: _Shard) -> _Shard:
    balance = AnswerBalance()
    question_rng = random.Random(f"{config.seed} {shard.name}")
    scenes, questions = [], []
    for image_index in range(shard.first, shard.end):
        scene_rng = np.random.default_rng([config.seed, SPLITS.index(shard.split), image_index])
        scene = sample_scene(
            scene_rng, image_index, shard.split, config.min_objects, config.max_objects
        )
        scenes.append(scene.to_json(config.width, config.height))
        picture = io.BytesIO()
        image = Image.fromarray(render(scene, config.width, config.height))
        image.save(picture, "PNG", compress_type=_PNG_STRATEGY)
        folder.write(f"images/{shard.split}/{scene.image_filename}", picture.getvalue())
        questions += generate_questions(
            scenes[-1], question_rng, config.questions_per_image, config.question_types, balance
        )
    folder.write_part(shard.name, scenes, questions)
    return shard
