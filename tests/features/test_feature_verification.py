"""Every row of a feature file that is not what was extracted is named."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from lnmn_tf.data.feature_manifest import FeatureIdentity, FeatureManifest
from lnmn_tf.data.feature_verification import check_features

NAMES = tuple(f"CLEVR_val_{i:06}.png" for i in range(70))  # more than are read at a time
ASKED = {name: row for row, name in enumerate(NAMES)}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Files in the place of pictures."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture(params=["float32", "float16"])
def path(request, tmp_path, folder) -> Path:
    """A sound file with a manifest."""
    features = np.random.default_rng(3).normal(size=[70, 5, 2, 3]).astype(request.param)
    digests = [hashlib.sha256((folder / name).read_bytes()).digest() for name in NAMES]
    manifest = FeatureManifest(
        "",
        FeatureIdentity("resnet101", "conv4", "224x224", "keras", 64 * "a").to_text(),
        NAMES,
        np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
        np.array([zlib.crc32(row.tobytes()) for row in features], "<u4"),
    )
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file.attrs["identity"] = manifest.identity
        file["features"] = features
        file["features"].attrs["layout"] = "NCHW"
        file["image_names"] = np.array([name.encode() for name in NAMES])
        file["picture_sha256"] = manifest.pictures
        file["row_crc32"] = manifest.row_checksums
        file["finished"] = np.ones(70, np.uint8)
        file["manifest_sha256"] = np.frombuffer(manifest.checksum(), np.uint8)
    return path


def problems_of(path, folder, asked=ASKED) -> tuple[int, list[str]]:
    found = []
    rows = check_features(str(path), folder, asked, lambda error: found.append(str(error)))
    return rows, found


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def test_a_sound_file_has_no_problem_and_all_its_rows_are_read(path, folder):
    assert problems_of(path, folder) == (70, [])
    assert problems_of(path, folder / "none") == (70, [])
    assert problems_of(path, folder, {NAMES[3]: 3}) == (70, [])


def test_swapped_rows_are_both_named_with_their_pictures(path, folder):
    def swap(file):
        kept = file["features"][3]
        file["features"][3] = file["features"][68]
        file["features"][68] = kept

    edit(path, swap)
    _, found = problems_of(path, folder)
    assert len(found) == 2
    for row, line in zip((3, 68), found):
        assert f"f.h5: row {row} ({NAMES[row]}) has another checksum than the manifest" in line


def test_one_flipped_bit_is_a_damaged_row(path, folder):
    with h5py.File(path) as file:
        offset, size = file["features"].id.get_offset(), file["features"][0].nbytes
    content = bytearray(path.read_bytes())
    content[offset + 5 * size] ^= 1
    path.write_bytes(content)
    _, found = problems_of(path, folder)
    assert len(found) == 1
    assert "row 5 (CLEVR_val_000005.png) has another checksum" in found[0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_named_with_or_without_a_manifest(path, folder, value):
    def spoil(file):
        file["features"][[1, 69], 2, 0, 0] = value

    edit(path, spoil)
    _, found = problems_of(path, folder)
    assert [line.split(" holds ")[0][-26:] for line in found] == [
        "row 1 (CLEVR_val_000001.png)"[-26:],
        "row 69 (CLEVR_val_000069.png)"[-26:],
    ]
    edit(path, lambda file: file.attrs.pop("identity"))
    rows, found = problems_of(path, folder, {NAMES[0]: 0, NAMES[1]: 1})
    assert rows == 2
    assert found == [f"{path}: row 1 holds NaN or infinity; expected finite features"]


def test_features_of_other_pictures_are_told_of_each_picture(path, folder):
    for row in (2, 33):  # more than the few that are compared when a split is opened would show
        (folder / NAMES[row]).write_bytes(b"another world")
    _, found = problems_of(path, folder)
    assert [line.split(" is of another")[0].split()[-1] for line in found] == ["2", "33"]


def test_pictures_without_features_and_a_number_of_rows_that_disagrees_are_named(path, folder):
    _, found = problems_of(path, folder, {**ASKED, "CLEVR_val_000070.png": 70})
    assert found == [f"{path}: has no features of CLEVR_val_000070.png, which a question is about"]

    def shorten(file):
        features = file["features"][:69]
        del file["features"]
        file["features"] = features
        file["features"].attrs["layout"] = "NCHW"

    edit(path, shorten)
    rows, found = problems_of(path, folder)
    assert rows == 0
    assert "has 69 rows, but its manifest names 70 pictures" in found[0]
    edit(path, lambda file: file.attrs.pop("identity"))
    _, found = problems_of(path, folder)
    assert found == [
        f"{path}: has 69 rows, but a question is about image 69; expected at least 70 rows"
    ]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "cannot be read as HDF5"),
        (
            lambda path: edit(path, lambda f: f["row_crc32"].write_direct(np.zeros(70, "<u4"))),
            "its manifest has another checksum",
        ),
        (
            lambda path: edit(path, lambda f: f["finished"].write_direct(np.zeros(70, "u1"))),
            "the features of 70 of 70 pictures are missing",
        ),
    ],
)
def test_a_file_that_cannot_be_read_on_is_one_problem(path, folder, damage, words):
    damage(path)
    rows, found = problems_of(path, folder)
    assert rows == 0
    assert len(found) == 1
    assert words in found[0]
