"""What lies beyond the cache is read through before the training, once."""

from __future__ import annotations

import json
import os
import shutil

import h5py
import numpy as np
import pytest

from lnmn_tf.data.features import FeatureStore
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.errors import InputError
from lnmn_tf.main import main
from lnmn_tf.training import sound_data
from lnmn_tf.training.sound_data import STAMP, check_images
from tests.conftest import TINY_MODEL, TINY_TRAINING, to_arguments

ROWS = np.random.default_rng(2).normal(size=[11, 3, 5, 17]).astype(np.float32)


@pytest.fixture
def features(tmp_path):
    """A feature file that is too large for the cache: `features(rows) -> store`."""

    def write(rows=ROWS, **options):
        with h5py.File(tmp_path / "features.h5", "w") as file:
            file["features"] = rows
        return FeatureStore(tmp_path / "features.h5", cache_bytes=0, **options)

    return write


@pytest.fixture
def reads(monkeypatch):
    """The numbers of images that are read, call by call; a window holds two."""
    calls, read = [], FeatureStore.read

    def counted(store, indices):
        calls.append(len(indices))
        return read(store, indices)

    monkeypatch.setattr(FeatureStore, "read", counted)
    monkeypatch.setattr(sound_data, "_WINDOW_BYTES", 2 * ROWS[0].nbytes)
    return calls


def test_every_row_is_read_once_and_not_again_while_the_file_is_the_same(features, reads, tmp_path):
    store = features()
    check_images([store, store], tmp_path)
    assert reads == [2, 2, 2, 2, 2, 1]
    check_images([features()], tmp_path / "other")  # another run knows nothing of it
    assert sum(reads) == 22
    os.utime(tmp_path / "features.h5", ns=(1, 1))
    changed = FeatureStore(tmp_path / "features.h5", cache_bytes=0)
    check_images([changed], tmp_path)
    check_images([changed], tmp_path)
    assert sum(reads) == 33


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_named_and_what_was_sound_is_kept(
    features, reads, tmp_path, value
):
    rows = ROWS.copy()
    rows[7, 2, 1, 4] = value
    store = features(rows)
    with pytest.raises(InputError, match=r"features.h5: dataset 'features': row 7 holds NaN"):
        check_images([store], tmp_path)
    assert json.loads((tmp_path / STAMP).read_text()) == {store.state(): 6}


def test_a_store_too_large_for_the_time_is_checked_in_part_and_goes_on(
    features, reads, tmp_path, capsys
):
    store = features()
    check_images([store], tmp_path, most_seconds=0.0)
    assert reads == [2] and "2 of 11 images were read through" in capsys.readouterr().out
    check_images([store], tmp_path)
    assert sum(reads) == 11


def test_what_is_in_memory_or_was_checked_when_it_was_made_is_not_read(
    features, reads, tmp_path, capsys
):
    store = features()
    store.checked_when_made = True
    small = FeatureStore(tmp_path / "features.h5")
    check_images([store, small], tmp_path)
    assert not reads and not (tmp_path / STAMP).exists()
    assert "its manifest was checked" in capsys.readouterr().out


def test_a_damaged_stamp_is_no_stamp(features, reads, tmp_path):
    (tmp_path / STAMP).write_text("[3")
    check_images([features()], tmp_path)
    assert sum(reads) == 11


def test_the_state_of_a_store_is_that_of_its_files_and_rows(features, tiny_world):
    path = features()._path
    states = {
        FeatureStore(path, rows, cache_bytes=0).state() for rows in (np.arange(3), np.arange(4))
    }
    names = ["CLEVR_train_000000.png", "CLEVR_train_000001.png"]
    for chosen in (names, names[:1]):
        states.add(PixelStore(tiny_world, "train", chosen, 4, 5, cache_bytes=0).state())
    assert len(states) == 4


def test_a_picture_damaged_in_its_middle_is_found_before_the_first_step(
    tiny_world, tmp_path, capsys
):
    world = shutil.copytree(tiny_world, tmp_path / "world")
    path = world / "images/train/CLEVR_train_000007.png"
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)  # header and end are as they should be
    path.write_bytes(content)
    flags = {**TINY_MODEL, **TINY_TRAINING, "data_dir": world, "run_dir": tmp_path / "run"}
    assert main(to_arguments(mode="train", cache_mb=0, **flags)) == 1
    *_, error = capsys.readouterr().err.strip().splitlines()
    assert error.startswith("error: ") and "CLEVR_train_000007.png" in error and "damaged" in error
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert not (tmp_path / "run" / "tensorboard").exists()
