"""Batches of questions and images, as a `tf.data.Dataset`.

The order of an epoch is a pure function of (seed, epoch), so a run that was killed goes on at any
batch of it. Images are gathered once per batch, in numpy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from lnmn_tf.data.epoch_order import full_shuffle, windowed_shuffle
from lnmn_tf.data.image_store import ImageStore
from lnmn_tf.data.question_set import QuestionSet
from lnmn_tf.errors import InputError

WINDOW_BYTES = 128 << 20
_PREFETCHED_BATCHES = 2


@contextmanager
def explained_errors() -> Iterator[None]:
    """Gives back the InputError of a store that TensorFlow has wrapped while it read batches."""
    try:
        yield
    except tf.errors.OpError as error:
        found = re.search(r"\bInputError: (.+)", str(error))
        if not found:
            raise
        raise InputError(found[1].strip()) from None


def num_batches(question_set: QuestionSet, batch_size: int, *, drop_remainder: bool) -> int:
    """Batches of one epoch."""
    full, rest = divmod(len(question_set), batch_size)
    return full + bool(rest and not drop_remainder)


def batches(
    question_set: QuestionSet,
    store: ImageStore,
    batch_size: int,
    *,
    shuffle: bool,
    seed: int = 0,
    epoch: int = 0,
    start: int = 0,
    drop_remainder: bool = False,
    pad_to: int | None = None,
    window_bytes: int = WINDOW_BYTES,
    part: tuple[int, int] = (0, 1),
    columns: Mapping[str, np.ndarray] | None = None,
) -> tf.data.Dataset:
    """One epoch of batches.

    All shapes are static, so XLA compiles once: without `drop_remainder` the last batch is filled
    up with copies of its first example, of weight 0.

    Args:
        question_set: N questions.
        store: their images; the same store serves every selection of a question set.
        batch_size: B.
        shuffle: False keeps the order of the question set.
        seed, epoch: integers from 0 that determine the order.
        start: the first batch to yield; the batches before it are neither read nor yielded.
        drop_remainder: leaves out the last N % B questions of the epoch's order.
        pad_to: S, the padded length; None takes the question set's own.
        window_bytes: images on disk are read in windows of this size. The questions of one window are
            shuffled together, so larger is closer to a full shuffle. While one window is used the next
            one is read, so this much memory is taken twice.
        part: (k, n) yields, of every batch, only the k-th of n equal parts, and reads no other. B below
            is then the size of a part.
        columns: more of each question, int32 [N, ...], by their names in a batch.

    Returns:
        A dataset of dicts:
            "image" float32 [B, H, W, 3] in [0, 1], or "features" float32 [B, H, W, C]: `store.key`;
            "question" int32 [B, S];
            "answer" int32 [B], left out for a question set without answers;
            "answer_scores" float32 [B, answers] in [0, 1], where several people answered each question;
            "weight" float32 [B], 1, or 0 for an example that only fills up the last batch;
            "position" int32 [B], in `question_set`: `question_set.describe(position)` names it;
            `columns`, int32 [B, ...].

    Raises:
        InputError: a question is longer than `pad_to`, there are too few questions for one batch, or a
            batch cannot be cut into equal parts.
        tf.errors.OpError: while iterating, where the store raises InputError; the message holds its own.
    """
    if batch_size < 1:
        raise InputError(f"batch size is {batch_size}; expected at least 1")
    if pad_to is not None:
        question_set = question_set.padded_to(pad_to)
    count = num_batches(question_set, batch_size, drop_remainder=drop_remainder)
    if not count:
        raise InputError(
            f"{question_set.source}: {len(question_set)} questions do not fill a batch of {batch_size}"
        )
    if not 0 <= start <= count:
        raise InputError(f"start is batch {start}; the epoch has {count} batches")

    order, ends = _epoch_order(question_set, store, batch_size, shuffle, seed, epoch, window_bytes)
    order = order[: count * batch_size]
    if part != (0, 1):
        order, ends, batch_size = _part(order, ends, batch_size, *part)
    columns = columns or {}
    begin = start * batch_size
    bounds = [begin, *ends[(begin < ends) & (ends < len(order))], len(order)]

    def generate() -> Iterator[dict[str, np.ndarray]]:
        for positions, images in _read(question_set, store, batch_size, order, bounds):
            batch = _batch(question_set, store, batch_size, positions, images)
            yield {**batch, **{name: x[batch["position"]] for name, x in columns.items()}}

    signature = _signature(question_set, store, batch_size)
    for name, column in columns.items():
        signature[name] = tf.TensorSpec([batch_size, *column.shape[1:]], tf.int32)
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count - start))
    scale = 255.0 if store.dtype == np.uint8 else 1.0

    def to_floats(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {**batch, store.key: tf.cast(batch[store.key], tf.float32) / scale}

    # Batches wait as they are stored, which takes less memory than floats.
    return unhindered(dataset.prefetch(_PREFETCHED_BATCHES).map(to_floats))


def unhindered(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """A dataset that ends when its last batch is read.

    The thread that tunes a dataset in TensorFlow 2.15 sleeps for 10 ms, 20 ms, 40 ms, .. up to a minute, and an iterator that ends
    waits until it wakes: for up to as long again as the iterator was in use. Nothing here is left to tune.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _epoch_order(
    question_set: QuestionSet,
    store: ImageStore,
    batch_size: int,
    shuffle: bool,
    seed: int,
    epoch: int,
    window_bytes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The order of the questions, int [N], and where in it each window of images ends."""
    batch_ends = np.arange(batch_size, len(question_set) + batch_size, batch_size)
    if not shuffle:
        return np.arange(len(question_set)), batch_ends
    if store.in_memory:
        return full_shuffle(len(question_set), seed, epoch), batch_ends
    images_per_window = max(1, window_bytes // store.image_bytes)
    order, ends = windowed_shuffle(question_set.image_index, images_per_window, seed, epoch)
    # No batch lies in two windows: the few questions that a window lacks come from the next one.
    return order, np.unique(-(-ends // batch_size) * batch_size)


def _part(
    order: np.ndarray, ends: np.ndarray, batch_size: int, index: int, count: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Order, ends of windows and batch size of one of so many equal parts of every batch."""
    if batch_size % count or len(order) % batch_size:
        raise InputError(
            f"batches of {batch_size}, the last of {len(order) % batch_size}, cannot be cut into "
            f"{count} equal parts"
        )
    order = order.reshape(-1, count, batch_size // count)[:, index].ravel()
    return order, ends // count, batch_size // count


def _read(
    question_set: QuestionSet,
    store: ImageStore,
    batch_size: int,
    order: np.ndarray,
    bounds: list[int],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields positions [b] and images [b, H, W, C] of each batch, b <= B, reading one window ahead."""
    image_index = question_set.image_index[order]

    def load(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        needed = np.unique(image_index[first:last])
        return needed, store.read(needed)

    with ThreadPoolExecutor(max_workers=1) as reader:
        windows = [window for window in zip(bounds, bounds[1:]) if window[0] < window[1]]
        loading = [reader.submit(load, *window) for window in windows[:1]]
        for (first, last), following in zip(windows, [*windows[1:], None]):
            loaded, images = loading.pop().result()
            if following is not None:
                loading.append(reader.submit(load, *following))
            for begin in range(first, last, batch_size):
                batch = slice(begin, min(begin + batch_size, last))
                yield order[batch], images[np.searchsorted(loaded, image_index[batch])]


def _batch(
    question_set: QuestionSet,
    store: ImageStore,
    batch_size: int,
    positions: np.ndarray,
    images: np.ndarray,
) -> dict[str, np.ndarray]:
    """Puts a batch together and fills it up to B examples."""
    weight = np.zeros(batch_size, np.float32)
    weight[: len(positions)] = 1.0
    if len(positions) < batch_size:
        filler = batch_size - len(positions)
        positions = np.append(positions, np.repeat(positions[:1], filler))
        images = np.append(images, np.repeat(images[:1], filler, axis=0), axis=0)
    batch = {
        store.key: images,
        "question": question_set.question_ids[positions],
        "weight": weight,
        "position": positions.astype(np.int32),
    }
    if question_set.answers is not None:
        batch["answer"] = question_set.answers[positions]
    if question_set.annotations is not None:
        batch["answer_scores"] = question_set.annotations.targets(
            positions, question_set.vocabulary.num_answers
        )
    return batch


def _signature(
    question_set: QuestionSet, store: ImageStore, batch_size: int
) -> dict[str, tf.TensorSpec]:
    signature = {
        store.key: tf.TensorSpec([batch_size, *store.shape], store.dtype),
        "question": tf.TensorSpec([batch_size, question_set.max_length], tf.int32),
        "weight": tf.TensorSpec([batch_size], tf.float32),
        "position": tf.TensorSpec([batch_size], tf.int32),
    }
    if question_set.answers is not None:
        signature["answer"] = tf.TensorSpec([batch_size], tf.int32)
    if question_set.annotations is not None:
        shape = [batch_size, question_set.vocabulary.num_answers]
        signature["answer_scores"] = tf.TensorSpec(shape, tf.float32)
    return signature
