"""What has been computed already, part by part: the same command goes on where it was stopped."""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lnmn_tf.files import write_json

Arrays = dict[str, np.ndarray]


class Ledger:
    """The parts of one analysis.

    Args:
        folder: for the parts; None keeps nothing.
        key: all that the parts depend on. Parts of another key are thrown away.
        report: is told what is done, a line at a time.
    """

    def __init__(
        self,
        folder: Path | None = None,
        key: Mapping[str, Any] | None = None,
        report: Callable[[str], None] = lambda line: None,
    ):
        self._folder, self._report, self._key = folder, report, dict(key or {})
        self._key_path = None if folder is None else folder / "key.json"
        if folder is not None and self._read_key() != _through_json(key or {}):
            shutil.rmtree(folder, ignore_errors=True)
            write_json(self._key_path, key or {})

    def part(self, name: str, compute: Callable[[], Arrays], done: str = "") -> Arrays:
        """A part: read, where it was computed before, or else computed and kept.

        Args:
            name: of the part; a file is called so.
            compute: returns named arrays.
            done: what is reported afterwards, with the seconds that it took.
        """
        path = None if self._folder is None else self._folder / f"{name}.npz"
        if path is not None and path.exists():
            try:
                with np.load(path, allow_pickle=False) as archive:
                    return dict(archive)
            except (OSError, ValueError, zipfile.BadZipFile):
                path.unlink()
        began = time.monotonic()
        arrays = compute()
        if path is not None:
            _write(path, arrays)
        if done:
            self._report(f"{done}, {time.monotonic() - began:.1f} s")
        return arrays

    def below(self, name: str) -> Ledger:
        """A ledger of its own for a part that has parts."""
        folder = None if self._folder is None else self._folder / name
        return Ledger(folder, self._key, self._report)

    def _read_key(self) -> Any:
        try:
            return json.loads(self._key_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def _write(path: Path, arrays: Arrays) -> None:
    """Writes an archive under a temporary name, then renames it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            np.savez(stream, **arrays)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))
