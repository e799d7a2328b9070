"""A tiny model of pixels, exported, and what it should answer."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.demo.served_model import ServedModel
from lnmn_tf.config import RunConfig
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.training.networks import build_network
from lnmn_tf.training.trained import TrainedRun
from tests.conftest import TINY_MODEL

SIZES = {name: size for name, size in TINY_MODEL.items() if not name.startswith(("image", "encod"))}
QUESTIONS = (
    "How many red cubes are there?",
    "Is it?",
    "what; (COLOR) is the big sphere, left of a zork ?",
    "How many things are there?",
    "Are there any small rubber cylinders?",
    "Is there a blue ball?",
    "sphere",
)


def encoded(
    rows: int, columns: int, format: str = "PNG", mode: str = "RGB", seed: int = 0
) -> bytes:
    """A picture of noise, as the bytes of a file."""
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, [rows, columns, *channels], np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels, mode).save(stream, format)
    return stream.getvalue()


PICTURES = tuple(encoded(31 + i, 47 - i, "PNG" if i % 2 else "JPEG", seed=i) for i in range(7))


def random_run(folder, feature_shape, feature_identity="", **choices) -> TrainedRun:
    """A run that was never trained; three answers, fewer than `top_answers` has."""
    vocabulary = Vocabulary.build(["is it red?"], ["yes", "no", "red"])
    config = RunConfig.create({**SIZES, "features": "{split}.h5", **choices}).replace(
        num_words=vocabulary.num_words,
        num_answers=vocabulary.num_answers,
        feature_shape=feature_shape,
        feature_identity=feature_identity,
    )
    tf.keras.utils.set_random_seed(0)
    return TrainedRun(folder, config, vocabulary, build_network(config.model))


@pytest.fixture(scope="session")
def exported(tiny_run, tmp_path_factory):
    """The folder of version 1 of `tiny_run`, by `main`."""
    from lnmn_tf.main import main

    export_dir = tmp_path_factory.mktemp("served") / "lnmn"
    assert main(["--mode=export", f"--run_dir={tiny_run}", f"--export_dir={export_dir}"]) == 0
    return export_dir / "1"


@pytest.fixture(scope="session")
def trained(tiny_run):
    """The same run as a Keras model."""
    return TrainedRun.open(tiny_run)


@pytest.fixture(scope="session")
def served(exported):
    """`exported`, loaded by TensorFlow in Python and warmed up."""
    return ServedModel(exported.parent)


@pytest.fixture(scope="session")
def signatures(served):
    """Its signatures."""
    return served._model.signatures


@pytest.fixture(scope="session")
def batch(trained):
    """Seven questions about seven pictures of the model's size: no scaling, so the same pixels."""
    model = trained.config.model
    pictures = [encoded(model.image_height, model.image_width, seed=i) for i in range(7)]
    ids = [trained.vocabulary.encode(question) for question in QUESTIONS]
    padded = np.zeros([7, max(map(len, ids))], np.int32)
    for row, numbers in zip(padded, ids):
        row[: len(numbers)] = numbers
    return {"question": tf.constant(QUESTIONS), "image": tf.constant(pictures)}, padded


@pytest.fixture(scope="session")
def expected(trained, batch):
    """Outputs and trace of the Keras model."""
    request, ids = batch
    pixels = tf.stack([tf.io.decode_png(picture, 3) for picture in request["image"]])
    return trained.network.answer_and_trace(
        {"question": tf.constant(ids), "image": tf.cast(pixels, tf.float32) / 255.0}
    )
