"""A run whose machine grows: it ends with all steps open, and a stop in its middle changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.training.callbacks import Clock
from lnmn_tf.training.checkpoints import CheckpointFolder
from lnmn_tf.training.networks import build_network
from lnmn_tf.training.run import train
from tests.conftest import TINY_MODEL, TINY_TRAINING


@pytest.fixture(scope="module")
def config(tiny_world):
    sizes = {"encoder_filters": (4, 5), "encoder_strides": (2, 1), "num_steps": 3}
    course = {"growing": True, "draws": True, "grow_shares": (0.2, 0.6, 0.9), "checkpoint_steps": 1}
    choices = {**TINY_MODEL, **TINY_TRAINING, **sizes, **course, "data_dir": str(tiny_world)}
    return RunConfig.create(choices)


def network_of(run_dir):
    network = build_network(RunConfig.load(run_dir).model)
    CheckpointFolder(run_dir).load_weights(network, "last")
    return network


@pytest.mark.slow  # three runs of the real machine are traced, two minutes
def test_a_run_stopped_while_steps_are_closed_ends_with_the_same_weights(
    config, tmp_path, monkeypatch
):
    train(config, tmp_path / "whole")
    advance = Clock.advance

    def stopping(clock):
        advance(clock)
        if clock.step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Clock, "advance", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "stopped")
    assert float(network_of(tmp_path / "stopped").growth.freedom) < 1.0
    train(config, tmp_path / "stopped")
    whole, stopped = network_of(tmp_path / "whole"), network_of(tmp_path / "stopped")
    assert float(whole.growth.freedom) == float(stopped.growth.freedom) > 0.0
    for mine, theirs in zip(whole.variables, stopped.variables):
        np.testing.assert_array_equal(mine, theirs, err_msg=mine.name)
