"""The figures of a served model."""

from __future__ import annotations

import shlex
import sys
import threading
import time

import grpc
import pytest

from export.benchmark import serving
from export.benchmark.compiler import has_compiler
from export.benchmark.servers import serve, server_command, server_name
from lnmn_tf.benchmark.presets import Preset
from lnmn_tf.errors import InputError
from tests.export.conftest import SIZES

TINY = Preset(SIZES, map_shape=(5, 7, 3), words=4, num_words=11, num_answers=6)


def test_as_many_ask_at_a_time_as_said_and_all_of_them_are_counted():
    busy, most, lock = 0, 0, threading.Lock()

    def predict(request, timeout):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.01)
        with lock:
            busy -= 1

    figures = serving._ask(predict, None, 5, 0.2)
    assert most == 5
    assert 10.0 <= figures["p50_ms"] <= figures["p99_ms"]
    assert figures["per_second"] <= 5 / 0.01


def test_a_request_that_fails_ends_the_measurement():
    def predict(request, timeout):
        raise grpc.RpcError("gone")

    with pytest.raises(grpc.RpcError, match="gone"):
        serving._ask(predict, None, 2, 0.1)


STAND_IN = [sys.executable, "-m", "tests.export.stand_in_server"]


def test_the_server_is_the_one_that_is_named_or_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TF_MODEL_SERVER", raising=False)
    assert server_command() == []
    program = tmp_path / "tensorflow_model_server"
    program.touch(mode=0o755)
    assert server_command() == [str(program)]
    assert server_name(server_command()) == "tensorflow_model_server"
    monkeypatch.setenv("TF_MODEL_SERVER", shlex.join(STAND_IN))
    assert server_command() == STAND_IN
    assert server_name(STAND_IN) == "stand_in_server"


def test_a_server_that_does_not_serve_is_named(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit(3)"]
    with pytest.raises(InputError, match="sys.exit.*does not serve"), serve(tmp_path, command):
        pass


def test_without_a_server_the_table_says_so():
    rows = {"1": {"per_second": 1.0, "p50_ms": 1.0, "p99_ms": 1.0}}
    figures = {"answers": {"loader": rows}, "bytes": 1, "load_seconds": 1.0}
    assert "TF_MODEL_SERVER" in serving.format_serving({"soft": figures})
    figures["answers"]["a_server"] = rows
    assert "TF_MODEL_SERVER" not in serving.format_serving({"soft": figures})


@pytest.mark.slow
def test_soft_and_hard_operators_are_measured_in_loader_and_server(monkeypatch):
    if not has_compiler():
        pytest.skip("there is no g++")
    monkeypatch.setenv("TF_MODEL_SERVER", shlex.join(STAND_IN))
    result = serving.measure_serving(TINY, {}, seconds=0.2)
    assert set(result) == {"soft", "hard"}
    for figures in result.values():
        assert figures["bytes"] > 1000 and figures["load_seconds"] > 0
        assert set(figures["answers"]) == {"loader", "stand_in_server"}
        for rows in figures["answers"].values():
            assert set(rows) == {"1", "8", "64"}
            for row in rows.values():
                assert 0 < row["p50_ms"] <= row["p99_ms"] and row["per_second"] > 0
    table = serving.format_serving(result)
    assert len(table.splitlines()) == 1 + 2 * (3 + 3 + 1)
