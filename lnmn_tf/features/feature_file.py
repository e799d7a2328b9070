"""The HDF5 file of an extraction, while it is written.

It has its final size from the start, under the name `<file>.partial`. A picture is marked as finished
after its features were flushed, so a process may be killed at any time; whoever goes on checks what is
marked against its checksums. At the end the file gets its name.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from lnmn_tf.data.feature_manifest import (
    CHECKSUM,
    FINISHED,
    IDENTITY,
    NAMES,
    PICTURES,
    ROWS,
    FeatureIdentity,
    FeatureManifest,
    picture_digest,
)
from lnmn_tf.errors import InputError

DATASET = "features"


def create(
    partial: Path, shape: tuple, dtype: str, names: Sequence[str], identity: FeatureIdentity
) -> None:
    """An empty file of the final size and manifest.

    Its datasets are contiguous and allocated here, so that later writes change no structure of the file:
    a process that is killed in the middle of one leaves it readable.
    """
    encoded = [name.encode("utf-8") for name in names]
    temporary = partial.with_name(f".{partial.name}.{os.getpid()}.tmp")
    try:
        with h5py.File(temporary, "w") as file:
            file.attrs[IDENTITY] = identity.to_text()
            for name, value in vars(identity).items():  # for people
                file.attrs[f"backbone_{name}"] = value
            _allocate(file, DATASET, shape, dtype).attrs["layout"] = "NCHW"
            _allocate(file, NAMES, (len(names),), f"S{max(map(len, encoded))}")[:] = encoded
            _allocate(file, PICTURES, (len(names), 32), "u1")
            _allocate(file, ROWS, (len(names),), "<u4")
            _allocate(file, FINISHED, (len(names),), "u1")[:] = 0
            _allocate(file, CHECKSUM, (32,), "u1")[:] = 0
        os.replace(temporary, partial)
    finally:
        temporary.unlink(missing_ok=True)


def _allocate(file: h5py.File, name: str, shape: tuple, dtype) -> h5py.Dataset:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.CONTIGUOUS)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    properties.set_obj_track_times(False)  # the same pictures give the same bytes
    kind, space = h5py.h5t.py_create(np.dtype(dtype)), h5py.h5s.create_simple(shape)
    h5py.h5d.create(file.id, name.encode(), kind, space, properties)
    return file[name]


def reopen(partial: Path) -> h5py.File:
    """The file, for writing. Raises InputError where it is damaged, or another process has it."""
    try:
        return h5py.File(partial, "r+")
    except OSError as error:
        raise InputError(
            f"{partial}: cannot be read as HDF5: {error}; expected what a stopped extraction left, or "
            "no such file"
        ) from None


def check_partial(file, partial: Path, shape, dtype: str, names, identity: FeatureIdentity) -> None:
    """Refuses to go on with a file of other pictures, another network or another type."""
    found = {
        "the network": file.attrs.get(IDENTITY),
        "the shape": tuple(file[DATASET].shape) if DATASET in file else None,
        "the type": str(file[DATASET].dtype) if DATASET in file else None,
        "the names of the pictures": _names(file),
    }
    wanted = (identity.to_text(), tuple(shape), dtype, list(names))
    for (what, value), right in zip(found.items(), wanted):
        if value != right:
            shown = "" if isinstance(right, list) else f": {value!r:.300} instead of {right!r:.300}"
            raise InputError(
                f"{partial}: was begun with another value of {what}{shown}; expected the same command, "
                "or no such file"
            )


def _names(file: h5py.File) -> list[str]:
    return [name.decode("utf-8") for name in file[NAMES][:]] if NAMES in file else []


def unfinished(file: h5py.File, folder: Path, names: Sequence[str]) -> np.ndarray:
    """Rows still to do: those not marked, and those whose features or picture are others by now."""
    finished = file[FINISHED][:].astype(bool)
    marked = np.flatnonzero(finished)
    rows, pictures = file[ROWS][:], file[PICTURES][:]
    # Names are compared before: each picture is in the folder.
    for row in tqdm(marked, f"checking {len(marked)} finished images", disable=None):
        finished[row] = (
            zlib.crc32(file[DATASET][row]) == rows[row]
            and picture_digest(folder / names[row]) == pictures[row].tobytes()
        )
    if len(marked):
        again = len(marked) - int(finished.sum())
        print(f"goes on after {len(marked) - again} finished images; {again} are made again")
    return np.flatnonzero(~finished)


def write_rows(
    file: h5py.File,
    rows: np.ndarray,
    features: np.ndarray,
    digests: list[bytes],
    names: Sequence[str],
) -> None:
    """Writes features, then their marks.

    Args:
        file: open for writing.
        rows: int [n], ascending.
        features: float32 [n, C, H, W].
        digests: n SHA-256, of the pictures' files.
        names: of all pictures, for messages.

    Raises:
        InputError: features that are not finite in the type of the file.
    """
    with np.errstate(over="ignore"):  # told below
        stored = features.astype(file[DATASET].dtype)
    finite = np.isfinite(stored).all(axis=(1, 2, 3))
    checksums = np.array([zlib.crc32(np.ascontiguousarray(row)) for row in stored], "<u4")
    if not finite.all():
        raise InputError(
            f"the features of {names[rows[finite.argmin()]]} do not fit --features_dtype="
            f"{stored.dtype}: the largest is {np.abs(features[finite.argmin()]).max():g}"
        )
    if rows[-1] - rows[0] + 1 == len(rows):
        rows = slice(rows[0], rows[-1] + 1)  # much quicker than a list
    file[DATASET][rows] = stored
    file[PICTURES][rows] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
    file[ROWS][rows] = checksums
    file.flush()
    file[FINISHED][rows] = 1
    file.flush()


def close(file: h5py.File, partial: Path) -> None:
    """Writes the manifest's checksum."""
    manifest = FeatureManifest(
        str(partial),
        file.attrs[IDENTITY],
        tuple(_names(file)),
        file[PICTURES][:],
        file[ROWS][:],
    )
    file[CHECKSUM][:] = np.frombuffer(manifest.checksum(), np.uint8)
    file.flush()
