"""Noise of TensorFlow's C++ does not reach the user, and nothing else is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "import os, sys; from lnmn_tf.noise import filter_standard_error; filter_standard_error();"
NOISE = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
    "I0000 00:00:1700000000.123456    1234 device_compiler.h:186] Compiled cluster using XLA!  This "
    "line is logged at most once for the lifetime of the process.\n",
    "W0000 00:00:1700000000.123456    1234 op_level_cost_estimator.cc:699] Error in PredictCost() for "
    "the op: op: 'Softmax'\n",
)
REAL = (
    "E0000 00:00:1700000000.1 1 gpu.cc:1] out of memory\n",
    "error: x: PredictCost is no flag\n",
    "no newline at its end",
)


def run(code: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", BEGIN + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_only_noise_is_left_out():
    text = NOISE[0] + REAL[0] + NOISE[1] + REAL[1] + NOISE[2] + REAL[2]
    done = run(f"os.write(2, {text.encode()!r}); print('to Python', file=sys.stderr)")
    assert sorted(done.stderr.splitlines()) == sorted(
        "".join([*REAL, "\nto Python\n"]).splitlines()
    )
    assert done.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGKILL])
def test_the_last_words_of_a_process_that_dies_are_printed(number):
    done = run(f"os.write(2, b'F0000 check failed\\n'); os.kill(os.getpid(), {int(number)})")
    assert done.returncode == -number
    assert "F0000 check failed" in done.stderr


def test_a_traceback_is_printed():
    done = run("raise SystemError('real')")
    assert "SystemError: real" in done.stderr and done.returncode == 1


def test_python_still_knows_whether_its_standard_error_is_a_terminal():
    master, slave = os.openpty()
    code = f"{BEGIN} print(sys.stderr.isatty())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=slave, check=True)
    os.close(slave)
    os.close(master)
    assert done.stdout == b"True\n"
