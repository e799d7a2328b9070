"""Images as features of a frozen network, from an HDF5 file.

Existing CLEVR extractors write one dataset `features` (or `data`), [N, 1024, 14, 14] float32: row i
is image i of the split. `--mode=extract_features` writes the same, and a manifest that says which
picture each row is of (`feature_manifest`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from lnmn_tf.data.feature_manifest import FeatureManifest
from lnmn_tf.data.image_store import CACHE_BYTES, ImageStore
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.errors import InputError

__all__ = ["FeatureStore", "ImageStore", "PixelStore", "infer_channels_first"]

_DATASETS = ("features", "data")
_LAYOUTS = {"NCHW": True, "NHWC": False}
_ROWS_PER_READ = 16  # 13 MB of 1024x14x14 float32: few large reads, little extra memory


class FeatureStore(ImageStore):
    """Rows of a feature file, with channels last and in the precision of the file.

    The file is opened for each read, so a store holds no file handle. Whatever is read is checked
    for NaN and infinity.

    Args:
        path: an HDF5 file with a dataset [N, C, H, W] or [N, H, W, C] of float16 or float32.
        rows: int [I], the row of each image, `QuestionSet.image_rows`; None for all rows. Where the
            file has a manifest, the names decide instead.
        names: the I pictures, `QuestionSet.image_filenames`.
        pictures: their folder; some of them are held against the manifest's checksums. A folder that
            is missing is not asked.
        images_in_split: number of pictures in the split, which N must equal
            (`QuestionSet.images_in_split`); more rows are taken for padding where they are 0. None where
            it is not known.
        dataset: its name; None takes `features`, or else `data`.
        channels_first: True for [N, C, H, W]; None reads the dataset's attribute `layout` ("NCHW" or
            "NHWC") where there is one, and else infers it from the shape (`infer_channels_first`).
        cache_bytes: up to this size, as stored, the rows are read at once and kept.

    Attributes:
        dataset: name of the dataset that is read.
        identity: the text of the `FeatureIdentity` of the network that made them; "" where the file
            does not say.

    Raises:
        InputError: no such file or dataset, not HDF5, another rank or type, a number of rows that
            does not fit, an ambiguous layout, NaN or infinity; a manifest that is damaged, lacks a
            picture, or is of other pictures.
    """

    key = "features"

    def __init__(
        self,
        path: str | os.PathLike,
        rows: np.ndarray | None = None,
        *,
        names: Sequence[str] | None = None,
        pictures: str | os.PathLike | None = None,
        images_in_split: int | None = None,
        dataset: str | None = None,
        channels_first: bool | None = None,
        cache_bytes: int = CACHE_BYTES,
    ):
        self._path, self.files = path, (Path(path),)
        with _open(path) as file:
            self.dataset = _dataset_name(path, file, dataset)
            source = file[self.dataset]
            self._where = f"{path}: dataset '{self.dataset}'"
            self._check(source)
            if channels_first is None:
                channels_first = self._layout(source)
            count, *image_shape = source.shape
            self.dtype = source.dtype.newbyteorder("=")
            manifest = FeatureManifest.read(file, path)
            if manifest is None and images_in_split is not None:
                count = _without_padding(source, images_in_split)
        self._channels_first = channels_first
        channels = image_shape.pop(0 if channels_first else -1)
        self.shape = (*image_shape, channels)
        self._rows = np.arange(count) if rows is None else np.asarray(rows)
        self.identity = manifest.identity if manifest else ""
        self.checked_when_made = manifest is not None
        if manifest:
            self._rows = self._named_rows(manifest, count, names, pictures)
        else:
            self._check_count(count, images_in_split)
        self._cache = None
        self.in_memory = len(self) * self.image_bytes <= cache_bytes
        if self.in_memory:
            self._cache = self._load(self._rows)
        else:
            self._load(self._rows[:1])  # a file that cannot be read fails now

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Features at `indices`, [n, H, W, C]."""
        return self._load(self._rows[indices]) if self._cache is None else self._cache[indices]

    def state(self) -> str:
        """The same for the file and the rows of it that are read."""
        return hashlib.sha256(super().state().encode() + self._rows.tobytes()).hexdigest()

    def _load(self, rows: np.ndarray) -> np.ndarray:
        """Reads rows in the order of the file, each once, in runs of neighbours."""
        unique, inverse = np.unique(rows, return_inverse=True)
        images = np.empty([len(unique), *self.shape], self.dtype)
        with _open(self._path) as file:
            first = 0
            for run in np.split(unique, np.flatnonzero(np.diff(unique) != 1) + 1):
                for start in range(0, len(run), _ROWS_PER_READ):
                    part = run[start : start + _ROWS_PER_READ]
                    images[first : first + len(part)] = self._load_run(file, part)
                    first += len(part)
        return images if np.array_equal(unique, rows) else images[inverse]

    def _load_run(self, file: h5py.File, run: np.ndarray) -> np.ndarray:
        try:
            block = file[self.dataset][run[0] : run[-1] + 1]
        except OSError as error:
            raise InputError(f"{self._where}: rows {run[0]} to {run[-1]}: {error}") from None
        finite = np.isfinite(block).all(axis=(1, 2, 3))
        if not finite.all():
            raise InputError(
                f"{self._where}: row {run[finite.argmin()]} holds NaN or infinity; "
                "expected finite features"
            )
        return np.moveaxis(block, 1, -1) if self._channels_first else block

    def _check(self, source: h5py.Dataset) -> None:
        if source.ndim != 4 or 0 in source.shape:
            raise InputError(
                f"{self._where} has the shape {list(source.shape)}; expected [N, C, H, W] or "
                "[N, H, W, C], none of them 0"
            )
        if source.dtype.kind != "f" or source.dtype.itemsize not in (2, 4):
            raise InputError(f"{self._where} is of {source.dtype}; expected float16 or float32")

    def _layout(self, source: h5py.Dataset) -> bool:
        layout = source.attrs.get("layout")
        layout = layout.decode("ascii", "replace") if isinstance(layout, bytes) else layout
        if layout is not None:
            if not isinstance(layout, str) or layout not in _LAYOUTS:
                raise InputError(
                    f"{self._where}: attribute 'layout' is {layout!r}; "
                    f"expected one of {list(_LAYOUTS)}"
                )
            return _LAYOUTS[layout]
        channels_first = infer_channels_first(source.shape[1:])
        if channels_first is None:
            raise InputError(
                f"{self._where} has the shape {list(source.shape)}, which does not tell which axis "
                'holds the channels; expected its attribute \'layout\' to say "NCHW" or "NHWC"'
            )
        return channels_first

    def _named_rows(
        self, manifest: FeatureManifest, count: int, names: Sequence[str] | None, pictures
    ) -> np.ndarray:
        """The rows that a manifest says are of these pictures, whatever their order."""
        if count != len(manifest.names):
            raise InputError(
                f"{self._where} has {count} rows, but its manifest names {len(manifest.names)} pictures"
            )
        rows = self._rows if names is None else manifest.rows_of(names)
        if rows.max(initial=-1) >= count:
            raise InputError(f"{self._where} has {count} rows; row {rows.max()} is asked for")
        if pictures is not None:
            manifest.check_pictures(Path(pictures), rows)
        return rows

    def _check_count(self, count: int, images_in_split: int | None) -> None:
        if images_in_split is not None and count != images_in_split:
            raise InputError(
                f"{self._where} has {count} rows, but the split has {images_in_split} images; "
                "expected one row per image, and 0 in rows after them"
            )
        if self._rows.max(initial=-1) >= count:
            raise InputError(
                f"{self._where} has {count} rows, but a question is about image "
                f"{self._rows.max()}; expected at least {self._rows.max() + 1} rows"
            )


