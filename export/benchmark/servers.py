"""A server of an exported model in a process of its own, with the flags of `tensorflow_model_server`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc

from lnmn_tf.errors import InputError

from ..warm_up import MODEL_NAME

BATCHING = Path(__file__).resolve().parents[1] / "serving" / "batching.config"
SECONDS_TO_LOAD = 120


def server_command() -> list[str]:
    """How to start a server: what TF_MODEL_SERVER says, or the program on the PATH; empty = there is none."""
    program = shutil.which("tensorflow_model_server")
    return shlex.split(os.environ.get("TF_MODEL_SERVER", "")) or [program] * bool(program)


def server_name(command: Sequence[str]) -> str:
    """What to call it: the last part of the program, or of `python -m MODULE`."""
    return re.split(r"[./]", command[-1])[-1]


@contextmanager
def serve(folder: Path, command: Sequence[str]) -> Iterator[grpc.Channel]:
    """Serves a version on this machine as long as the context lasts.

    Raises:
        InputError: the command ends, or does not serve in time.
    """
    port = free_port()
    flags = [
        f"--port={port}",
        f"--model_name={MODEL_NAME}",
        f"--model_base_path={folder.resolve().parent}",
        "--enable_batching=true",
        f"--batching_parameters_file={BATCHING}",
    ]
    with subprocess.Popen([*command, *flags], stdin=subprocess.PIPE) as process:
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                _wait_for(channel, process)
                yield channel
        finally:
            process.terminate()


def _wait_for(channel: grpc.Channel, process: subprocess.Popen) -> None:
    ready = grpc.channel_ready_future(channel)
    for _ in range(2 * SECONDS_TO_LOAD):
        try:
            return ready.result(timeout=0.5)
        except grpc.FutureTimeoutError:
            if process.poll() is not None:
                break
    ready.cancel()
    raise InputError(f"{shlex.join(process.args)}: does not serve; expected a server of TensorFlow")


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
