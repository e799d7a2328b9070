"""Each preprocessing is what its weights were trained with."""

from __future__ import annotations

import numpy as np
import pytest
from tensorflow import keras

from lnmn_tf.config.features import BACKBONES as NAMES
from lnmn_tf.config.features import PREPROCESSINGS as CHOICES
from lnmn_tf.errors import InputError
from lnmn_tf.features.backbone import Backbone
from lnmn_tf.features.preprocessing import PREPROCESSINGS
from lnmn_tf.features.registry import BACKBONES

PIXELS = np.random.default_rng(0).integers(0, 256, [2, 3, 5, 3], np.uint8)


def test_keras_is_that_of_its_applications():
    expected = keras.applications.resnet.preprocess_input(PIXELS.astype(np.float32))
    np.testing.assert_allclose(PREPROCESSINGS["keras"](PIXELS), expected, atol=1e-4)


def test_torchvision_is_mean_and_deviation_of_levels_in_0_to_1():
    expected = (PIXELS / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(PREPROCESSINGS["torchvision"](PIXELS), expected, atol=1e-5)


def test_lite_spans_minus_1_to_1():
    found = PREPROCESSINGS["lite"](np.array([[[[0, 127, 255]]]])).numpy()
    np.testing.assert_array_equal(found, [[[[-127 / 128, 0, 1]]]])


def test_flags_offer_what_the_registry_has():
    assert tuple(BACKBONES) == NAMES
    assert set(CHOICES) == {"", *PREPROCESSINGS}
    assert {p for kind in BACKBONES.values() for p in kind.preprocessings} == set(PREPROCESSINGS)


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        (
            {"name": "vgg16"},
            "--backbone is 'vgg16'; expected one of: efficientnet_lite0, resnet101",
        ),
        ({"layer": "conv4"}, r"backbone_layer \(--backbone\) is 'conv4'.*reduction16"),
        (
            {"preprocessing": "keras"},
            r"preprocessing \(--backbone\) is 'keras'.*expected one of: lite",
        ),
        ({"image_size": (96, 0)}, "--image_size is 0x96"),
    ],
)
def test_choices_that_do_not_fit_are_one_sentence(lite0_file, choices, sentence):
    arguments = {"name": "efficientnet_lite0", "weights": str(lite0_file), **choices}
    with pytest.raises(InputError, match=sentence):
        Backbone(**arguments)
