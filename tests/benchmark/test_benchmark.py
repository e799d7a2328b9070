"""The benchmark measures what it says it measures."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.benchmark import machine, peers
from lnmn_tf.benchmark.machine import Cost, least_cost, measure_machine
from lnmn_tf.benchmark.peer_snmn import tensorflow_1
from lnmn_tf.benchmark.peers import find_peer
from lnmn_tf.benchmark.presets import PRESETS
from lnmn_tf.benchmark.run import benchmark
from lnmn_tf.benchmark.worker import Worker, peak_memory
from lnmn_tf.config.benchmark import BenchmarkConfig
from lnmn_tf.config.registry import make_config
from lnmn_tf.errors import InputError
from lnmn_tf.main import main
from tests.conftest import to_arguments

SLEEPER = "tests.benchmark.sleeper"


def test_a_worker_tells_how_long_each_call_took():
    worker = Worker(SLEEPER, {"seconds": 0.02})
    assert worker.report["values"] == [0.02]
    times = worker.run(3)
    assert len(times["seconds"]) == 3
    assert min(times["seconds"]) >= 0.02
    assert max(times["cpu_seconds"]) < 0.02  # sleeping is not working
    assert 1e6 < worker.close() < 1e9


def test_a_worker_that_fails_says_why():
    with pytest.raises(InputError, match="time goes forwards"):
        Worker(SLEEPER, {"seconds": -1})
    with pytest.raises(InputError, match="/nowhere/python"):
        Worker(SLEEPER, {"seconds": 0}, python="/nowhere/python")


def test_wrong_choices_are_refused_before_anything_is_measured(tmp_path):
    for choice, message in (
        ({"preset": "tiny"}, "--preset is 'tiny'; expected one of: paper, stack_nmn, quickstart"),
        ({"what": "train,fly"}, "--what is 'train,fly'"),
        ({"rounds": 0}, "rounds is 0; expected at least 1"),
        ({"gigabytes": -1}, "gigabytes is -1; expected at least 1"),
        ({"peer": str(tmp_path)}, "^peer is .*expected a checkout of .*LNMN"),
        ({"peer": str(tmp_path), "preset": "stack_nmn"}, "expected a checkout of .*snmn"),
        ({"preset": "stack_nmn"}, "--hard_operators is unknown to --model=stack_nmn"),
    ):
        with pytest.raises(InputError, match=message):
            how = {k: choice.pop(k) for k in ("rounds", "gigabytes", "peer") if k in choice}
            benchmark({}, run_dir=str(tmp_path), **choice, options=BenchmarkConfig(**how))
    assert not list(tmp_path.iterdir())


def test_least_cost_is_that_of_the_paper():
    config = make_config("released", num_words=93, num_answers=28)
    shape, words = PRESETS["paper"].map_shape, PRESETS["paper"].words
    cost = least_cost(config, shape, words, training=False)
    projections = 2 * 196 * (1024 * 512 + 512 * 512 + 512 * 384)  # most of it, by hand
    assert projections < cost.flops < 1.5 * projections
    assert cost.bytes == 4 * 196 * (1024 + 5 * 384)
    assert least_cost(config, shape, words, training=True).flops == 6 * cost.flops
    assert Cost(8.0, 3.0).seconds({"flops_per_second": 2.0, "bytes_per_second": 1.0}) == 4.0
    assert Cost(8.0, 5.0).seconds({"flops_per_second": 2.0, "bytes_per_second": 1.0}) == 5.0


def test_least_cost_is_that_of_stack_nmn():
    preset = PRESETS["stack_nmn"]
    config = make_config("stack_nmn", num_words=93, num_answers=28)
    cost = least_cost(config, preset.map_shape, preset.words, training=False)
    once = 196 * (1024 + 512) * 512 + 45 * 2 * 4 * 256 * (300 + 256)
    scores = 9 * 2 * 3 * 196 * 512  # find and transform: score, norm and attended features
    assert 2 * (once + scores) < cost.flops < 2.4 * (once + scores)
    assert cost.bytes == 4 * 196 * (1024 + 9 * 512)
    assert least_cost(config, preset.map_shape, preset.words, training=True).flops == 3 * cost.flops


@pytest.mark.parametrize("model", ["released", "stack_nmn"])
def test_a_peer_is_a_checkout_of_the_program_that_has_the_model(model, tmp_path):
    program = {"released": peers.LNMN, "stack_nmn": peers.STACK_NMN}[model]
    (tmp_path / program.sign).parent.mkdir()
    (tmp_path / program.sign).touch()
    config = make_config(model)
    assert find_peer("", "", config) is None
    peer = find_peer(str(tmp_path), "", config)
    assert (peer.worker, peer.python, peer.same_weights) == (program.worker, sys.executable, True)
    assert importlib.util.find_spec(peer.worker)
    other = make_config("stack_nmn" if model == "released" else "ours")
    with pytest.raises(InputError, match="expected a checkout"):
        find_peer(str(tmp_path), "", other)
    if model == "released":
        assert not find_peer(str(tmp_path), "", make_config("ours")).same_weights
        with pytest.raises(InputError, match="^peer is LNMN-9"):
            find_peer(str(tmp_path), "", config.replace(answer_4=2))


def test_tensorflow_1_is_there_for_a_program_that_imports_it_and_then_gone(tmp_path, monkeypatch):
    (tmp_path / "old_program.py").write_text(
        "import tensorflow as tf, yaml\nfrom tensorflow import newaxis\n"
        "cell, xavier = tf.nn.rnn_cell.LSTMCell, tf.contrib.layers.xavier_initializer\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(sys.modules)
    with tensorflow_1(tf.compat.v1):
        program = importlib.import_module("old_program")
    assert program.xavier is tf.compat.v1.glorot_uniform_initializer
    assert program.cell is tf.compat.v1.nn.rnn_cell.LSTMCell
    assert all(sys.modules.get(name) is before.get(name) for name in ("tensorflow", "yaml"))


def test_what_is_measured_is_printed_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(machine, "MATRIX", 64)
    monkeypatch.setattr(machine, "STREAM", 2**12)
    found = measure_machine(repeats=2)
    assert found["cores"] >= 1
    assert found["flops_per_second"] > 1e6 < found["bytes_per_second"]
    arguments = {"what": "infer", "rounds": "2", "xla": "off", "batch_size": "6", "map_dim": "5"}
    assert main(to_arguments(mode="benchmark", run_dir=tmp_path, **arguments)) == 0
    result = json.loads((tmp_path / "benchmark.json").read_text())
    ours = result["infer"]["ours"]
    rate = ours["examples_per_second"]
    assert 0.0 < rate["min"] <= rate["median"] <= rate["max"]
    assert ours["batch_size"] == 6
    assert 1e7 < ours["peak_bytes"] < 4e9
    assert ours["first_call_seconds"] > 0.0 < ours["roofline_fraction"]
    assert "ratio" not in result["infer"]  # no peer, no ratio
    assert f"{rate['median']:.1f}" in capsys.readouterr().out


def test_the_peak_of_memory_is_that_of_the_process_alone():
    code = "from lnmn_tf.benchmark.worker import peak_memory; print(peak_memory())"
    held = np.ones(400_000_000 // 8)  # which a child must not be charged for
    child = int(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    )
    assert 1_000_000 < child < held.nbytes <= peak_memory()
