"""Every evaluation of a run, as a line of its own in `evaluations.jsonl`: none replaces another.

A record says what was measured and with what: data with their checksums, split, limit, checkpoint and
step, the flags that change answers, versions, and the accuracy table.
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from lnmn_tf.config import RunConfig
from lnmn_tf.config.modes import INFERENCE_ONLY

FILE = "evaluations.jsonl"


def describe(
    config: RunConfig, split: str, source: str | os.PathLike, filenames: Sequence[str], step: int
) -> dict:
    """What an evaluation is of: everything of a record but its result.

    Args:
        config: with which the network answers.
        split: that is measured.
        source: the file of its questions.
        filenames: the pictures that it asks about.
        step: of the checkpoint.
    """
    data = config.data
    return {
        "split": split,
        "limit": data.max_val_questions,
        "data": {
            "data_dir": data.data_dir,
            "questions_sha256": checksum(source),
            "images_sha256": _checksum_of_images(config, split, filenames),
        },
        "step": step,
        "flags": answering_flags(config)
        | {"batch_size": config.training.batch_size, "xla": config.training.xla},
        "versions": versions(),
    }


def append(run_dir: str | os.PathLike, description: dict, result: dict) -> dict:
    """Adds a record to a run's evaluations. Returns it.

    Raises:
        OSError: the run folder cannot be written.
    """
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    record = {"time": now, **description, **result}
    line = json.dumps(record, allow_nan=False) + "\n"
    with open(Path(run_dir) / FILE, "ab+", buffering=0) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # two evaluations at once; it ends with the process
        if stream.seek(0, os.SEEK_END):
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":  # a kill or a full disk cut the last record short
                line = "\n" + line
        stream.write(line.encode())
        os.fsync(stream)
    return record


def read(run_dir: str | os.PathLike) -> list[dict]:
    """The records, oldest first; a line that a kill or a full disk cut short is left out."""
    try:
        lines = (Path(run_dir) / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    records = []
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def find(run_dir: str | os.PathLike, config: RunConfig, step: int) -> dict | None:
    """The record of the most questions, and of these the newest, that such a network answered.

    Args:
        run_dir: of the run.
        config: with which the network answers; only the flags that change answers count.
        step: of its checkpoint.
    """
    wanted = answering_flags(config)
    fitting = [
        record
        for record in read(run_dir)
        if record.get("step") == step
        and "accuracy" in record
        and {name: dict(record.get("flags") or {}).get(name) for name in wanted} == wanted
    ]
    return max(reversed(fitting), key=lambda r: r["accuracy"]["questions"], default=None)


def answering_flags(config: RunConfig) -> dict:
    """The flags that change what a trained network answers, as JSON holds them."""
    known = [name for name in INFERENCE_ONLY if hasattr(config.model, name)]  # Stack-NMN has none
    flags = {name: getattr(config.model, name) for name in known}
    flags["mixed_precision"] = config.machine.mixed_precision
    return {k: list(v) if isinstance(v, tuple) else v for k, v in flags.items()}


def versions() -> dict[str, str]:
    """Of what computes."""
    packages = {name: metadata.version(name) for name in ("tensorflow", "keras")}
    return {"python": platform.python_version(), **packages}


def short_name(description: dict) -> str:
    """Eight hexadecimal digits that are the same for the same evaluation."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:8]


def checksum(path: str | os.PathLike) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _checksum_of_images(config: RunConfig, split: str, filenames: Sequence[str]) -> str:
    """SHA-256 of the names and sizes of the files: their contents may be a terabyte."""
    data = config.data
    folders = data.folders_of(split)
    if data.features:
        paths = [Path(data.features.replace("{split}", folder)) for folder in folders]
    else:
        folder_of = {name: f for name in filenames for f in folders if f"_{f}_" in name}
        images = Path(data.data_dir) / "images"
        paths = [images / folder_of.get(name, folders[0]) / name for name in filenames]
    text = "".join(f"{path.name} {path.stat().st_size}\n" for path in paths)
    return hashlib.sha256(text.encode()).hexdigest()
