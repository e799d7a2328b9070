import h5py
import numpy as np
import pytest

from lnmn_tf.data import features
from lnmn_tf.data.features import FeatureStore, infer_channels_first
from lnmn_tf.errors import InputError

FEATURES = np.random.default_rng(0).normal(size=[11, 3, 5, 17]).astype(np.float32)  # [N, H, W, C]


@pytest.fixture
def write(tmp_path):
    """Writes datasets to a file: `write(attributes={}, name=array, ...) -> path`."""

    def write_file(attributes=None, **datasets):
        path = tmp_path / "features.h5"
        with h5py.File(path, "w") as file:
            for name, array in datasets.items():
                file[name] = array
                file[name].attrs.update(attributes or {})
        return path

    return write_file


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20], ids=["disk", "memory"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f4"])
@pytest.mark.parametrize("name", ["features", "data"])
@pytest.mark.parametrize("channels_first", [False, True])
def test_features_come_with_channels_last_in_any_order(
    write, monkeypatch, cache_bytes, dtype, name, channels_first
):
    monkeypatch.setattr(features, "_ROWS_PER_READ", 2)
    stored = FEATURES.transpose(0, 3, 1, 2) if channels_first else FEATURES
    path = write(**{name: stored.astype(dtype)})
    rows = np.array([1, 2, 3, 4, 5, 7, 8, 10])
    store = FeatureStore(path, rows, images_in_split=11, cache_bytes=cache_bytes)
    itemsize = np.dtype(dtype).itemsize
    assert (len(store), store.shape, store.image_bytes) == (8, (3, 5, 17), 3 * 5 * 17 * itemsize)
    assert store.in_memory == bool(cache_bytes)
    for indices in ([0, 1, 2, 3, 4], [7, 0, 7, 5], [6], np.arange(8)):
        read = store.read(np.array(indices))
        assert read.dtype == store.dtype == np.dtype(dtype).newbyteorder("=")
        expected = FEATURES[rows[indices]].astype(dtype)
        np.testing.assert_array_equal(read, expected)


def test_without_rows_a_store_holds_the_whole_file(write):
    store = FeatureStore(write(features=FEATURES))
    np.testing.assert_array_equal(store.read(np.arange(11)), FEATURES)


@pytest.mark.parametrize(
    ("shape", "channels_first"),
    [
        ((1024, 14, 14), True),
        ((14, 14, 1024), False),
        ((8, 12, 32), False),
        ((32, 8, 12), True),
        ((3, 14, 14), True),
        ((14, 14, 3), False),
        ((14, 14, 14), None),
        ((10, 14, 16), None),
        ((24, 12, 12), True),
        ((12, 12, 24), False),
    ],
)
def test_the_layout_is_inferred_only_where_it_is_clear(shape, channels_first):
    assert infer_channels_first(shape) is channels_first


def test_an_ambiguous_layout_must_be_stated(write):
    cube = np.random.default_rng(0).normal(size=[2, 5, 5, 5]).astype(np.float32)
    with pytest.raises(InputError, match=r"features.h5: dataset 'data'.*\[2, 5, 5, 5\].*'layout'"):
        FeatureStore(write(data=cube))
    first = FeatureStore(write(data=cube), channels_first=True).read(np.array([1]))
    np.testing.assert_array_equal(first[0], cube[1].transpose(1, 2, 0))
    last = FeatureStore(write({"layout": "NHWC"}, data=cube)).read(np.array([1]))
    np.testing.assert_array_equal(last[0], cube[1])
    first_again = FeatureStore(write({"layout": b"NCHW"}, data=cube)).read(np.array([1]))
    np.testing.assert_array_equal(first_again, first)
    with pytest.raises(InputError, match="attribute 'layout' is 'CHWN'"):
        FeatureStore(write({"layout": "CHWN"}, data=cube))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (FEATURES[0], r"shape \[3, 5, 17\]; expected \[N, C, H, W\]"),
        (FEATURES[:0], r"shape \[0, 3, 5, 17\]"),
        (FEATURES.astype(np.int32), "is of int32; expected float16 or float32"),
        (FEATURES.astype(np.float64), "is of float64"),
    ],
)
def test_an_array_of_another_kind_is_refused(write, array, message):
    with pytest.raises(InputError, match=f"features.h5: dataset 'features'.*{message}"):
        FeatureStore(write(features=array))


def test_rows_must_fit_the_images_of_the_split(write):
    path = write(features=FEATURES)
    with pytest.raises(InputError, match="has 11 rows, but the split has 13 images"):
        FeatureStore(path, images_in_split=13)
    with pytest.raises(InputError, match="has 11 rows, but a question is about image 11"):
        FeatureStore(path, np.array([0, 11]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("cache_bytes", [0, 1 << 20], ids=["disk", "memory"])
def test_a_row_with_nan_or_infinity_is_named(write, value, cache_bytes):
    damaged = FEATURES.copy()
    damaged[7, 2, 4, 16] = value
    path = write(features=damaged)
    with pytest.raises(InputError, match="row 7 holds NaN or infinity"):
        FeatureStore(path, cache_bytes=cache_bytes).read(np.arange(4, 9))
    FeatureStore(path, np.arange(7), cache_bytes=cache_bytes).read(np.arange(7))


def test_a_file_that_is_no_feature_file_is_named(write, tmp_path):
    with pytest.raises(InputError, match="none.h5: no such file"):
        FeatureStore(tmp_path / "none.h5")
    with pytest.raises(
        InputError, match=r"has the datasets \['resnet'\]; expected features or dat"
    ):
        FeatureStore(write(resnet=FEATURES))
    with pytest.raises(InputError, match="expected conv4"):
        FeatureStore(write(resnet=FEATURES), dataset="conv4")
    assert len(FeatureStore(write(resnet=FEATURES), dataset="resnet")) == 11
    path = write(features=FEATURES)
    content = path.read_bytes()
    for damaged in (b"", b"text", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="features.h5: cannot be read as HDF5"):
            FeatureStore(path)
