"""What a version was made of, as JSON beside it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from lnmn_tf.config.export import ExportConfig
from lnmn_tf.files import write_json
from lnmn_tf.training import evaluations
from lnmn_tf.training.supervision import supervision
from lnmn_tf.training.trained import TrainedRun

from .servable import Servable

FILE = "model_card.json"
NOT_MEASURED = "not measured"


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
        "supervision": supervision(run.config),
        "flags": {**config, "export": dataclasses.asdict(options)},
        "checkpoint": {"name": run.checkpoint, "step": run.step},
        "evaluation": measured(run, options) or NOT_MEASURED,
        "parameters": int(sum(np.prod(v.shape) for v in servable.network.variables)),
        "vocabulary": {
            "words": run.vocabulary.num_words,
            "answers": list(run.vocabulary.answers),
            "sha256": run.vocabulary.hash,
        },
        "versions": evaluations.versions(),
        "sha256": {
            str(path.relative_to(folder)): evaluations.checksum(path) for path in _files(folder)
        },
    }
    write_json(folder / FILE, card)


def measured(run: TrainedRun, options: ExportConfig) -> dict | None:
    """The record of an evaluation of what is exported: this checkpoint with these flags.

    None where there is none. Weights stored in another type, and a backbone in front, make another graph
    than the one that was measured.
    """
    if options.export_dtype != "float32" or options.with_backbone:
        return None
    return evaluations.find(run.run_dir, run.config, run.step)


def describe_accuracy(run: TrainedRun, options: ExportConfig) -> str:
    """One line about the accuracy of what is exported."""
    record = measured(run, options)
    if record is None:
        return f"its accuracy is {NOT_MEASURED}; --mode=evaluate with the same flags measures it"
    table = record["accuracy"]
    return (
        f"its accuracy is {100 * table['accuracy']:.1f} % of {table['questions']} questions of "
        f"{record['split']}, measured at {record['time']}"
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
