"""ResNet in torchvision's form against its definition; what is wrong with weights is a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from tensorflow import keras

from lnmn_tf.errors import InputError
from lnmn_tf.features import resnet
from lnmn_tf.features.backbone import Backbone
from tests.features.conftest import convolve, normalise, random_kernel, random_normalisation

EPSILON = 1e-5
SMALL = {101: (1, 2, 3, 1), 152: (1, 1, 1, 2)}


def random_resnet(blocks) -> dict[str, np.ndarray]:
    """torchvision's state dict of random numbers."""
    generator, arrays = np.random.default_rng(0), {}

    def convolution(name: str, normalisation: str, *shape: int) -> None:
        arrays[f"{name}.weight"] = random_kernel(generator, *shape)
        arrays.update(random_normalisation(generator, normalisation, shape[0]))

    convolution("conv1", "bn1", 64, 3, 7, 7)
    channels = 64
    for stage, (count, narrow) in enumerate(zip(blocks, (64, 128, 256, 512)), 1):
        for block in range(count):
            name = f"layer{stage}.{block}"
            convolution(f"{name}.conv1", f"{name}.bn1", narrow, channels, 1, 1)
            convolution(f"{name}.conv2", f"{name}.bn2", narrow, narrow, 3, 3)
            convolution(f"{name}.conv3", f"{name}.bn3", 4 * narrow, narrow, 1, 1)
            if block == 0:
                names = f"{name}.downsample.0", f"{name}.downsample.1"
                convolution(*names, 4 * narrow, channels, 1, 1)
            channels = 4 * narrow
    return arrays


def reference(x: np.ndarray, arrays: dict, blocks) -> np.ndarray:
    """torchvision's ResNet up to the last of some stages: the stride is in the 3x3 convolution."""

    def step(x, name, normalisation, stride=1):
        kernel = arrays[f"{name}.weight"].astype(np.float64)
        x = convolve(x, kernel, stride, kernel.shape[-1] // 2)
        return normalise(x, arrays, normalisation, EPSILON)

    x = np.maximum(step(x, "conv1", "bn1", 2), 0)
    padded = np.pad(x, [(1, 1), (1, 1), (0, 0)], constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 1))[::2, ::2]
    x = windows.max(axis=(-2, -1))
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            shortcut = x
            if block == 0:
                shortcut = step(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            x = np.maximum(step(x, f"{name}.conv1", f"{name}.bn1"), 0)
            x = np.maximum(step(x, f"{name}.conv2", f"{name}.bn2", stride), 0)
            x = np.maximum(step(x, f"{name}.conv3", f"{name}.bn3") + shortcut, 0)
    return x


@pytest.mark.parametrize(("layer", "stages"), [("conv4", 3), ("conv5", 4)])
def test_torchvisions_form_is_what_its_definition_says(tmp_path, monkeypatch, layer, stages):
    monkeypatch.setattr(resnet, "BLOCKS", SMALL)
    arrays = random_resnet(SMALL[101])
    np.savez(tmp_path / "w.npz", **arrays)
    backbone = Backbone(
        "resnet101", layer, (61, 83), preprocessing="torchvision", weights=str(tmp_path / "w.npz")
    )
    pixels = np.random.default_rng(2).integers(0, 256, [61, 83, 3])
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = reference((pixels / 255 - mean) / deviation, arrays, SMALL[101][:stages])
    found = backbone(pixels[np.newaxis])[0].numpy()
    assert found.shape == expected.shape == backbone.feature_shape
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "parameters", "normalised"), [(101, 44_549_160, 52_672), (152, 60_192_808, 75_712)]
)
def test_parameters_are_torchvisions_less_the_classifier_and_what_is_folded(
    depth, parameters, normalised
):
    network = resnet.build_torchvision(depth, "conv5")
    assert network.count_params() == parameters - 1000 * 2049 - normalised
    assert network.compute_output_shape([1, 448, 448, 3])[1:] == (14, 14, 2048)


def test_a_pooled_layer_is_the_mean_over_2x2_places_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(resnet, "BLOCKS", SMALL)
    np.savez(tmp_path / "w.npz", **random_resnet(SMALL[101]))
    options = {"preprocessing": "torchvision", "weights": str(tmp_path / "w.npz")}
    pixels = np.random.default_rng(3).integers(0, 256, [1, 128, 192, 3])
    whole, pooled = (
        Backbone("resnet101", layer, (128, 192), **options) for layer in ("conv5", "conv5_pool2")
    )
    places = whole(pixels).numpy()[0]  # [4, 6, 2048]
    expected = places.reshape(2, 2, 3, 2, 2048).mean(axis=(1, 3))
    assert pooled.feature_shape == (2, 3, 2048)
    np.testing.assert_allclose(pooled(pixels)[0], expected, rtol=1e-4, atol=1e-5)
    assert (pooled.identity.layer, pooled.identity.weights) == (
        "conv5_pool2",
        whole.identity.weights,
    )


@pytest.mark.parametrize(("layer", "shape"), [("conv3", (28, 28, 512)), ("conv4", (14, 14, 1024))])
def test_maps_of_224_pixels_are_as_large_as_the_papers(monkeypatch, layer, shape):
    monkeypatch.setattr(resnet, "BLOCKS", SMALL)
    network = resnet.build_torchvision(101, layer)
    assert network.compute_output_shape([1, 224, 224, 3])[1:] == shape


def test_weights_of_another_depth_name_the_array(tmp_path, monkeypatch):
    monkeypatch.setattr(resnet, "BLOCKS", SMALL)
    np.savez(tmp_path / "w.npz", **random_resnet((1, 1, 1, 1)))
    options = {"preprocessing": "torchvision", "weights": str(tmp_path / "w.npz")}
    with pytest.raises(InputError, match=r"w\.npz: has no array 'layer2\.1\.conv1\.weight'"):
        Backbone("resnet101", **options)


def test_weights_that_are_missing_are_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(
        InputError, match=r"preprocessing \(--backbone\) is 'torchvision' and --backbone_weights"
    ):
        Backbone("resnet101", preprocessing="torchvision")
    with pytest.raises(InputError, match=r"none\.h5.*no such file"):
        Backbone("resnet101", weights=str(tmp_path / "none.h5"))

    def unreachable(**_):
        raise OSError("URL fetch failure: no network\nand more")

    monkeypatch.setitem(resnet._KERAS, 152, unreachable)
    with pytest.raises(
        InputError, match=r"ResNet152 cannot be fetched: URL fetch failure: \S+ \w+$"
    ):
        Backbone("resnet152")


def test_the_networks_of_keras_end_where_they_should(tmp_path, monkeypatch):
    """With fewer filters: the layers have the names that `keras.applications` gives them."""

    def small(include_top, weights):
        assert (include_top, weights) == (False, str(tmp_path / "w.h5"))
        inputs = x = keras.Input([None, None, 3])
        for name in ("conv3_block4_out", "conv4_block23_out", "conv5_block3_out"):
            x = keras.layers.Conv2D(2, 1, name=name)(x)
        return keras.Model(inputs, x)

    (tmp_path / "w.h5").write_bytes(b"")
    monkeypatch.setitem(resnet._KERAS, 101, small)
    for layer, layers in (("conv3", 2), ("conv4", 3), ("conv5", 4)):
        backbone = Backbone("resnet101", layer, weights=str(tmp_path / "w.h5"))
        assert len(backbone.network.layers) == layers
