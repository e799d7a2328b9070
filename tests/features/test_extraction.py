"""Extraction: what is in the file, and what becomes of it after a kill."""

from __future__ import annotations

import shutil
import zlib

import h5py
import numpy as np
import pytest
from PIL import Image

from lnmn_tf.data.feature_manifest import FeatureManifest, picture_digest
from lnmn_tf.data.features import FeatureStore
from lnmn_tf.errors import InputError
from lnmn_tf.features import feature_file
from lnmn_tf.features.backbone import Backbone
from lnmn_tf.features.extraction import extract

COUNT = 7


@pytest.fixture
def data_dir(tmp_path):
    """Seven pictures of noise, of several sizes, and a file that is none."""
    folder = tmp_path / "data" / "images" / "val"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for i in range(COUNT):
        pixels = generator.integers(0, 256, [20 + i, 30 - i, 3], np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.{'jpg' if i == 3 else 'png'}")
    (folder / "notes.txt").write_text("no picture")
    return tmp_path / "data"


@pytest.fixture
def backbone(small_backbone):
    return Backbone("small")


def by_hand(backbone, data_dir) -> np.ndarray:
    """[N, C, H, W], each picture by itself."""
    rows = []
    for path in sorted((data_dir / "images" / "val").glob("*.[pj]*")):
        with Image.open(path) as picture:
            pixels = picture.convert("RGB").resize((24, 16), Image.Resampling.BILINEAR)
        rows.append(backbone(np.asarray(pixels)[np.newaxis]).numpy()[0].transpose(2, 0, 1))
    return np.stack(rows)


def stop_after(monkeypatch, batches: int, *, between: bool = False) -> None:
    """Writing is interrupted after so many batches; `between` the features of one and their marks."""
    whole, count = feature_file.write_rows, iter(range(1000))

    def interrupted(file, rows, features, digests, names):
        if next(count) < batches:
            return whole(file, rows, features, digests, names)
        if between:
            file["features"][rows[0]] = features[0]
            file.flush()
        raise KeyboardInterrupt

    monkeypatch.setattr(feature_file, "write_rows", interrupted)


def count_rows(monkeypatch) -> list[int]:
    """The rows that are written from now on."""
    whole, written = feature_file.write_rows, []

    def counted(file, rows, *others):
        written.extend(rows.tolist())
        return whole(file, rows, *others)

    monkeypatch.setattr(feature_file, "write_rows", counted)
    return written


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_each_row_is_of_the_picture_that_the_manifest_names(backbone, data_dir, tmp_path, dtype):
    path = extract(backbone, data_dir, "val", tmp_path / "f.h5", dtype=dtype, batch_size=3)
    assert not path.with_name("f.h5.partial").exists()
    expected = by_hand(backbone, data_dir)
    with h5py.File(path) as file:
        stored = file["features"][:]
        assert (stored.dtype, stored.shape) == (np.dtype(dtype), (COUNT, 5, 4, 6))
        assert file["features"].attrs["layout"] == "NCHW"
        assert file.attrs["backbone_preprocessing"] == "lite"
        manifest = FeatureManifest.read(file, path)
    np.testing.assert_allclose(stored, expected, atol=1e-5 if dtype == "float32" else 2e-3)
    assert manifest.names == tuple(f"{i}.{'jpg' if i == 3 else 'png'}" for i in range(COUNT))
    assert manifest.identity == backbone.identity.to_text()
    folder = data_dir / "images" / "val"
    for row, name in enumerate(manifest.names):
        assert manifest.pictures[row].tobytes() == picture_digest(folder / name)
        assert manifest.row_checksums[row] == zlib.crc32(stored[row].tobytes())


def test_torchvisions_pictures_are_scaled_bicubically(small_backbone, data_dir, tmp_path):
    backbone = Backbone("small", preprocessing="torchvision")
    path = extract(backbone, data_dir, "val", tmp_path / "f.h5")
    with Image.open(data_dir / "images" / "val" / "0.png") as picture:
        pixels = np.asarray(picture.resize((24, 16), Image.Resampling.BICUBIC))
    with h5py.File(path) as file:
        found = file["features"][0].transpose(1, 2, 0)
    np.testing.assert_allclose(found, backbone(pixels[np.newaxis])[0], atol=1e-5)


@pytest.mark.parametrize("between", [False, True])
def test_it_goes_on_where_it_was_stopped(backbone, data_dir, tmp_path, monkeypatch, between):
    path = tmp_path / "f.h5"
    with monkeypatch.context() as patch:
        stop_after(patch, 2, between=between)
        with pytest.raises(KeyboardInterrupt):
            extract(backbone, data_dir, "val", path, batch_size=2)
    assert not path.exists()
    written = count_rows(monkeypatch)
    extract(backbone, data_dir, "val", path, batch_size=2)
    assert written == [4, 5, 6]
    whole = extract(backbone, data_dir, "val", tmp_path / "whole.h5", batch_size=2)
    assert path.read_bytes() == whole.read_bytes()


def test_what_is_marked_but_damaged_or_of_a_changed_picture_is_made_again(
    backbone, data_dir, tmp_path, monkeypatch
):
    path, folder = tmp_path / "f.h5", data_dir / "images" / "val"
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            extract(backbone, data_dir, "val", path, batch_size=2)
    with h5py.File(tmp_path / "f.h5.partial", "r+") as file:
        assert file["finished"][:].tolist() == [1] * 6 + [0]
        file["features"][1, 0, 0, 0] += 1
    shutil.copy(folder / "0.png", folder / "4.png")
    written = count_rows(monkeypatch)
    extract(backbone, data_dir, "val", path, batch_size=2)
    assert written == [1, 4, 6]
    np.testing.assert_allclose(
        h5py.File(path)["features"][:], by_hand(backbone, data_dir), atol=1e-5
    )


def test_a_complete_file_is_left_as_it_is(backbone, data_dir, tmp_path, monkeypatch, capsys):
    path = extract(backbone, data_dir, "val", tmp_path / "f.h5")
    written = count_rows(monkeypatch)
    extract(backbone, data_dir, "val", path)
    assert not written
    assert "f.h5: is complete, with the features of 7 pictures" in capsys.readouterr().out


def test_disk_and_progress_are_said_first(backbone, data_dir, tmp_path, monkeypatch, capsys):
    extract(backbone, data_dir, "val", tmp_path / "f.h5")
    shown = capsys.readouterr()
    assert "7 pictures" in shown.out
    assert "[5, 4, 6] of float32" in shown.out
    assert "MB on disk" in shown.out
    assert "images/s" in shown.err
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"g\.h5: needs 3,360 bytes, but 1,000 are free"):
        extract(backbone, data_dir, "val", tmp_path / "g.h5")
    assert not (tmp_path / "g.h5.partial").exists()


