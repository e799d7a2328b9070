"""A run survives `kill -9`."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np

from tests.training.conftest import PATIENCE, final_tensors, last_step, start

DAWDLE = "120"  # milliseconds a step, so that a kill finds the run in its middle


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


def test_a_killed_run_ends_with_the_same_weights_bit_for_bit(undisturbed, tiny_world, tmp_path):
    whole, killed = undisturbed, tmp_path / "killed"
    kill_after(2, killed, tiny_world, delay=0.05)
    kill_after(last_step(killed) + 2, killed, tiny_world, delay=0.0)
    assert start(killed, tiny_world).wait(PATIENCE) == 0

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
