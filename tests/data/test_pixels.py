import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lnmn_tf.data.features import PixelStore
from lnmn_tf.errors import InputError

NAMES = [f"CLEVR_train_{image:06d}.png" for image in range(5)]


@pytest.fixture
def folder(clevr_folder, question):
    return clevr_folder([question(0, 4)])


@pytest.fixture(params=[0, 1 << 20], ids=["disk", "memory"])
def cache_bytes(request):
    return request.param


def test_pictures_come_in_any_order_with_repeats(folder, cache_bytes):
    store = PixelStore(folder, "train", NAMES, 7, 5, cache_bytes=cache_bytes)
    assert (len(store), store.shape, store.image_bytes) == (5, (7, 5, 3), 105)
    assert store.in_memory == bool(cache_bytes)
    pixels = store.read(np.array([3, 0, 3]))
    assert pixels.shape == (3, 7, 5, 3)
    assert pixels.dtype == np.uint8
    assert pixels[:, 2, 3].tolist() == [[30, 100, 200], [0, 100, 200], [30, 100, 200]]


def test_a_picture_of_the_right_size_is_not_changed(folder, cache_bytes):
    rgba = np.random.default_rng(0).integers(0, 256, [11, 13, 4], np.uint8)
    rgba[..., 3] = 255
    Image.fromarray(rgba).save(folder / "images" / "train" / NAMES[1])
    store = PixelStore(folder, "train", NAMES, 11, 13, cache_bytes=cache_bytes)
    np.testing.assert_array_equal(store.read(np.array([1]))[0], rgba[..., :3])


def test_of_16_bits_the_upper_eight_are_taken(folder, cache_bytes):
    grey = np.random.default_rng(0).integers(0, 1 << 16, [11, 13], np.uint16)
    Image.fromarray(grey).save(folder / "images" / "train" / NAMES[1])
    store = PixelStore(folder, "train", NAMES, 11, 13, cache_bytes=cache_bytes)
    pixels = store.read(np.array([1]))[0]
    np.testing.assert_array_equal(pixels, np.repeat((grey >> 8)[..., np.newaxis], 3, axis=-1))


def test_resizing_is_that_of_tensorflow_with_antialiasing(clevr_sample):
    name = "CLEVR_val_000000.png"
    pixels = PixelStore(clevr_sample, "val", [name], 64, 96).read(np.array([0]))[0]
    data = tf.io.read_file(str(clevr_sample / "images" / "val" / name))
    expected = tf.image.resize(tf.io.decode_png(data, 3), [64, 96], antialias=True)
    np.testing.assert_allclose(pixels, expected, atol=1.5)


@pytest.mark.parametrize("content", [b"", b"no picture at all"])
def test_a_file_that_is_no_picture_is_named(folder, cache_bytes, content):
    (folder / "images" / "train" / NAMES[3]).write_bytes(content)
    with pytest.raises(InputError, match=rf"{NAMES[3]}: is no PNG.*\({len(content)} bytes"):
        PixelStore(folder, "train", NAMES, 7, 5, cache_bytes=cache_bytes)


def test_a_missing_picture_is_named(folder, cache_bytes):
    (folder / "images" / "train" / NAMES[2]).unlink()
    with pytest.raises(InputError, match=f"{NAMES[2]}: the picture cannot be read"):
        PixelStore(folder, "train", NAMES, 7, 5, cache_bytes=cache_bytes)


def test_a_picture_that_is_cut_short_is_named(folder, cache_bytes):
    path = folder / "images" / "train" / NAMES[3]
    noise = np.random.default_rng(0).integers(0, 256, [50, 50, 3], np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=f"{NAMES[3]}: the picture is damaged"):
        PixelStore(folder, "train", NAMES, 7, 5, cache_bytes=cache_bytes).read(np.array([3]))


def test_an_empty_size_is_refused(folder):
    with pytest.raises(InputError, match="image size is 0x5"):
        PixelStore(folder, "train", NAMES, 0, 5)
