"""The mode: from a folder of pictures to what a run reads."""

from __future__ import annotations

import numpy as np
import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.config.features import FeaturesConfig, features_path
from lnmn_tf.errors import InputError
from lnmn_tf.features.command import extract_splits
from lnmn_tf.main import main
from lnmn_tf.training.examples import TrainingExamples, open_split
from lnmn_tf.training.networks import check_features, sizes_of

SIZE = ["--image_size=48x32"]


@pytest.fixture(scope="module")
def extracted(tiny_world, lite0_file, tmp_path_factory):
    """`--features` of both splits of the tiny world, by main."""
    pattern = tmp_path_factory.mktemp("features") / "{split}.h5"
    flags = [
        f"--data_dir={tiny_world}",
        f"--features={pattern}",
        f"--backbone_weights={lite0_file}",
    ]
    more = ["--backbone=efficientnet_lite0:reduction8", "--features_dtype=float16", *SIZE]
    assert main(["--mode=extract_features", *flags, *more]) == 0
    return str(pattern)


@pytest.fixture
def config(tiny_world, extracted):
    return RunConfig.create({"data_dir": str(tiny_world), "features": extracted, "batch_size": 4})


def test_a_run_knows_where_its_features_come_from(config):
    sizes = sizes_of(TrainingExamples.open(config))
    assert sizes["feature_shape"] == (4, 6, 40)
    assert '"backbone": "efficientnet_lite0"' in sizes["feature_identity"]
    assert '"image_size": "32x48"' in sizes["feature_identity"]


def test_a_model_refuses_features_of_another_origin_of_the_same_shape(config):
    examples = TrainingExamples.open(config)
    model = config.replace(**sizes_of(examples)).model
    val = open_split(config, "val", examples.vocabulary)
    check_features(model, val.store, "val.h5")
    val.store.identity = val.store.identity.replace('"lite"', '"torchvision"')
    with pytest.raises(InputError, match=r"val\.h5: its features are of the preprocessing 'torchv"):
        check_features(model, val.store, "val.h5")


def test_questions_meet_the_features_of_their_own_pictures(config, tiny_world):
    examples = open_split(config, "train")
    reversed_names = examples.questions.image_filenames[::-1]
    again = type(examples.store)(
        config.data.features.replace("{split}", "train"),
        names=reversed_names,
        pictures=tiny_world / "images" / "train",
    )
    indices = np.arange(len(reversed_names))
    np.testing.assert_array_equal(again.read(indices), examples.store.read(indices[::-1]))


def test_the_mode_says_what_to_do_next_and_one_split_is_enough(
    tiny_world, lite0_file, tmp_path, capsys
):
    pattern = tmp_path / "{split}_8.h5"
    flags = [
        f"--data_dir={tiny_world}",
        f"--features={pattern}",
        f"--backbone_weights={lite0_file}",
    ]
    more = ["--backbone=efficientnet_lite0:reduction8", "--split=val", *SIZE]
    assert main(["--mode=extract_features", *flags, *more]) == 0
    shown = capsys.readouterr().out
    assert "features of efficientnet_lite0, layer reduction8, pictures 32x48" in shown
    assert f"--features='{pattern}'" in shown
    assert [path.name for path in tmp_path.iterdir()] == ["val_8.h5"]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--backbone=vgg16"], "backbone"),
        (
            ["--backbone=resnet101:reduction8"],
            "backbone_layer (--backbone) is 'reduction8'",
        ),
        (["--backbone_weights=/none.npz"], "/none.npz: there is no such file"),
        (["--features=f.h5"], "{split}"),
        (["--features_dtype=int8"], "--features_dtype is 'int8'"),
    ],
)
def test_wrong_flags_are_one_sentence(flags, sentence, capsys):
    assert main(["--mode=extract_features", *flags]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert sentence in error


def test_a_file_is_named_after_the_network_where_no_name_is_given():
    assert features_path("", "data/x", "resnet101_conv4", "val") == (
        "data/x/features/resnet101_conv4_val.h5"
    )
    assert features_path("f_{split}.h5", "data/x", "any", "val") == "f_val.h5"
    with pytest.raises(InputError, match="--features is 'f.h5'"):
        features_path("f.h5", "data/x", "any", "val")


def test_flags_reach_the_config():
    choices = {"backbone": "resnet152", "preprocessing": "torchvision", "epochs": 3}
    found = FeaturesConfig.create(choices)
    assert (found.backbone, found.preprocessing) == ("resnet152", "torchvision")


def test_of_a_union_of_splits_each_is_a_file(monkeypatch, tmp_path):
    class Stub:
        def __init__(self, *arguments):
            self.identity = type("Identity", (), {"layer": "conv5_pool2"})()

    made = []
    monkeypatch.setattr("lnmn_tf.features.backbone.Backbone", Stub)
    monkeypatch.setattr(
        "lnmn_tf.features.extraction.extract", lambda *a, **_: made.append((a[2], a[3]))
    )
    choices = {
        "data_dir": str(tmp_path),
        "features": "f_{split}.h5",
        "train_split": "trainval2014",
        "val_split": "val2014",
    }
    extract_splits(choices)
    assert made == [("train2014", "f_train2014.h5"), ("val2014", "f_val2014.h5")]
