"""The image encoder that learns from the scenes what is where."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.errors import InputError
from lnmn_tf.layers.encoders import ImageEncoder
from lnmn_tf.training.encoded_store import EncodedStore
from lnmn_tf.training.encoder_progress import EncoderProgress
from lnmn_tf.training.examples import open_split
from lnmn_tf.training.pretraining import GROUPS, attribute_accuracy, pretrain, read_targets
from lnmn_tf.training.run import train
from tests.training.tiny_network import SeeingNetwork, train_tiny

ROOT = Path(__file__).resolve().parents[2]
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
            present, *groups, where = np.split(target[place], np.cumsum([1, *GROUPS]))
            assert present == 1
            for axis, of_camera in zip(("right", "front"), where):
                expected = 2.0 / 4.2 * np.dot(scene["directions"][axis], thing["3d_coords"])
                assert abs(of_camera - expected) < 2e-3
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
    assert store.shape == (HEIGHT, WIDTH, 1 + sum(GROUPS) + 2)
    rows = np.array([3, 0, 3])
    expected = encoder(examples.store.read(rows).astype(np.float32) / 255.0)
    np.testing.assert_allclose(store.read(rows), expected, atol=2e-3)


class Oracle:
    """Says what is there and where, but for one object of which it says the opposite."""

    def __init__(self, targets):
        self.said = 20.0 * targets.astype(np.float32) - 10.0
        self.said[..., -2:] = targets[..., -2:]
        image, row, column = np.argwhere(targets[..., 0])[0]
        self.said[image, row, column] *= -1.0
        self.distance = 4.2 * np.linalg.norm(self.said[image, row, column, -2:])

    def say(self, pixels):
        return tf.constant(self.said)[: tf.shape(pixels)[0]]


def test_accuracy_counts_what_an_encoder_makes_out(config, tiny_world):
    examples = open_split(config, "train")
    names = examples.questions.image_filenames
    targets = read_targets(tiny_world, "train", names, (HEIGHT, WIDTH))
    oracle = Oracle(targets)
    accuracy = attribute_accuracy(oracle, examples, tiny_world, "train")
    objects = int(targets[..., 0].sum())
    assert accuracy.pop("right") == 1.0
    np.testing.assert_allclose(accuracy.pop("distance"), oracle.distance / objects, rtol=1e-2)
    assert set(accuracy) == {"found", *ATTRIBUTES}
    np.testing.assert_allclose(list(accuracy.values()), 1.0 - 1.0 / objects)


def choices_of_a_run(world, **others):
    small = {"embed_dim": 4, "text_dim": 4, "kb_dim": 4, "map_dim": 4, "mem_dim": 4, "mlp_dim": 4}
    cells = {"attention_3": 2, "attention_4": 0, "answer_3": 1, "answer_4": 0}
    short = {"num_steps": 2, "batch_size": 8, "epochs": 1, "structure_fraction": 0.3}
    plain = {"xla": "off", "baselines": False, "data_dir": str(world)}
    return {**CHOICES, **small, **cells, **short, **plain, **others}


def test_a_run_that_goes_on_sees_with_the_encoder_that_it_trained(tiny_world, tmp_path):
    config = RunConfig.create(choices_of_a_run(tiny_world, pretrain_epochs=2))
    first, again = train(config, tmp_path), train(config, tmp_path)
    assert set(first["image_encoder"]) == {"found", "right", *ATTRIBUTES, "distance"}
    assert again["image_encoder"] == first["image_encoder"]
    assert again["val"] == first["val"]


def test_a_run_takes_the_encoder_of_another(tiny_world, tmp_path):
    config = RunConfig.create(choices_of_a_run(tiny_world, pretrain_epochs=2))
    first = train_tiny(config, tmp_path / "first", SeeingNetwork)
    taking = choices_of_a_run(tiny_world, encoder_run=str(tmp_path / "first"), seed=7)
    again = train_tiny(RunConfig.create(taking), tmp_path / "again", SeeingNetwork)
    assert again["image_encoder"] == first["image_encoder"]
    with pytest.raises(InputError, match="encoder_strides"):
        other = RunConfig.create({**taking, "encoder_strides": (2, 4)})
        train_tiny(other, tmp_path / "other", SeeingNetwork)


def test_pictures_without_scenes_cannot_pretrain(tiny_world, tmp_path):
    with pytest.raises(InputError, match="scenes"):
        read_targets(tmp_path, "train", ["x.png"], (HEIGHT, WIDTH))
    with pytest.raises(InputError, match="x.png"):
        read_targets(tiny_world, "train", ["x.png"], (HEIGHT, WIDTH))


def test_scenes_without_positions_cannot_pretrain(tiny_world, tmp_path):
    scenes = json.loads((tiny_world / "scenes/CLEVR_train_scenes.json").read_text())
    del scenes["scenes"][1]["objects"][0]["3d_coords"]
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes/CLEVR_train_scenes.json").write_text(json.dumps(scenes))
    (tmp_path / "images").symlink_to(tiny_world / "images")
    names = [scene["image_filename"] for scene in scenes["scenes"]]
    with pytest.raises(InputError, match=f"{names[1]}.*3d_coords"):
        read_targets(tmp_path, "train", names, (HEIGHT, WIDTH))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"3d_coords": [float("nan"), 0.0, 0.0]}, "3d_coords are .nan"),
        ({"3d_coords": [1e30, 0.0, 0.0]}, "3d_coords are .1e.30"),
        ({"3d_coords": [1.0]}, "ValueError"),
        ({"pixel_coords": [-3, 5, 9.0]}, "pixel_coords are .-3, 5. in a picture of 48x32"),
        ({"pixel_coords": [5, 33, 9.0]}, "pixel_coords are .5, 33."),
        ({"pixel_coords": [float("nan"), 5, 9.0]}, "pixel_coords are .nan"),
        ({"pixel_coords": "here"}, "ValueError|TypeError"),
        ({"color": "mauve"}, "mauve"),
    ],
)
def test_a_scene_that_cannot_be_is_named_before_the_encoder_learns(
    tiny_world, tmp_path, change, words
):
    scenes = json.loads((tiny_world / "scenes/CLEVR_train_scenes.json").read_text())
    scenes["scenes"][1]["objects"][0].update(change)
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes/CLEVR_train_scenes.json").write_text(json.dumps(scenes))
    (tmp_path / "images").symlink_to(tiny_world / "images")
    names = [scene["image_filename"] for scene in scenes["scenes"]]
    with pytest.raises(InputError, match=f"{names[1]}.*({words})"):
        read_targets(tmp_path, "train", names, (HEIGHT, WIDTH))


def test_features_cannot_pretrain():
    with pytest.raises(InputError, match="--pretrain_epochs"):
        RunConfig.create({"features": "x_{split}.h5", "pretrain_epochs": 1})


def everything_of(run_dir):
    """Weights, averages and optimizers of the last checkpoint, as bytes."""
    index = json.loads((run_dir / "checkpoints" / "index.json").read_text())
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints" / index["last"] / "training"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name).tobytes() for name in names if "CONFIG" not in name}


KILLED = """
import json, os, signal, sys
from pathlib import Path
from lnmn_tf.config import RunConfig
from lnmn_tf.training import encoder_progress
from tests.conftest import leave_graphs_as_they_are
from tests.training.tiny_network import SeeingNetwork, train_tiny

