"""Finds everything that is wrong with a feature file: part of `--mode=verify`."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Union

import h5py
import numpy as np
from tqdm import tqdm

from lnmn_tf.data.feature_manifest import FeatureManifest, picture_digest
from lnmn_tf.data.features import FeatureStore
from lnmn_tf.errors import InputError

_ROWS = 64  # of a file, read at a time

Complain = Callable[[Union[InputError, str]], None]


def check_features(path: str, folder: Path, asked: Mapping[str, int], complain: Complain) -> int:
    """Reads a file's rows: all of them where it has a manifest, else those that a question asks about.

    Every row is finite. With a manifest, every row has the checksum that was written when it was
    extracted, so that a row that was swapped, damaged or replaced is named; and every picture that is
    there is the one that its row was made of.

    Args:
        path: an HDF5 file.
        folder: of the split's pictures; one that is missing is not compared.
        asked: the row of each image that is asked about, by its file name; -1 = not known.
        complain: called with each problem.

    Returns:
        How many rows were read.
    """
    try:
        store = FeatureStore(path, np.zeros(0, int))  # the file, and none of its rows
        with h5py.File(path) as file:
            manifest = FeatureManifest.read(file, path)
            dataset = file[store.dataset]
            if manifest is None:
                rows = _asked_rows(path, len(dataset), asked, complain)
            else:
                rows = _named_rows(path, len(dataset), asked, manifest, complain)
            for start in tqdm(range(0, len(rows), _ROWS), f"reading {path}", disable=None):
                _check_rows(path, dataset, rows[start : start + _ROWS], manifest, complain)
    except (InputError, OSError) as error:
        complain(error if isinstance(error, InputError) else f"{path}: cannot be read: {error}")
        return 0
    if manifest is not None:
        _check_pictures(manifest, folder, complain)
    return len(rows)


def _asked_rows(path: str, count: int, asked: Mapping[str, int], complain: Complain) -> np.ndarray:
    rows = np.unique([row for row in asked.values() if row >= 0]).astype(int)
    if rows.max(initial=-1) >= count:
        complain(
            f"{path}: has {count} rows, but a question is about image {rows.max()}; expected at least "
            f"{rows.max() + 1} rows"
        )
    return rows[rows < count]


def _named_rows(
    path: str,
    count: int,
    asked: Mapping[str, int],
    manifest: FeatureManifest,
    complain: Complain,
) -> np.ndarray:
    if count != len(manifest.names):
        complain(
            f"{path}: has {count} rows, but its manifest names {len(manifest.names)} pictures; expected "
            "one row for each"
        )
    for name in sorted(asked.keys() - set(manifest.names)):
        complain(f"{path}: has no features of {name}, which a question is about")
    return np.arange(min(count, len(manifest.names)))


def _check_rows(
    path: str,
    dataset: h5py.Dataset,
    rows: np.ndarray,
    manifest: FeatureManifest | None,
    complain: Complain,
) -> None:
    """Holds some rows, in ascending order, against their checksums, and looks for NaN."""
    try:
        block = dataset[rows[0] : rows[-1] + 1][rows - rows[0]]
    except OSError as error:
        complain(f"{path}: rows {rows[0]} to {rows[-1]} cannot be read: {error}")
        return
    finite = np.isfinite(block).all(axis=(1, 2, 3))
    for row, features, is_finite in zip(rows.tolist(), block, finite):
        where = f"{path}: row {row}" + (f" ({manifest.names[row]})" if manifest else "")
        if not is_finite:
            complain(f"{where} holds NaN or infinity; expected finite features")
        elif manifest and zlib.crc32(np.ascontiguousarray(features)) != manifest.row_checksums[row]:
            complain(
                f"{where} has another checksum than the manifest; expected the features that were "
                "extracted of that picture, not those of another row, and no damage"
            )


def _check_pictures(manifest: FeatureManifest, folder: Path, complain: Complain) -> None:
    for row, name in enumerate(manifest.names):
        picture = folder / name
        if picture.is_file() and picture_digest(picture) != manifest.pictures[row].tobytes():
            complain(
                f"{manifest.where}: row {row} is of another picture than {picture}; expected features "
                "of the pictures that the questions are about"
            )
