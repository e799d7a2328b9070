"""Reading and writing files: a reader, and a run that was killed, never finds half of one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lnmn_tf.errors import InputError


def write_text(path: str | os.PathLike, text: str | Iterable[str]) -> None:
    """Writes a text under a temporary name in the same folder, then renames it.

    Args:
        path: the file; its folder is made where it is missing.
        text: the text, or parts of it.

    Raises:
        OSError: the disk is full, or the folder cannot be written; the file is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as stream:
            stream.writelines([text] if isinstance(text, str) else text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes bytes as `write_text` writes a text."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: str | os.PathLike) -> Any:
    """Reads JSON.

    Raises:
        InputError: the file cannot be read, is no text, no JSON, or nested too deeply to be ours.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes JSON, indented; see `write_text`. NaN and infinity are refused (ValueError)."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