leave_graphs_as_they_are()  # as the process that goes on does: the weights are compared bit for bit
write = encoder_progress.write_json

def write_until_the_third(path, content):
    if "epoch_0003" in str(path):
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, content)

encoder_progress.write_json = write_until_the_third
choices = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(sys.argv[1]).items()}
train_tiny(RunConfig.create(choices), Path(sys.argv[2]), SeeingNetwork)
"""


def test_an_encoder_killed_while_it_learns_ends_with_the_same_weights(tiny_world, tmp_path, capsys):
    choices = choices_of_a_run(tiny_world, pretrain_epochs=4)
    config = RunConfig.create(choices)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = [sys.executable, "-c", KILLED, json.dumps(choices), str(killed)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert {path.name for path in (killed / "encoder").iterdir()} == {
        "epoch_0002",
        ".epoch_0003.tmp",
    }
    with pytest.raises(InputError, match=r"--pretrain_epochs=4, but --pretrain_epochs is 5"):
        train_tiny(config.replace(pretrain_epochs=5), killed, SeeingNetwork)
    first, again = (train_tiny(config, run_dir, SeeingNetwork) for run_dir in (whole, killed))
    assert "goes on after epoch 2 of 4" in capsys.readouterr().out
    assert everything_of(killed) == everything_of(whole)
    assert again["image_encoder"] == first["image_encoder"]
    assert not list((whole / "encoder").glob("*"))


def test_an_encoders_progress_that_is_damaged_is_named(config, tmp_path):
    examples = open_split(config, "train")
    config = config.replace(pretrain_epochs=1)
    make = lambda: ImageEncoder(CHOICES["encoder_filters"], CHOICES["encoder_strides"], GROUPS)  # noqa: E731
    pretrain(make(), examples, config, EncoderProgress(tmp_path))
    for damage in ("{", '{"order": 5, "loss": 1.0}', "[" * 100_000):
        (tmp_path / "encoder" / "epoch_0001" / "state.json").write_text(damage)
        with pytest.raises(
            InputError, match=r"epoch_0001(: is damaged|.state.json: cannot be read as JSON)"
        ):
            pretrain(make(), examples, config, EncoderProgress(tmp_path))


def test_a_copy_in_the_encoders_folder_stays(config, tmp_path):
    (tmp_path / "encoder" / "epoch_0001_copy").mkdir(parents=True)
    kept = EncoderProgress(tmp_path)
    assert not kept.exists()
    encoder = ImageEncoder(CHOICES["encoder_filters"], CHOICES["encoder_strides"], GROUPS)
    pretrain(encoder, open_split(config, "train"), config.replace(pretrain_epochs=2), kept)
    kept.remove()
    assert [path.name for path in (tmp_path / "encoder").iterdir()] == ["epoch_0001_copy"]
