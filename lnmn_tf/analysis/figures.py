"""Figures on disk, written whole."""

from __future__ import annotations

import os
from pathlib import Path


def write_png(path: Path, figure, dpi: int) -> None:
    """Writes a matplotlib figure under a temporary name, then renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(temporary, format="png", dpi=dpi, metadata={"Software": None})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
