"""How fast examples come: from pictures and from files of features, shuffled by question.

Files of random content are made in a folder of the caller's, measured one after the other, and removed.
Each is read in a process of its own, whose peak of memory is therefore that of reading, Python and
TensorFlow, and nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from PIL import Image
from tqdm import tqdm

from lnmn_tf.benchmark.worker import peak_memory
from lnmn_tf.data.features import FeatureStore
from lnmn_tf.data.image_store import ImageStore
from lnmn_tf.data.pipeline import batches
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.data.question_set import QuestionSet
from lnmn_tf.data.vocabulary import Vocabulary

QUESTIONS_PER_IMAGE = 10  # as in CLEVR
WORDS = 20
PICTURE, RESIZED = (
    (320, 480),
    (128, 192),
)  # height and width, of CLEVR's pictures and of the model's


class Source(NamedTuple):
    """A kind of file that images come from."""

    name: str
    dtype: str = ""  # of features; pixels have none
    channels_first: bool = False


SOURCES = (
    Source("pixels (PNG)"),
    Source("features float32, channels first", "float32", True),
    Source("features float32, channels last", "float32"),
    Source("features float16, channels first", "float16", True),
    Source("features float16, channels last", "float16"),
)


def measure_input(
    folder: str | os.PathLike,
    map_shape: tuple[int, int, int] = (14, 14, 1024),
    batch_size: int = 16,
    gigabytes: float = 1.0,
    pictures: int = 400,
    seconds: float = 30.0,
) -> dict[str, dict]:
    """Examples a second of every source, shuffled by question, with a cold and then a warm file.

    Args:
        folder: for the files, one at a time; on the disk that is to be measured. Made if missing.
        map_shape: (H, W, C) of the features.
        batch_size: questions in a batch.
        gigabytes: size of each file of features; the larger, the truer, as no cache may hold it.
        pictures: PNG pictures of CLEVR's size.
        seconds: after so many, a reading is cut short; otherwise it is one epoch.

    Returns:
        By source: `file_bytes`, `peak_memory_bytes`, and for `cold` and `warm` each
        `examples_per_second`, `examples`, `seconds` and `cpu_seconds`, of all threads together: what
        reading takes away from training, and does not depend on what else the machine does.
    """
    measured = {}
    bar = tqdm(SOURCES, "measuring input", disable=None)
    for source in bar:
        bar.set_postfix_str(source.name)
        bytes_of_map = int(np.prod(map_shape)) * np.dtype(source.dtype or "u1").itemsize
        count = max(2, int(gigabytes * 1e9 / bytes_of_map)) if source.dtype else pictures
        with _files(Path(folder), source, map_shape, count) as files:
            arguments = files, source, count, batch_size, seconds
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                measured[source.name] = pool.apply(_measure, arguments)
    return measured


def _measure(
    files: list[Path], source: Source, count: int, batch_size: int, seconds: float
) -> dict:
    """Reads an epoch from cold files and one from warm ones, in this process."""
    questions = _questions(count)
    result: dict[str, Any] = {"file_bytes": sum(path.stat().st_size for path in files)}
    for epoch, state in enumerate(("cold", "warm")):
        if source.dtype:
            store: ImageStore = FeatureStore(files[0], cache_bytes=0)
        else:
            names = [path.name for path in files]
            store = PixelStore(files[0].parents[2], "train", names, *RESIZED, cache_bytes=0)
        if state == "cold":
            _forget(files)
        dataset = batches(questions, store, batch_size, shuffle=True, epoch=epoch)
        read, began, cpu_began = 0, time.perf_counter(), time.process_time()
        for batch in dataset:
            read += int(batch["question"].shape[0])
            if time.perf_counter() - began > seconds:
                break
        passed = time.perf_counter() - began
        result[state] = {
            "examples_per_second": read / passed,
            "examples": read,
            "seconds": passed,
            "cpu_seconds": time.process_time() - cpu_began,
        }
    result["peak_memory_bytes"] = peak_memory()
    return result


@contextmanager
def _files(
    folder: Path, source: Source, map_shape: tuple[int, int, int], count: int
) -> Iterator[list[Path]]:
    """Makes the files of a source, and removes them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="input_", dir=folder) as temporary:
        place = Path(temporary) / "images" / "train"
        place.mkdir(parents=True)
        if source.dtype:
            paths = [place / "features.h5"]
            _write_features(paths[0], source, map_shape, count)
        else:
            paths = [place / f"{number}.png" for number in range(count)]
            for number, path in enumerate(paths):
                _write_picture(path, number)
        yield paths


def _write_features(path: Path, source: Source, map_shape, count: int) -> None:
    """One block of random features over and over: what they are does not matter to a reader."""
    height, width, channels = map_shape
    shape = (channels, height, width) if source.channels_first else map_shape
    block = np.random.default_rng(0).normal(size=[min(count, 64), *shape]).astype(source.dtype)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("features", [count, *shape], source.dtype)
        data.attrs["layout"] = "NCHW" if source.channels_first else "NHWC"
        for first in range(0, count, len(block)):
            data[first : first + len(block)] = block[: count - first]


def _write_picture(path: Path, seed: int) -> None:
    """Smooth colours with a little noise: a file of about the size of CLEVR's."""
    random = np.random.default_rng(seed)
    height, width = PICTURE
    smooth = Image.fromarray(random.integers(0, 256, [8, 12, 3], np.uint8))
    colours = np.asarray(smooth.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    noisy = colours + random.integers(-1, 2, [height, width, 1])
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path)


def _questions(images: int) -> QuestionSet:
    """Questions of one length about so many images."""
    count = images * QUESTIONS_PER_IMAGE
    image_index = np.repeat(np.arange(images, dtype=np.int32), QUESTIONS_PER_IMAGE)
    zeros = np.zeros(count, np.int32)
    return QuestionSet(
        source="benchmark",
        vocabulary=Vocabulary.build(["what"], ["this"]),
        question_ids=np.ones([count, WORDS], np.int32),
        lengths=zeros + WORDS,
        answers=zeros,
        image_index=image_index,
        image_filenames=tuple(map(str, range(images))),
        image_rows=np.arange(images, dtype=np.int32),
        images_in_split=images,
        families=zeros.astype(np.int8),
        question_family_index=zeros - 1,
        family_names=("count",),
        program_lengths=zeros.astype(np.int16),
        hop_counts=zeros.astype(np.int16),
        question_index=np.arange(count, dtype=np.int32),
        texts=np.full(count, "what", object),
    )


def _forget(paths: list[Path]) -> None:
    """Asks the operating system to drop its copies of files in memory."""
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
