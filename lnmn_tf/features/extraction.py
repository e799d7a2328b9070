"""Pictures of a split to an HDF5 file of features: resumable, and with a manifest."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from lnmn_tf.data.feature_manifest import FeatureManifest, picture_digest
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.errors import InputError
from lnmn_tf.features import feature_file
from lnmn_tf.features.backbone import Backbone

_SUFFIXES = (".png", ".jpg", ".jpeg")
_SPARE_BYTES = 64 << 20  # left free on the disk


def extract(
    backbone: Backbone,
    data_dir: str | os.PathLike,
    split: str,
    path: str | os.PathLike,
    *,
    dtype: str = "float32",
    batch_size: int = 32,
) -> Path:
    """Writes the features of all pictures in `<data_dir>/images/<split>`, sorted by name.

    Args:
        backbone: what makes them.
        data_dir: a folder of CLEVR's form.
        split: name of the folder of pictures.
        path: the HDF5 file; one that is complete and of these pictures is left as it is.
        dtype: "float32" or "float16", of the dataset `features` [N, C, H, W].
        batch_size: pictures at a time.

    Returns:
        The path.

    Raises:
        InputError: no pictures, a damaged one, too little disk, features that do not fit the type, or
            a file at `path` of other pictures or another network.
    """
    path, folder = Path(path), Path(data_dir) / "images" / split
    names = picture_names(folder)
    if path.is_file():
        _check_complete(path, backbone, names)
        print(f"{path}: is complete, with the features of {len(names)} pictures")
        return path
    partial = path.with_name(f"{path.name}.partial")
    shape = (len(names), backbone.feature_shape[-1], *backbone.feature_shape[:2])
    _announce(path, partial, shape, dtype, folder)
    if not partial.is_file():
        feature_file.create(partial, shape, dtype, names, backbone.identity)
    with feature_file.reopen(partial) as file:
        feature_file.check_partial(file, partial, shape, dtype, names, backbone.identity)
        left = feature_file.unfinished(file, folder, names)
        pixels = PixelStore(
            data_dir, split, names, *backbone.image_shape, cache_bytes=0, resize=backbone.resize
        )
        bar = tqdm(
            desc=f"features of {folder}",
            total=len(names),
            initial=len(names) - len(left),
            unit=" images",
            mininterval=0.5 if sys.stderr.isatty() else 30.0,
        )
        with bar:
            for rows, features, digests in _batches(
                backbone, pixels, folder, names, left, batch_size
            ):
                feature_file.write_rows(file, rows, features, digests, names)
                bar.update(len(rows))
        feature_file.close(file, partial)
    os.replace(partial, path)
    return path


def picture_names(folder: Path) -> list[str]:
    """PNG and JPEG files in a folder, sorted: the order of their rows."""
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; expected the pictures of a split")
    names = sorted(name for name in os.listdir(folder) if name.lower().endswith(_SUFFIXES))
    if not names:
        raise InputError(f"{folder}: has no pictures; expected PNG or JPEG files")
    return names


def _announce(path: Path, partial: Path, shape: tuple, dtype: str, folder: Path) -> None:
    """Says how much disk is needed, and refuses to begin without it."""
    needed = int(np.prod(shape)) * np.dtype(dtype).itemsize
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    print(
        f"{path}: {shape[0]} pictures of {folder}, [C, H, W] = {list(shape[1:])} of {dtype}, "
        f"{needed / 1e6:,.0f} MB on disk ({free / 1e6:,.0f} MB are free)",
        flush=True,
    )
    present = partial.stat().st_blocks * 512 if partial.is_file() else 0
    if needed - present + _SPARE_BYTES > free:
        raise InputError(
            f"{path}: needs {needed - present:,} bytes, but {free:,} are free on its disk; expected "
            "more room, or --features_dtype=float16"
        )


def _check_complete(path: Path, backbone: Backbone, names: list[str]) -> None:
    with h5py.File(path, "r") as file:
        manifest = FeatureManifest.read(file, path)
    if manifest is None or manifest.identity != backbone.identity.to_text():
        found = "unknown" if manifest is None else manifest.identity
        raise InputError(
            f"{path}: holds features of another network ({found}); expected no such file, or those of "
            f"{backbone.identity}"
        )
    if list(manifest.names) != names:
        raise InputError(f"{path}: holds features of other pictures; expected no such file")


def _batches(
    backbone: Backbone, pixels: PixelStore, folder: Path, names, rows: np.ndarray, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray, list[bytes]]]:
    """(rows, features [n, C, H, W] float32, digests) of batches; the next is decoded meanwhile."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, *backbone.image_shape, 3], tf.uint8)], autograph=False
    )
    def features(batch: tf.Tensor) -> tf.Tensor:
        return tf.transpose(backbone(batch), [0, 3, 1, 2])

    def read(part: np.ndarray) -> tuple[np.ndarray, list[bytes]]:
        digests = [picture_digest(folder / names[row]) for row in part]
        return pixels.read(part), digests

    parts = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(read, parts[0]) if parts else None
        for number, part in enumerate(parts):
            batch, digests = ahead.result()
            if number + 1 < len(parts):
                ahead = pool.submit(read, parts[number + 1])
            yield part, features(batch).numpy(), digests
