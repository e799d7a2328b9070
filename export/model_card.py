"""What a version was made of, as JSON beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from export.servable import Servable
from lnmn_tf.config.export import ExportConfig
from lnmn_tf.files import write_json
from lnmn_tf.training.trained import TrainedRun

FILE = "model_card.json"


def write_model_card(
    folder: str | os.PathLike, run: TrainedRun, options: ExportConfig, servable: Servable
) -> None:
    """Writes `model_card.json` into the folder of a version; its checksums are of all other files."""
    folder = Path(folder)
    config = dataclasses.asdict(run.config)
    card = {
        "model": run.config.model.model,
        "inputs": ["question", servable.image_key],
        "tensors": servable.documentation,
        "flags": {**config, "export": dataclasses.asdict(options)},
        "metrics": _metrics(run.run_dir),
        "parameters": int(sum(np.prod(v.shape) for v in servable.network.variables)),
        "vocabulary": {
            "words": run.vocabulary.num_words,
            "answers": list(run.vocabulary.answers),
            "sha256": run.vocabulary.hash,
        },
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "sha256": {str(path.relative_to(folder)): _checksum(path) for path in _files(folder)},
    }
    write_json(folder / FILE, card)


def _metrics(run_dir: Path) -> dict | None:
    """Those of the training; None where it was stopped before it measured them."""
    try:
        return json.loads((run_dir / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _checksum(path: Path) -> str:
    with open(path, "rb") as stream:
        digest = hashlib.sha256()
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
