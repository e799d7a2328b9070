"""A question never meets the features of another picture, nor a model those of another network."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from lnmn_tf.data.feature_manifest import FeatureIdentity, FeatureManifest, check_same_identity
from lnmn_tf.data.features import FeatureStore
from lnmn_tf.errors import InputError

IDENTITY = FeatureIdentity("resnet101", "conv4", "224x224", "keras", 64 * "a")
FEATURES = np.random.default_rng(0).normal(size=[7, 11, 3, 5]).astype(np.float32)  # [N, C, H, W]
NAMES = tuple(f"CLEVR_val_{i:06}.png" for i in range(7))


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder of seven files; their content need not be a picture here."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def write(tmp_path, pictures):
    """Writes a file whose rows are in another order than the pictures."""

    def write_file(order=(3, 0, 6, 1, 5, 2, 4), features=None, **changes) -> Path:
        names = [NAMES[i] for i in order]
        digests = [hashlib.sha256((pictures / n).read_bytes()).digest() for n in names]
        manifest = FeatureManifest(
            "",
            IDENTITY.to_text(),
            tuple(names),
            np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
            np.arange(len(names), dtype=np.uint32),
        )
        datasets = {
            "features": FEATURES[list(order)] if features is None else features,
            "image_names": np.array([n.encode() for n in names]),
            "picture_sha256": manifest.pictures,
            "row_crc32": manifest.row_checksums,
            "finished": np.ones(len(names), np.uint8),
            "manifest_sha256": np.frombuffer(manifest.checksum(), np.uint8),
            **changes,
        }
        path = tmp_path / "f.h5"
        with h5py.File(path, "w") as file:
            file.attrs["identity"] = manifest.identity
            for name, array in datasets.items():
                if array is not None:
                    file[name] = array
            file["features"].attrs["layout"] = "NCHW"
        return path

    return write_file


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20], ids=["disk", "memory"])
def test_rows_follow_the_names_and_not_the_numbers(write, pictures, cache_bytes):
    numbers = np.array([0, 2, 5, 6])
    store = FeatureStore(
        write(),
        numbers,
        names=[NAMES[i] for i in numbers],
        pictures=pictures,
        images_in_split=7,
        cache_bytes=cache_bytes,
    )
    assert store.identity == IDENTITY.to_text()
    for indices in ([0, 1, 2, 3], [3, 0, 0], [2]):
        expected = FEATURES[numbers[indices]].transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(store.read(np.array(indices)), expected)


def test_a_picture_without_features_is_named(write):
    with pytest.raises(InputError, match=r"f\.h5: has no features of 2 of 7.*'CLEVR_val_000002"):
        FeatureStore(write(order=(3, 0, 1, 5, 4)), names=NAMES)


def test_pictures_of_the_same_names_but_other_content_are_told(write, pictures):
    path = write()
    (pictures / NAMES[4]).write_bytes(b"another world")
    with pytest.raises(InputError, match=r"f\.h5: row 6 is of another picture than .*_000004\.png"):
        FeatureStore(path, names=NAMES, pictures=pictures)
    FeatureStore(path, names=NAMES[:3], pictures=pictures)  # nobody asks about that one
    FeatureStore(path, names=NAMES, pictures=pictures / "none")  # features without their pictures


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image_names": np.array([n.encode() for n in NAMES])}, "another checksum"),
        ({"picture_sha256": np.zeros([7, 32], np.uint8)}, "another checksum"),
        ({"row_crc32": np.zeros([7], np.uint32)}, "another checksum"),
        ({"manifest_sha256": np.zeros([32], np.uint8)}, "another checksum"),
        ({"finished": np.array([1, 1, 0, 1, 1, 0, 1])}, r"features of 2 of 7 pictures are missing"),
        (
            {"finished": np.ones(6)},
            r"7 names, but arrays of the shapes \[\[7, 32\], \[7\], \[6\]\]",
        ),
        ({"image_names": None}, "manifest cannot be read"),
        ({"image_names": np.arange(7)}, "manifest cannot be read"),
        ({"features": FEATURES[:6]}, "6 rows, but its manifest names 7 pictures"),
    ],
)
def test_a_manifest_that_disagrees_is_refused(write, changes, sentence):
    with pytest.raises(InputError, match=rf"f\.h5.*{sentence}"):
        FeatureStore(write(**changes))


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "{}", '{"backbone": 3}', IDENTITY.to_text()[:-1] + ', "more": ""}'],
)
def test_an_identity_of_another_form_is_refused(text):
    with pytest.raises(InputError, match="f.h5: its features' identity is"):
        FeatureIdentity.from_text(text, "f.h5")


def test_an_identity_is_read_as_it_was_written():
    assert FeatureIdentity.from_text(IDENTITY.to_text(), "f.h5") == IDENTITY


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("backbone", "resnet152"),
        ("layer", "conv5"),
        ("image_size", "448x448"),
        ("preprocessing", "torchvision"),
        ("weights", 64 * "b"),
    ],
)
def test_features_of_another_origin_are_refused(field, value):
    other = dataclasses.replace(IDENTITY, **{field: value}).to_text()
    wanted = IDENTITY.to_text()
    with pytest.raises(InputError, match=rf"f\.h5: its features are of the {field} '{value}'"):
        check_same_identity(wanted, other, "f.h5")
    check_same_identity(wanted, IDENTITY.to_text(), "f.h5")


def test_known_and_unknown_origin_do_not_agree():
    check_same_identity("", "", "f.h5")
    with pytest.raises(InputError, match=r"f\.h5: does not say what its features come from"):
        check_same_identity(IDENTITY.to_text(), "", "f.h5")
    with pytest.raises(InputError, match=r"f\.h5: .*resnet101, layer conv4.*unknown origin"):
        check_same_identity("", IDENTITY.to_text(), "f.h5")


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
@pytest.mark.parametrize("name", ["features", "data"])
def test_rows_of_0_at_the_end_are_padding_and_others_are_not(tmp_path, order, name):
    features = FEATURES if order == "NCHW" else FEATURES.transpose(0, 2, 3, 1)
    padded = np.concatenate([features, np.zeros_like(features[:2])])
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file[name] = padded
        file[name].attrs["layout"] = order
    store = FeatureStore(tmp_path / "f.h5", np.arange(7), images_in_split=7)
    np.testing.assert_array_equal(store.read(np.arange(7)), FEATURES.transpose(0, 2, 3, 1))
    assert store.identity == ""
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        file[name][8, 2, 0, 1] = 0.5
    with pytest.raises(InputError, match="9 rows, but the split has 7 images"):
        FeatureStore(tmp_path / "f.h5", np.arange(7), images_in_split=7)
