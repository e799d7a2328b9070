"""Pixels of the graph are those of training."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from export.pictures import read_pictures
from lnmn_tf.data.pixels import PixelStore
from tests.export.conftest import encoded


def by_python(content: bytes, height: int, width: int, folder) -> np.ndarray:
    (folder / "picture").write_bytes(content)
    store = PixelStore(folder, "", [folder / "picture"], height, width)
    return store.read(np.array([0]))[0].astype(np.int32)


def by_graph(content: bytes, height: int, width: int) -> np.ndarray:
    read = tf.function(read_pictures)
    return read(tf.constant([content]), height, width)[0].numpy().astype(np.int32)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_picture_of_the_models_size_has_the_same_pixels(mode, format, tmp_path):
    content = encoded(37, 53, format, "RGB" if (mode, format) == ("RGBA", "JPEG") else mode)
    expected = by_python(content, 37, 53, tmp_path)
    np.testing.assert_array_equal(by_graph(content, 37, 53), expected)


@pytest.mark.parametrize("size", [(320, 480), (61, 479), (10, 11), (2, 2), (2, 200), (96, 700)])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_picture_of_another_size_differs_in_few_pixels_by_one_level(size, format, tmp_path):
    content = encoded(*size, format)
    difference = np.abs(by_graph(content, 96, 144) - by_python(content, 96, 144, tmp_path))
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.01
