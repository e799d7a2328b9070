"""What cannot fit is refused before the work begins, with the flag to lower."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.config.run import of_run
from lnmn_tf.errors import InputError
from lnmn_tf.main import parse
from lnmn_tf.training import estimates
from lnmn_tf.training.estimates import available_memory, check_training, check_world

PIXELS = {"image_height": 96, "image_width": 144}


@pytest.mark.parametrize(
    "choices, flag",
    [
        ({"image_height": 20_000, "image_width": 20_000}, "--image_size"),
        ({"map_dim": 2_000_000_000}, "--map_dim"),
        ({"text_dim": 2_000_000_000}, "text_dim"),
        ({"mlp_dim": 2_000_000_000}, "mlp_dim"),
        ({"batch_size": 2_000_000_000}, "--batch_size"),
        ({"num_steps": 2_000_000_000}, "--num_steps"),
        ({"encoder_filters": (2_000_000, 4), "encoder_strides": (1, 1)}, "encoder_filters"),
    ],
)
def test_a_run_that_cannot_fit_in_memory_is_refused(choices, flag, tmp_path):
    with pytest.raises(InputError, match=f"needs at least .* GB .*{flag}"):
        check_training(RunConfig.create({**PIXELS, **choices}), tmp_path)


def test_the_quickstart_is_let_through_on_two_gigabytes(monkeypatch, tmp_path):
    monkeypatch.setattr(estimates, "available_memory", lambda: 2e9)
    _, choices = parse(["--flagfile=configs/quickstart.flags"])
    check_training(RunConfig.create(of_run(choices)), tmp_path / "not" / "yet")


@pytest.mark.parametrize(
    "choices, words",
    [
        ({"train_images": 2_000_000_000}, "2000000200 pictures.*--train_images"),
        ({"picture_width": 1_000, "train_images": 9_000_000}, "--picture_size"),
    ],
)
def test_a_world_that_the_disk_cannot_hold_is_refused(choices, words, tmp_path):
    with pytest.raises(InputError, match=f"{words}.*--data_dir"):
        check_world(RunConfig.create({**PIXELS, **choices}).world, tmp_path / "world")


def test_checkpoints_that_the_disk_cannot_hold_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match="two checkpoints.*--run_dir"):
        check_training(RunConfig.create(PIXELS), tmp_path)


def test_some_memory_is_available():
    assert 1e8 < available_memory() < 1e14
