"""A stranger's model takes one file and one entry of the registry.

What stands between the two lines below is that file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config import RunConfig
from lnmn_tf.config.lnmn import LNMNConfig
from lnmn_tf.config.option import option
from lnmn_tf.config.registry import MODELS, Entry
from lnmn_tf.errors import InputError
from lnmn_tf.layers.fusion import Fusion
from lnmn_tf.models.lnmn import LNMN
from lnmn_tf.training.fitting import make_trainer
from lnmn_tf.training.networks import build_network
from tests.conftest import run_eagerly

# ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GatedConfig(LNMNConfig):
    """The paper's, with one more choice."""

    model: str = option("gated")
    sharpness: float = option(1.0, "How steep the gate is.", above=0)


class Gate(Fusion):
    """A new type of cell: sigmoid(sharpness * sum of the maps) gates the image, and the text is added."""

    def __init__(self, cells: int, num_maps: int, sharpness: float, **kwargs):
        super().__init__(cells, num_maps, **kwargs)
        self.sharpness = sharpness

    def build(self, input_shape):
        self.scale = self.add_weight("scale", [self.cells, 1, 1], None, "ones")
        super().build(input_shape)

    def call(self, image, text, maps):
        return self.scale * image * tf.sigmoid(self.sharpness * tf.add_n(maps)) + text


class GatedLNMN(LNMN):
    """The paper's model with that cell."""

    def make_fusion(self, kind):
        return Gate(kind.cells, kind.num_maps, self.config.sharpness, name="fusion")


# ------------------------------------------------------------------------------------------------------

GATED = Entry(GatedConfig, "tests.models.test_extension:GatedLNMN", {"entropy_schedule": "none"})
SIZES = {"embed_dim": 5, "text_dim": 6, "kb_dim": 7, "map_dim": 3, "mem_dim": 5, "mlp_dim": 8}
CHOICES = {
    **SIZES,
    "model": "gated",
    "sharpness": 2.0,
    "features": "{split}.h5",
    "num_steps": 2,
    "batch_size": 4,
    "learning_rate": 1e-2,
    "xla": "off",
}


@pytest.fixture
def config(monkeypatch):
    monkeypatch.setitem(MODELS, "gated", GATED)  # the line
    config = RunConfig.create(CHOICES)
    return config.replace(num_words=7, num_answers=4, feature_shape=(2, 3, 5))


def test_a_fourth_model_trains_by_the_trainer_of_all(config):
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)
    batch = {
        "features": tf.constant(random.normal(size=[4, 2, 3, 5]), tf.float32),
        "question": tf.constant(random.integers(1, 7, size=[4, 3]), tf.int32),
        "answer": tf.constant(random.integers(0, 4, size=[4]), tf.int32),
    }
    network = build_network(config.model)
    assert type(network).__name__ == "GatedLNMN"
    assert network.banks["attention_4"].fusion.sharpness == 2.0
    trainer = make_trainer(network, config, total_steps=2)
    before = [variable.numpy() for variable in network.trainable_variables]
    with run_eagerly():
        losses = [float(trainer.train_step((batch, batch))["cross_entropy"]) for _ in range(3)]
    assert losses[2] < losses[1] < losses[0]
    moved = [np.any(v.numpy() != b) for v, b in zip(network.trainable_variables, before)]
    names = [variable.name for variable in network.trainable_variables]
    assert all(moved), [name for name, changed in zip(names, moved) if not changed]


def test_its_config_is_saved_loaded_and_checked_as_that_of_any_model(config, tmp_path):
    config.save(tmp_path)
    assert RunConfig.load(tmp_path) == config
    assert config.training.entropy_schedule == "none"
    with pytest.raises(InputError, match="--sharpness is 0.0; expected more than 0"):
        RunConfig.create({**CHOICES, "sharpness": 0.0})
    with pytest.raises(InputError, match="--sharpness is unknown to --model=paper"):
        RunConfig.create({**CHOICES, "model": "paper"})
