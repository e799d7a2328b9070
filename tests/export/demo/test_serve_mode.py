"""`--mode=serve` from the command line."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from export.demo import demonstration
from lnmn_tf.main import main
from tests.export.demo.conftest import Echo

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("content", [None, b"", b"not a protobuf"])
def test_nothing_to_serve_is_one_clear_sentence(tmp_path, capsys, content):
    folder = tmp_path / "export"
    if content is not None:
        (folder / "7").mkdir(parents=True)
        (folder / "7" / "saved_model.pb").write_bytes(content)
    assert main(["--mode=serve", f"--export_dir={folder}", "--port=0"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and str(folder) in error
    assert "Traceback" not in error


@pytest.mark.parametrize("length", [0, 40, -100])
def test_variables_cut_short_are_one_clear_sentence(exported, tmp_path, capsys, length):
    folder = shutil.copytree(exported, tmp_path / "export" / "1")
    (path,) = (folder / "variables").glob("variables.data*")
    path.write_bytes(path.read_bytes()[:length])
    assert main(["--mode=serve", f"--export_dir={folder.parent}", "--port=0"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and str(folder) in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demonstration, "ServedModel", lambda _: Echo())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = ["--mode=serve", f"--export_dir={tmp_path}", f"--port={port}"]
        assert main(arguments) == 1
    assert f"--port is {port}: " in capsys.readouterr().err


def test_serve_says_where_the_page_is_and_ends_with_ctrl_c(exported):
    arguments = ["--mode=serve", f"--export_dir={exported.parent}", "--port=0"]
    with subprocess.Popen(
        [sys.executable, "-m", "lnmn_tf.main", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell has its background commands ignore Ctrl-C, and they their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            lines = [process.stdout.readline() for _ in range(4)]
            port = int(lines[1].rsplit(":", 1)[1].strip(" /\n"))
            connection = http.client.HTTPConnection("127.0.0.1", port, 20)
            connection.request("GET", "/v1/models/lnmn")
            assert connection.getresponse().status == 200
            connection.close()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
        assert "Traceback" not in process.stderr.read()
    assert "demonstration" in lines[3]
