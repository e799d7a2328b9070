"""Tables and pictures on disk, each written whole."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lnmn_tf.files import write_json, write_text


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows under the names of the first one's fields."""
    rows = list(rows)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _short(v) for k, v in row.items()} for row in rows)
    write_text(path, stream.getvalue())


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Writes a result as JSON: arrays become lists, and what is no number becomes null."""
    write_json(path, plain(result))


def write_figure(stem: Path, figure) -> list[Path]:
    """Writes a matplotlib figure as PNG and as SVG. Returns both paths."""
    import matplotlib

    paths = []
    for suffix, options in ((".png", {"dpi": 200}), (".svg", {"metadata": {"Date": None}})):
        path = stem.with_name(stem.name + suffix)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # One hash salt, so that the same figure is the same file.
            with matplotlib.rc_context({"svg.hashsalt": "lnmn_tf", "svg.fonttype": "path"}):
                figure.savefig(temporary, format=suffix[1:], **options)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        paths.append(path)
    return paths


def plain(value: Any) -> Any:
    """The same in what JSON knows."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _short(value: Any) -> Any:
    """A number with six digits, for tables."""
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return value
