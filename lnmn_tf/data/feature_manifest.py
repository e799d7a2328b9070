"""Which picture each row of a feature file is of, and which network it came from.

Beside the dataset `features`, a file that `--mode=extract_features` wrote holds

    image_names      [N]      the pictures' file names, in the order of the rows
    picture_sha256   [N, 32]  of each picture's file
    row_crc32        [N]      of each row's bytes, as stored
    finished         [N]      1 for a row that was written whole
    manifest_sha256  [32]     of identity, names, pictures and rows

and the attribute `identity`: what made the features.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from lnmn_tf.errors import InputError

NAMES, PICTURES, ROWS, FINISHED = "image_names", "picture_sha256", "row_crc32", "finished"
IDENTITY, CHECKSUM = "identity", "manifest_sha256"
_COMPARED_PICTURES = 16  # of a split, when it is opened


@dataclass(frozen=True)
class FeatureIdentity:
    """What makes features what they are: two files of one identity may serve one model.

    Args:
        backbone: name of the network.
        layer: the layer whose output they are.
        image_size: "rows x columns" that pictures are scaled to, as in "224x224".
        preprocessing: what is done to their pixels, by name.
        weights: SHA-256 of the network's weights up to the layer.
    """

    backbone: str
    layer: str
    image_size: str
    preprocessing: str
    weights: str

    def to_text(self) -> str:
        """As it stands in a file and in a run's config."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str, where: str) -> FeatureIdentity:
        """Reads what `to_text` wrote.

        Raises:
            InputError: something else.
        """
        try:
            content = json.loads(text)
            if all(isinstance(value, str) for value in content.values()):
                return cls(**content)
        except (ValueError, TypeError, AttributeError):
            pass
        raise InputError(
            f"{where}: its features' identity is {text!r:.200}; expected the fields "
            f"{[field.name for field in dataclasses.fields(cls)]}"
        )

    def __str__(self) -> str:
        return (
            f"{self.backbone}, layer {self.layer}, pictures {self.image_size}, preprocessing "
            f"{self.preprocessing}, weights {self.weights[:8]}"
        )


def check_same_identity(wanted: str, found: str, where: str | os.PathLike) -> None:
    """Refuses features that another network made than those that a model was trained on.

    Args:
        wanted, found: texts of `FeatureIdentity`; "" where nothing is known, as in files of other
            programs. Known and unknown do not agree: nobody could say that they are the same.
        where: the file that is refused.

    Raises:
        InputError: names the first field that differs.
    """
    if wanted == found:
        return
    if not found:
        known = FeatureIdentity.from_text(wanted, str(where))
        raise InputError(
            f"{where}: does not say what its features come from; expected those of {known}, as in training"
        )
    if not wanted:
        known = FeatureIdentity.from_text(found, str(where))
        raise InputError(
            f"{where}: its features are of {known}, but the model was trained on features of unknown "
            "origin; expected a file by the program that made those"
        )
    first, second = (FeatureIdentity.from_text(text, str(where)) for text in (wanted, found))
    for field in dataclasses.fields(FeatureIdentity):
        ours, theirs = getattr(first, field.name), getattr(second, field.name)
        if ours != theirs:
            raise InputError(
                f"{where}: its features are of the {field.name} {theirs!r}; expected {ours!r}, as in "
                "training"
            )


@dataclass(frozen=True, eq=False)
class FeatureManifest:
    """The manifest of one file.

    Args:
        where: the file, for messages.
        identity: the text of a `FeatureIdentity`.
        names: N file names.
        pictures: uint8 [N, 32], their SHA-256.
        row_checksums: uint32 [N].
    """

    where: str
    identity: str
    names: tuple[str, ...]
    pictures: np.ndarray
    row_checksums: np.ndarray

    @classmethod
    def read(cls, file: h5py.File, where: str | os.PathLike) -> FeatureManifest | None:
        """The manifest of an open file; None where the file has none.

        Raises:
            InputError: a part is missing or of the wrong shape, the checksum differs, or the
                extraction has not ended.
        """
        if IDENTITY not in file.attrs:
            return None
        where = str(where)
        try:
            names = tuple(name.decode("utf-8") for name in file[NAMES][:])
            parts = {key: file[key][:] for key in (PICTURES, ROWS, FINISHED)}
            identity, checksum = str(file.attrs[IDENTITY]), file[CHECKSUM][:].tobytes()
        except (KeyError, OSError, UnicodeDecodeError, AttributeError) as error:
            raise InputError(f"{where}: its manifest cannot be read: {error}") from None
        shapes = [list(part.shape) for part in parts.values()]
        if shapes != [[len(names), 32], [len(names)], [len(names)]]:
            raise InputError(
                f"{where}: its manifest has {len(names)} names, but arrays of the shapes {shapes}"
            )
        left = int(len(names) - parts[FINISHED].astype(bool).sum())
        if left:
            raise InputError(
                f"{where}: the features of {left} of {len(names)} pictures are missing; expected "
                "--mode=extract_features to have ended"
            )
        FeatureIdentity.from_text(identity, where)
        manifest = cls(where, identity, names, parts[PICTURES], parts[ROWS])
        if manifest.checksum() != checksum:
            raise InputError(
                f"{where}: its manifest has another checksum than is written beside it; expected "
                "names, pictures and rows as they were extracted"
            )
        return manifest

    def checksum(self) -> bytes:
        """SHA-256 of identity, names, pictures and rows."""
        digest = hashlib.sha256("\n".join([self.identity, *self.names]).encode("utf-8"))
        digest.update(np.ascontiguousarray(self.pictures, np.uint8))
        digest.update(np.ascontiguousarray(self.row_checksums, "<u4"))
        return digest.digest()

    def rows_of(self, names: Sequence[str]) -> np.ndarray:
        """The row of each picture, int64 [len(names)].

        Raises:
            InputError: the file has no features of a picture.
        """
        rows = {name: row for row, name in enumerate(self.names)}
        missing = [name for name in names if name not in rows]
        if missing:
            raise InputError(
                f"{self.where}: has no features of {len(missing)} of {len(names)} pictures; the first "
                f"is {missing[0]!r}"
            )
        return np.array([rows[name] for name in names], np.int64)

    def check_pictures(self, folder: Path, rows: np.ndarray) -> None:
        """Holds some of the pictures, spread over `rows`, against those that the features are of.

        Raises:
            InputError: a picture of that name has other bytes.
        """
        spread = np.unique(np.linspace(0, len(rows) - 1, _COMPARED_PICTURES).astype(int))
        for row in rows[spread] if len(rows) else ():
            path = folder / self.names[row]
            if path.is_file() and picture_digest(path) != self.pictures[row].tobytes():
                raise InputError(
                    f"{self.where}: row {row} is of another picture than {path}; expected features of "
                    "the pictures that the questions are about"
                )


def picture_digest(path: Path) -> bytes:
    """SHA-256 of a picture's file."""
    return hashlib.sha256(path.read_bytes()).digest()
