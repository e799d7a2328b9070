"""What many tests need: a tiny world, a tiny trained run, and the sample of real CLEVR."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from hypothesis import HealthCheck, settings

_SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "clevr_mini"
TINY_WORLD = {
    "train_images": 12,
    "val_images": 3,
    "test_images": 0,
    "questions_per_image": 5,
    "picture_width": 48,
    "picture_height": 32,
    "max_objects": 5,
    "workers": 1,
}
TINY_MODEL = {
    "image_height": 16,
    "image_width": 24,
    "embed_dim": 5,
    "text_dim": 6,
    "kb_dim": 7,
    "map_dim": 3,
    "mem_dim": 11,
    "mlp_dim": 13,
    "encoder_filters": "4,5",
    "encoder_strides": "2,1",
    "num_steps": 2,
    "stack_len": 3,
    "attention_3": 2,
    "attention_4": 1,
}
TINY_TRAINING = {
    "epochs": 1,
    "batch_size": 8,
    "structure_fraction": 0.3,
    "xla": "off",
    "baselines": False,
}


def to_arguments(**flags) -> list[str]:
    """Commands and fields as they stand on a command line."""
    from lnmn_tf.config.flags import to_flags

    return to_flags(flags).splitlines()


# How fast an example is drawn says nothing about the law, only about what else the machine does.
settings.register_profile("lnmn", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lnmn")


# Fixtures that are dear: the files that need one run on one worker, and begin first.
DEAR = ("exported", "analysed_run", "undisturbed", "tiny_run")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Names the worker's share that each test belongs to, for `--dist loadgroup`."""
    needed = {}
    for item in items:
        needed.setdefault(item.path, set()).update(item.fixturenames)
    dearest = {
        path: next((i for i, name in enumerate(DEAR) if name in names), len(DEAR))
        for path, names in needed.items()
    }
    for item in items:
        place = dearest[item.path]
        group = DEAR[place] if place < len(DEAR) else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: dearest[item.path])


def leave_graphs_as_they_are() -> None:
    """Turns TensorFlow's optimiser of graphs off: no law is about it, and it takes a sixth of the time."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@contextmanager
def run_eagerly() -> Iterator[None]:
    """Functions run as they are written: to trace a graph that runs once takes longer."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session", autouse=True)
def _graphs_as_they_are():
    if "tensorflow" in sys.modules:
        leave_graphs_as_they_are()


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory):
    """A CLEVR folder of a few small pictures."""
    from lnmn_tf.config import WorldConfig
    from lnmn_tf.world.generator import generate_world

    folder = tmp_path_factory.mktemp("world") / "tiny"
    generate_world(WorldConfig(**TINY_WORLD), folder, progress=False)
    return folder


@pytest.fixture(scope="session")
def tiny_run(tiny_world, tmp_path_factory):
    """The folder of a finished run on `tiny_world`, by `main`."""
    from lnmn_tf.main import main

    run_dir = tmp_path_factory.mktemp("run") / "tiny"
    flags = {**TINY_MODEL, **TINY_TRAINING, "data_dir": tiny_world, "run_dir": run_dir}
    assert main(to_arguments(mode="train", **flags)) == 0
    return run_dir


@pytest.fixture(scope="session")
def clevr_sample() -> Path:
    """The folder of real CLEVR questions and pictures."""
    if not _SAMPLE.is_dir():
        pytest.skip("the sample of real CLEVR is not beside the repository")
    return _SAMPLE
