"""Two devices, or two machines, train as one does; a worker that was killed is no harm."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import TrainingConfig
from lnmn_tf.errors import InputError
from lnmn_tf.training import replicas
from tests.training.conftest import PATIENCE, final_tensors, last_step, start

DAWDLE = "300"  # milliseconds a step, so that a kill finds the run in its middle


def start_workers(run_dir, data_dir, dawdle="0") -> list[subprocess.Popen]:
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    hosts = ["{}:{}".format(*each.getsockname()) for each in sockets]
    for each in sockets:
        each.close()
    return [
        start(
            run_dir,
            data_dir,
            dawdle,
            "multi_worker",
            tf_config={"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}},
        )
        for index in range(2)
    ]


def assert_same(expected, found):
    """Weights, averages, and moments of both optimizers."""
    assert expected.keys() == found.keys()
    assert any("arch_optimizer" in name for name in expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_two_devices_train_as_one(undisturbed, tiny_world, tmp_path):
    run_dir = tmp_path / "run"
    assert start(run_dir, tiny_world, "0", "mirrored", "2").wait(PATIENCE) == 0
    assert_same(final_tensors(undisturbed), final_tensors(run_dir))


def test_two_workers_of_which_one_is_killed_and_both_restarted_train_as_one_device(
    undisturbed, tiny_world, tmp_path
):
    run_dir = tmp_path / "run"
    first, second = start_workers(run_dir, tiny_world, DAWDLE)
    deadline = time.monotonic() + PATIENCE
    while last_step(run_dir) < 2:
        assert first.poll() is None, run_dir.with_suffix(".log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    second.send_signal(signal.SIGKILL)
    second.wait(PATIENCE)
    assert first.wait(PATIENCE) == 1  # it does not wait for ever
    assert (
        "the same command, given again on every worker" in run_dir.with_suffix(".log").read_text()
    )
    killed_at = last_step(run_dir)

    workers = start_workers(run_dir, tiny_world)
    assert [worker.wait(PATIENCE) for worker in workers] == [0, 0]
    told = run_dir.with_suffix(".log").read_text()
    assert f"goes on from step {killed_at} of 12" in told, told
    assert_same(final_tensors(undisturbed), final_tensors(run_dir))
    assert json.loads((run_dir / "metrics.json").read_text())["steps"] == 12


def test_the_parts_of_a_batch_are_spread_in_order():
    batch = {"question": np.arange(12).reshape(6, 2)}
    cut = replicas._cut(tf.constant(batch["question"]), 3)
    np.testing.assert_array_equal(cut.numpy().reshape(6, 2), batch["question"])
    assert cut.shape == [3, 2, 2]


def test_one_device_leaves_dataset_and_values_as_they_are():
    strategy = replicas.make_strategy("one")
    dataset = tf.data.Dataset.range(3)
    assert replicas.distribute(strategy, lambda part: dataset) is dataset
    assert replicas.is_first(strategy)
    np.testing.assert_array_equal(replicas.mean_over_replicas(tf.constant([2.0, 3.0])), [2.0, 3.0])


def test_undisturbed_the_first_values_are_the_only_ones():
    variables = [tf.Variable([2.0, 3.0]), tf.Variable([[5.0]])]
    replicas.share_first(replicas.make_strategy("one"), variables)
    np.testing.assert_array_equal(variables[0], [2.0, 3.0])
    np.testing.assert_array_equal(variables[1], [[5.0]])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "cook", "index": 0}}',
    ],
)
def test_a_wrong_cluster_is_refused_at_once(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG"):
        replicas.make_strategy("multi_worker")


def test_a_batch_that_cannot_be_cut_is_refused():
    class Two:
        num_replicas_in_sync = 2

    with pytest.raises(InputError, match="--batch_size is 12; expected a multiple of 8"):
        replicas.check_batch(Two, TrainingConfig(batch_size=12, shards=4))
