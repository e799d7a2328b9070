"""The image encoder that learns from the scenes what is where."""

import json

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.data.synthetic.programs import ATTRIBUTES
from lnmn_tf.errors import InputError
from lnmn_tf.layers.encoders import ImageEncoder
from lnmn_tf.training.encoded_store import EncodedStore
from lnmn_tf.training.examples import open_split
from lnmn_tf.training.pretraining import GROUPS, pretrain, read_targets

HEIGHT, WIDTH = 8, 12  # of the map
CHOICES = {
    "image_height": 32,
    "image_width": 48,
    "encoder_filters": (8, 16),
    "encoder_strides": (2, 2),
}


@pytest.fixture
def config(tiny_world):
    return RunConfig.create({**CHOICES, "data_dir": str(tiny_world), "pretrain_epochs": 60})


def test_targets_name_every_object_at_its_place(tiny_world):
    scenes = json.loads((tiny_world / "scenes/CLEVR_train_scenes.json").read_text())["scenes"]
    names = [scene["image_filename"] for scene in scenes]
    targets = read_targets(tiny_world, "train", names, (HEIGHT, WIDTH))
    for scene, target in zip(scenes, targets):
        places = {}
        for thing in scene["objects"]:
            column, row, _ = thing["pixel_coords"]
            places[int(row / 32 * HEIGHT), int(column / 48 * WIDTH)] = thing
        assert target[..., 0].sum() == len(places)
        for place, thing in places.items():
            present, *groups = np.split(target[place], np.cumsum([1, *GROUPS])[:-1])
            assert present == 1
            found = {k: v[int(g.argmax())] for (k, v), g in zip(ATTRIBUTES.items(), groups)}
            assert found == {attribute: thing[attribute] for attribute in ATTRIBUTES}


def test_encoder_learns_and_its_features_are_kept(config):
    tf.keras.utils.set_random_seed(1)
    examples = open_split(config, "train")
    encoder = ImageEncoder(CHOICES["encoder_filters"], CHOICES["encoder_strides"], GROUPS)
    first = pretrain(encoder, examples, config.replace(pretrain_epochs=1))
    last = pretrain(encoder, examples, config)
    assert last < 0.8 * first
    store = EncodedStore(examples.store, encoder)
    assert store.shape == (HEIGHT, WIDTH, 1 + sum(GROUPS))
    rows = np.array([3, 0, 3])
    expected = encoder(examples.store.read(rows).astype(np.float32) / 255.0)
    np.testing.assert_allclose(store.read(rows), expected, atol=2e-3)


def test_pictures_without_scenes_cannot_pretrain(tiny_world, tmp_path):
    with pytest.raises(InputError, match="scenes"):
        read_targets(tmp_path, "train", ["x.png"], (HEIGHT, WIDTH))
    with pytest.raises(InputError, match="x.png"):
        read_targets(tiny_world, "train", ["x.png"], (HEIGHT, WIDTH))


def test_features_cannot_pretrain():
    with pytest.raises(InputError, match="--pretrain_epochs"):
        RunConfig.create({"features": "x_{split}.h5", "pretrain_epochs": 1})
