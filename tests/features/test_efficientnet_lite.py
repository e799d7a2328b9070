"""EfficientNet-Lite0 against its definition in numpy, and with its own weights on a picture."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lnmn_tf.errors import InputError
from lnmn_tf.features import efficientnet_lite, weights
from lnmn_tf.features.backbone import Backbone
from lnmn_tf.features.preprocessing import PREPROCESSINGS
from tests.features.conftest import convolve, normalise, random_lite0

SCREENSHOT = Path(__file__).parents[2] / "export" / "demo" / "screenshot.jpg"
WEB_SITE = 916  # of ImageNet's classes
EPSILON = 1e-3
installed = pytest.mark.skipif(
    importlib.util.find_spec(weights.LITE0_PACKAGE) is None,
    reason="the package of weights is not installed (requirements-features.txt)",
)


def reference(x: np.ndarray, arrays: dict) -> dict[str, np.ndarray]:
    """The network as Tan and Le's program has it, unfolded: map of each stage, and logits."""

    def step(x, name, normalisation, stride=1, groups=False, bounded=True):
        x = convolve(x, arrays[f"{name}.weight"].astype(np.float64), stride, "same", groups)
        x = normalise(x, arrays, normalisation, EPSILON)
        return np.clip(x, 0, 6) if bounded else x

    maps = {}
    x = step(x, "_conv_stem", "_bn0", 2)
    block = 0
    # (kernels are in the arrays) repeats, stride, whether it widens
    for number, (repeats, stride, widens) in enumerate(
        [(1, 1, 0), (2, 2, 1), (2, 2, 1), (3, 2, 1), (3, 1, 1), (4, 2, 1), (1, 1, 1)]
    ):
        for repeat in range(repeats):
            name, before = f"_blocks.{block}", x
            if widens:
                x = step(x, f"{name}._expand_conv", f"{name}._bn0")
            s = stride if repeat == 0 else 1
            x = step(x, f"{name}._depthwise_conv", f"{name}._bn1", s, groups=True)
            x = step(x, f"{name}._project_conv", f"{name}._bn2", bounded=False)
            if before.shape == x.shape and s == 1:
                x = x + before
            block += 1
        maps[number] = x
    x = step(x, "_conv_head", "_bn1").mean(axis=(0, 1))
    return {
        "reduction8": maps[2],
        "reduction16": maps[4],
        "reduction32": maps[6],
        "logits": arrays["_fc.weight"] @ x + arrays["_fc.bias"],
    }


@pytest.mark.parametrize("layer", ["reduction16", None])
def test_it_is_what_its_definition_says(layer):
    arrays = random_lite0()
    x = np.random.default_rng(1).normal(size=[37, 51, 3]).astype(np.float32)
    network = efficientnet_lite.build(layer)
    efficientnet_lite.load(network, arrays, "arrays")
    expected = reference(x.astype(np.float64), arrays)[layer or "logits"]
    found = network(x[np.newaxis])[0].numpy()
    assert found.shape == expected.shape
    assert network.count_params() == (692_688 if layer else 4_631_000)
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("layer", "count", "shape"),
    [
        ("reduction8", 54_048, (12, 18, 40)),
        ("reduction32", 2_939_120, (3, 5, 320)),
    ],
)
def test_parameters_and_map_of_each_layer(lite0_file, layer, count, shape):
    backbone = Backbone("efficientnet_lite0", layer, (96, 144), weights=str(lite0_file))
    assert backbone.network.count_params() == count
    assert backbone.feature_shape == shape
    assert backbone(np.zeros([2, 96, 144, 3], np.uint8)).shape == (2, *shape)


@pytest.mark.parametrize("damage", ["missing", "shape"])
def test_weights_of_another_network_are_one_sentence(tmp_path, damage):
    arrays, name = random_lite0(), "_blocks.3._depthwise_conv.weight"
    if damage == "missing":
        del arrays[name]
    else:
        arrays[name] = arrays[name][:-1]
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(InputError, match=r"w\.npz.*(_blocks\.3|depthwise)"):
        Backbone("efficientnet_lite0", "reduction8", weights=str(tmp_path / "w.npz"))


def test_weights_of_python_objects_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", x=np.array([{}], object))
    with pytest.raises(InputError, match=r"w\.npz: cannot be read"):
        weights.read_arrays(tmp_path / "w.npz")


def test_without_the_package_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "LITE0_PACKAGE", "no_such_package")
    with pytest.raises(InputError, match=r"requirements-features\.txt"):
        weights.lite0_weights()


@installed
def test_the_packages_weights_are_kept_and_know_a_web_site(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    arrays, archive = weights.lite0_weights()
    again, cached = weights.lite0_weights()
    assert archive.endswith(".pth")
    assert cached == str(tmp_path / "lnmn_tf" / "efficientnet_lite0-57934424.npz")
    assert set(arrays) == set(again)
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)
    network = efficientnet_lite.build()
    efficientnet_lite.load(network, again, cached)
    with Image.open(SCREENSHOT) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC))
    x = PREPROCESSINGS["lite"](pixels[np.newaxis])
    logits = network(x)[0].numpy()
    assert logits.argmax() == WEB_SITE
    expected = reference(x[0].numpy().astype(np.float64), again)["logits"]
    np.testing.assert_allclose(logits, expected, atol=1e-3)
