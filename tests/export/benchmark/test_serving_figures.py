"""The figures of a served model."""

from __future__ import annotations

import threading
import time

import grpc
import pytest

from export.benchmark import serving
from export.benchmark.compiler import has_compiler
from lnmn_tf.benchmark.presets import Preset
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


@pytest.mark.slow
def test_soft_and_hard_operators_are_measured_in_loader_and_server():
    if not has_compiler():
        pytest.skip("there is no g++")
    result = serving.measure_serving(TINY, {}, seconds=0.2)
    assert set(result) == {"soft", "hard"}
    for figures in result.values():
        assert figures["bytes"] > 1000 and figures["load_seconds"] > 0
        (server,) = {"server", "stand-in"} & set(figures)
        for where in ("loader", server):
            assert set(figures[where]) == {"1", "8", "64"}
            for row in figures[where].values():
                assert 0 < row["p50_ms"] <= row["p99_ms"] and row["per_second"] > 0
    table = serving.format_serving(result)
    assert len(table.splitlines()) == 1 + 2 * (3 + 3 + 1)
