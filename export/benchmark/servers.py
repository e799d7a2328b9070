"""A server of an exported model in a process of its own: TF Serving's, or what stands in for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from export.warm_up import MODEL_NAME
from lnmn_tf.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
BATCHING = ROOT / "export" / "serving" / "batching.config"
STAND_IN = """
import sys
from pathlib import Path
from tests.export.stand_in_server import StandInServer
with StandInServer(Path(sys.argv[1])) as server:
    print(server.port, flush=True)
    sys.stdin.read()
"""


def real_server() -> str | None:
    """`tensorflow_model_server`, as TF_MODEL_SERVER names it or as it is on the PATH."""
    return os.environ.get("TF_MODEL_SERVER") or shutil.which("tensorflow_model_server")


@contextmanager
def serve(folder: Path) -> Iterator[grpc.Channel]:
    """Serves a version on this machine as long as the context lasts."""
    program = real_server()
    if program:
        port = _free_port()
        command = [program, f"--port={port}", f"--model_name={MODEL_NAME}"]
        command += [f"--model_base_path={folder.resolve().parent}", "--enable_batching=true"]
        command += [f"--batching_parameters_file={BATCHING}"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
    else:
        command = [sys.executable, "-c", STAND_IN, str(folder.resolve())]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT, text=True)
        port = process.stdout.readline().strip()
    with process:
        try:
            if not port:
                raise InputError(
                    "no tensorflow_model_server is on the PATH, and what stands in for it is in tests/; "
                    "expected the one or the other"
                )
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                grpc.channel_ready_future(channel).result(timeout=120)
                yield channel
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