def test_another_network_or_other_pictures_are_refused(
    backbone, data_dir, tmp_path, monkeypatch, small_backbone
):
    other = Backbone("small", weights="other")
    assert other.identity != backbone.identity
    path = extract(backbone, data_dir, "val", tmp_path / "f.h5")
    with pytest.raises(InputError, match=r"f\.h5: holds features of another network"):
        extract(other, data_dir, "val", path)
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            extract(backbone, data_dir, "val", tmp_path / "g.h5", batch_size=2)
    for network, dtype, what in (
        (other, "float32", "the network"),
        (backbone, "float16", "the type"),
    ):
        with pytest.raises(InputError, match=rf"g\.h5\.partial: was begun with another .* {what}"):
            extract(network, data_dir, "val", tmp_path / "g.h5", dtype=dtype)
    (data_dir / "images" / "val" / "0.png").rename(data_dir / "images" / "val" / "00.png")
    with pytest.raises(InputError, match=r"g\.h5\.partial.*names of the pictures"):
        extract(backbone, data_dir, "val", tmp_path / "g.h5")
    with pytest.raises(InputError, match=r"f\.h5: holds features of other pictures"):
        extract(backbone, data_dir, "val", path)


def test_a_damaged_picture_is_named(backbone, data_dir, tmp_path):
    picture = data_dir / "images" / "val" / "5.png"
    picture.write_bytes(picture.read_bytes()[:200])
    with pytest.raises(InputError, match=r"5\.png: the picture is damaged"):
        extract(backbone, data_dir, "val", tmp_path / "f.h5")
    picture.write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match=r"5\.png: is no PNG or JPEG picture"):
        extract(backbone, data_dir, "val", tmp_path / "f.h5")


def test_features_that_half_precision_cannot_hold_are_refused(backbone, data_dir, tmp_path):
    kernel, bias = backbone.network.get_weights()
    backbone.network.set_weights([kernel * 1e7, bias])
    with pytest.raises(InputError, match=r"0\.png do not fit --features_dtype=float16"):
        extract(backbone, data_dir, "val", tmp_path / "f.h5", dtype="float16")


def test_folders_without_pictures_are_one_sentence(backbone, data_dir, tmp_path):
    with pytest.raises(InputError, match="images/test: there is no such folder"):
        extract(backbone, data_dir, "test", tmp_path / "f.h5")
    (data_dir / "images" / "test").mkdir()
    with pytest.raises(InputError, match="images/test: has no pictures"):
        extract(backbone, data_dir, "test", tmp_path / "f.h5")


def test_a_store_reads_what_was_extracted(backbone, data_dir, tmp_path):
    path = extract(backbone, data_dir, "val", tmp_path / "f.h5")
    store = FeatureStore(path)
    assert store.shape == backbone.feature_shape == (4, 6, 5)
    assert store.identity == backbone.identity.to_text()
    expected = by_hand(backbone, data_dir).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(store.read(np.arange(COUNT)), expected, atol=1e-5)