def infer_channels_first(shape: tuple[int, int, int]) -> bool | None:
    """Whether an image's features are [C, H, W] (True) or [H, W, C] (False), or neither for sure.

    The two axes of the map are equal and the third is not, or the channels are at least twice as
    many as both others. None where this fits neither reading, or both.

    >>> infer_channels_first((1024, 14, 14)), infer_channels_first((8, 12, 32))
    (True, False)
    """
    first, middle, last = shape
    can_be_first = middle == last != first or first >= 2 * max(middle, last)
    can_be_last = first == middle != last or last >= 2 * max(first, middle)
    return can_be_first if can_be_first != can_be_last else None


def _without_padding(source: h5py.Dataset, images: int) -> int:
    """Rows that are of images: all, unless those after the last image are 0."""
    for start in range(images, len(source), _ROWS_PER_READ):
        if np.any(source[start : start + _ROWS_PER_READ]):
            return len(source)
    return min(images, len(source))


def _open(path: str | os.PathLike) -> h5py.File:
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file; expected HDF5 features")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path}: cannot be read as HDF5: {error}") from None


def _dataset_name(path: str | os.PathLike, file: h5py.File, wanted: str | None) -> str:
    present = [name for name in file if isinstance(file.get(name), h5py.Dataset)]
    candidates = _DATASETS if wanted is None else (wanted,)
    for name in candidates:
        if name in present:
            return name
    raise InputError(f"{path}: has the datasets {present}; expected {' or '.join(candidates)}")
