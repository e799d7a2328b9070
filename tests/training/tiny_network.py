"""A network that trains in a blink, and a run of it that can be killed.

python -m tests.training.tiny_network RUN_DIR DATA_DIR [milliseconds to dawdle at each step]
    [--strategy] [devices that the CPU is made to be]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config import ModelConfig, RunConfig
from lnmn_tf.config.registry import MODELS, Entry
from lnmn_tf.config.relational import RelationalConfig
from lnmn_tf.errors import InputError
from lnmn_tf.layers.encoders import ImageEncoder

SIZES = {"image_height": 5, "image_width": 7, "num_steps": 2}
TRAINING = {
    "epochs": 3,
    "batch_size": 8,
    "structure_every": 2,
    "structure_fraction": 0.4,
    "checkpoint_steps": 2,
    "ema_decay": 0.9,
    "learning_rate": 1e-2,
    "warmup_steps": 3,
    "decay": "cosine",
    "clip_norm": 1.0,
    "weight_decay": 1e-2,
    "xla": "off",
    "baselines": False,
}


class TinyNetwork(keras.Model):
    """A bag of words and of pixels, mixed by a structure of one node."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.embedding = keras.layers.Embedding(config.num_words, 3)
        self.encoder = keras.layers.Dense(3)
        self.classifier = keras.layers.Dense(config.num_answers)
        self.alpha = self.add_weight("structure", [1, 1, 6], None, "random_normal")

    @property
    def structure_variables(self) -> list[tf.Variable]:
        return [self.alpha]

    @property
    def structure(self) -> dict[str, tf.Variable]:
        return {"tiny": self.alpha}

    def leave_out_minima(self, leave: bool) -> None:
        """It has none."""

    def encode(self, inputs):
        others = {name: x for name, x in inputs.items() if name != "image"}
        return {**others, "encoded": (self.encoder(tf.reduce_mean(inputs["image"], axis=[1, 2])),)}

    def call(self, inputs, training=None):
        words = tf.reduce_mean(self.embedding(inputs["question"]), axis=1)
        (pixels,) = (inputs if "encoded" in inputs else self.encode(inputs))["encoded"]
        mixture = tf.nn.softmax(self.alpha)[0, 0]
        hidden = mixture[2] * (words + pixels) + mixture[3] * words * pixels
        weights = tf.nn.softmax(tf.stack([hidden] * self.config.num_steps, axis=1))
        return {"logits": self.classifier(hidden), "module_weights": weights}


class SeeingNetwork(TinyNetwork):
    """The same behind an image encoder, which learns from scenes first."""

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.image_encoder = ImageEncoder(
            config.encoder_filters, config.encoder_strides, config.encoder_groups
        )

    def encode(self, inputs):
        inputs = dict(inputs)
        image = inputs.pop("image", None)
        features = inputs.pop("features") if image is None else self.image_encoder(image)
        return super().encode({**inputs, "image": features})


def entry_of(network: type[TinyNetwork] = TinyNetwork) -> Entry:
    """What stands in the registry in place of the real model."""
    return Entry(RelationalConfig, f"tests.training.tiny_network:{network.__name__}")


def tiny_config(data_dir, **choices) -> RunConfig:
    """The config of a run of it."""
    return RunConfig.create({**SIZES, **TRAINING, "data_dir": str(data_dir), **choices})


def train_tiny(config: RunConfig, run_dir: Path, network: type[TinyNetwork] = TinyNetwork) -> dict:
    """Trains it in this process."""
    from lnmn_tf.training.run import train

    kept = MODELS["relational"]
    MODELS["relational"] = entry_of(network)
    try:
        return train(config, Path(run_dir))
    finally:
        MODELS["relational"] = kept


def main(
    run_dir: str, data_dir: str, dawdle: str = "0", strategy: str = "one", devices: str = "1"
) -> None:
    """Trains it, slowly enough to be killed."""
    from lnmn_tf.training.callbacks import Schedule

    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * int(devices)
    tf.config.set_logical_device_configuration(cpu, parts)

    advance = Schedule.on_train_batch_end

    def slowly(self, batch, logs=None):
        time.sleep(float(dawdle) / 1000.0)
        advance(self, batch, logs)

    Schedule.on_train_batch_end = slowly
    try:
        train_tiny(tiny_config(data_dir, strategy=strategy), Path(run_dir))
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
