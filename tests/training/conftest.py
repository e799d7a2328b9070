"""What a run ends with that nothing disturbed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 400.0  # seconds; on an idle machine these runs take a tenth of it


def start(run_dir: Path, data_dir: Path, *arguments: str, tf_config=None) -> subprocess.Popen:
    """Trains the tiny network in a process of its own, which writes to `run_dir`.log."""
    log = open(run_dir.with_suffix(".log"), "a")  # noqa: SIM115
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.training.tiny_network",
            str(run_dir),
            str(data_dir),
            *arguments,
        ],
        env={**os.environ, "TF_CONFIG": json.dumps(tf_config or {})},
        cwd=ROOT,
        stdout=log,
        stderr=log,
    )


def last_step(run_dir: Path) -> int:
    """Of the last checkpoint; -1 before the first."""
    try:
        index = json.loads((run_dir / "checkpoints" / "index.json").read_text())
    except FileNotFoundError:
        return -1
    return int(index["last"].removeprefix("step_"))


def final_tensors(run_dir: Path) -> dict[str, np.ndarray]:
    """Everything in the last checkpoint: weights, averages, both optimizers."""
    import tensorflow as tf

    folder = run_dir / "checkpoints" / f"step_{last_step(run_dir):08d}"
    reader = tf.train.load_checkpoint(str(folder / "training"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names}


@pytest.fixture(scope="session")
def undisturbed(tiny_world, tmp_path_factory) -> Path:
    """The folder of a run by one process, from start to end."""
    run_dir = tmp_path_factory.mktemp("undisturbed") / "run"
    assert start(run_dir, tiny_world).wait(PATIENCE) == 0
    return run_dir
