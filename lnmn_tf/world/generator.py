"""Makes a whole world: scenes, pictures and questions, in parallel, in the CLEVR v1.0 folder.

The work is cut into shards of SHARD_SIZE images. A shard's chance comes from the seed, the split
and its number alone, and answers are balanced within it, so the result depends neither on the
number of workers nor on interruptions.
"""

from __future__ import annotations

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

from lnmn_tf.config.world import WorldConfig
from lnmn_tf.errors import InputError
from lnmn_tf.progress import Stage
from lnmn_tf.world.questions import AnswerBalance, families_of, generate_questions
from lnmn_tf.world.renderer import render
from lnmn_tf.world.scenes import sample_scene
from lnmn_tf.world.templates import QUESTION_TYPES
from lnmn_tf.world.world_folder import WorldFolder

SPLITS = ("train", "val", "test")
SHARD_SIZE = 50
# A third of the default's time, for files that are an eighth larger.
_PNG_STRATEGY = zlib.Z_RLE
# Raise it with every change that makes other worlds of the same config: kept ones are then refused.
_GENERATOR_VERSION = 2


def world_record(config: WorldConfig) -> dict[str, Any]:
    """Returns all that determines a world, as the JSON values that `world.json` keeps."""
    return {
        "num_train": config.train_images,
        "num_val": config.val_images,
        "num_test": config.test_images,
        "questions_per_image": config.questions_per_image,
        "width": config.picture_width,
        "height": config.picture_height,
        "min_objects": config.min_objects,
        "max_objects": config.max_objects,
        "question_types": list(config.question_types or QUESTION_TYPES),
        "seed": config.world_seed,
        "generator": _GENERATOR_VERSION,
    }


def _num_images(config: WorldConfig, split: str) -> int:
    return getattr(config, f"{split}_images")


class _Shard(NamedTuple):
    """The images `first <= image_index < end` of a split."""

    split: str
    first: int
    end: int

    @property
    def name(self) -> str:
        return f"{self.split}_{self.first:07d}"


def _shards(config: WorldConfig, split: str) -> list[_Shard]:
    total = _num_images(config, split)
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
        progress: whether to say how far it is.

    Raises:
        InputError: a question type is none, `out_dir` holds something else or cannot be written, or a
            worker was killed.
    """
    record = world_record(config)
    families_of(record["question_types"])
    folder = WorldFolder(out_dir)
    with folder.claimed():
        finished = folder.start(record)
        shards = {split: _shards(config, split) for split in SPLITS}
        every = [shard for split in SPLITS for shard in shards[split]]
        if finished and all(folder.has_texts(split) for split in SPLITS if shards[split]):
            lost = [s for s in every if not folder.has_pictures(s.split, range(s.first, s.end))]
            for _ in _made(config, folder, lost):
                pass
            folder.clean()  # a kill may have come just after the world was finished
            return
        missing = [s for s in every if not folder.has_part(s.name)]
        total = sum(_num_images(config, split) for split in SPLITS)
        done = total - sum(shard.end - shard.first for shard in missing)
        with Stage("generate", total, "pictures", done, made=out_dir, shown=progress) as stage:
            for shard in _made(config, folder, missing):
                stage.update(shard.end - shard.first)
            for split in SPLITS:
                if shards[split]:
                    folder.merge(split, [shard.name for shard in shards[split]])
        folder.finish(record)


def _made(config: WorldConfig, folder: WorldFolder, shards: list[_Shard]) -> Iterator[_Shard]:
    """Yields each shard when it is made."""
    workers = min(config.workers or os.cpu_count() or 1, len(shards))
    if workers <= 1:
        for shard in shards:
            yield _make_shard(config, folder, shard)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the parent's threads' locks
    with ProcessPoolExecutor(workers, context, initializer=end_with_parent) as pool:
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


def end_with_parent() -> None:
    """Prepares a worker: an interrupt is the parent's business, and its death is the worker's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _make_shard(config: WorldConfig, folder: WorldFolder, shard: _Shard) -> _Shard:
    width, height = config.picture_width, config.picture_height
    question_types = config.question_types or QUESTION_TYPES
    balance = AnswerBalance()
    question_rng = random.Random(f"{config.world_seed} {shard.name}")
    scenes, questions = [], []
    for image_index in range(shard.first, shard.end):
        seed = [config.world_seed, SPLITS.index(shard.split), image_index]
        scene = sample_scene(
            np.random.default_rng(seed),
            image_index,
            shard.split,
            config.min_objects,
            config.max_objects,
        )
        scenes.append(scene.to_json(width, height))
        picture = io.BytesIO()
        image = Image.fromarray(render(scene, width, height))
        image.save(picture, "PNG", compress_type=_PNG_STRATEGY)
        folder.write(f"images/{shard.split}/{scene.image_filename}", picture.getvalue())
        questions += generate_questions(
            scenes[-1], question_rng, config.questions_per_image, question_types, balance
        )
    folder.write_part(shard.name, scenes, questions)
    return shard
