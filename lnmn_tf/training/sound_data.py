"""Images beyond the cache are read through once before the training begins.

What lies in memory was checked as it was read. What stays on disk is read again and again while a run
trains: a row with NaN, or a picture damaged in its middle, would stop it after hours.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lnmn_tf.data.image_store import ImageStore
from lnmn_tf.errors import InputError
from lnmn_tf.files import read_json, write_json
from lnmn_tf.progress import Stage

STAMP = "data_checked.json"  # in the run folder
MOST_SECONDS = 900.0  # for a store; what is left is checked as it is read
_WINDOW_BYTES = 32 << 20


def check_images(
    stores: Iterable[ImageStore], run_dir: Path, most_seconds: float = MOST_SECONDS
) -> None:
    """Reads all images of each store once, in windows; those that are checked already are not read.

    Not read are stores in memory, and features whose manifest says that each row was finite when it was
    written. How far a store is checked stands in `STAMP`, by the state of its files: a run that goes on
    does not check again, and a check that was stopped goes on.

    Args:
        stores: some of them may be the same.
        run_dir: for the stamp.
        most_seconds: a larger store is checked in part, and that is said.

    Raises:
        InputError: names the first row or picture that cannot be read, or is not finite.
    """
    path = run_dir / STAMP
    checked = _read_stamp(path)
    for store in {id(store): store for store in stores}.values():
        if store.in_memory:
            continue
        if store.checked_when_made:
            print(
                f"{store.files[0]}: is not read through, for its manifest was checked", flush=True
            )
            continue
        state = store.state()
        begin = checked.get(state, 0)
        if begin == len(store):
            continue
        try:
            for done in _read_through(store, begin, most_seconds):
                checked[state] = done
        finally:
            if state in checked:
                write_json(path, checked)
        if checked[state] < len(store):
            print(
                f"{store.files[0].parent}: {checked[state]:,} of {len(store):,} images were read through "
                f"in {most_seconds:.0f} s; the others are checked as they are trained on",
                flush=True,
            )


def _read_through(store: ImageStore, begin: int, most_seconds: float) -> Iterable[int]:
    """Yields how many images are checked, after each window."""
    window = max(1, _WINDOW_BYTES // store.image_bytes)
    began = time.monotonic()
    name = f"check {store.files[0] if len(store.files) == 1 else store.files[0].parent}"
    with Stage(name, len(store), "images", done=begin) as stage:
        for first in range(begin, len(store), window):
            last = min(first + window, len(store))
            store.read(np.arange(first, last))
            stage.update(last - first)
            yield last
            if time.monotonic() - began > most_seconds:
                return


def _read_stamp(path: Path) -> dict[str, int]:
    """States with the number of images that are checked; empty where nothing is known."""
    try:
        stamp = read_json(path)
        return {str(state): int(count) for state, count in stamp.items()}
    except (InputError, AttributeError, TypeError, ValueError):
        return {}
