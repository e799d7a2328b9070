"""A run survives `kill -9`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

import tests.training.tiny_network as tiny

ROOT = Path(tiny.__file__).parents[2]
DAWDLE = "120"  # milliseconds a step, so that a kill finds the run in its middle
PATIENCE = 120.0  # seconds


def start(run_dir: Path, data_dir: Path, dawdle: str = "0") -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, tiny.__file__, str(run_dir), str(data_dir), dawdle],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def last_step(run_dir: Path) -> int:
    try:
        index = json.loads((run_dir / "checkpoints" / "index.json").read_text())
    except FileNotFoundError:
        return -1
    return int(index["last"].removeprefix("step_"))


def kill_after(step: int, run_dir: Path, data_dir: Path, delay: float) -> None:
    """Kills the run `delay` seconds after a checkpoint of at least this step has come into being."""
    process = start(run_dir, data_dir, DAWDLE)
    deadline = time.monotonic() + PATIENCE
    while last_step(run_dir) < step:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def final_tensors(run_dir: Path) -> dict[str, np.ndarray]:
    """Everything in the last checkpoint: weights, averages, both optimizers."""
    index = json.loads((run_dir / "checkpoints" / "index.json").read_text())
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints" / index["last"] / "training"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names}


def test_a_killed_run_ends_with_the_same_weights_bit_for_bit(tiny_world, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    undisturbed = start(whole, tiny_world)
    kill_after(2, killed, tiny_world, delay=0.05)
    kill_after(last_step(killed) + 2, killed, tiny_world, delay=0.0)
    assert start(killed, tiny_world).wait(PATIENCE) == 0
    assert undisturbed.wait(PATIENCE) == 0

    expected, found = final_tensors(whole), final_tensors(killed)
    assert expected.keys() == found.keys()
    assert any("arch_optimizer" in name for name in expected)
    assert any("average" in name for name in expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)
    metrics = [json.loads((run / "metrics.json").read_text()) for run in (whole, killed)]
    assert metrics[0]["val"] == metrics[1]["val"]
    assert metrics[0]["steps"] == metrics[1]["steps"]
    assert (whole / "predictions.txt").read_text() == (killed / "predictions.txt").read_text()
