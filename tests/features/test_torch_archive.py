"""PyTorch's archives are read without PyTorch, and nothing in them is run."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from lnmn_tf.errors import InputError
from lnmn_tf.features.torch_archive import read_state_dict
from tests.features.conftest import MAGIC, PROTOCOL

GENERATOR = np.random.default_rng(0)
TENSORS = {
    "conv.weight": GENERATOR.normal(size=[5, 3, 2, 7]).astype(np.float32),
    "bn.num_batches_tracked": np.array(11, np.int64),
    "half": GENERATOR.normal(size=[13]).astype(np.float16),
    "mask": np.array([True, False, True]),
    "nothing": np.zeros([0, 3], np.float32),
}


@pytest.fixture
def write(tmp_path, torch_writer):
    def write_file(tensors, zipped=False, **more):
        path = tmp_path / "weights.pth"
        path.write_bytes(torch_writer.content(tensors, zipped, **more))
        return path

    return write_file


@pytest.mark.parametrize("zipped", [False, True], ids=["row", "zip"])
def test_tensors_come_back_in_both_forms(write, zipped):
    found = read_state_dict(write(TENSORS, zipped))
    assert list(found) == list(TENSORS)
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("zipped", [False, True], ids=["row", "zip"])
def test_views_of_one_storage_are_told_apart(write, zipped):
    storage = np.arange(35, dtype=np.float32)
    views = {
        "all": (storage, 0, (5, 7), (7, 1)),
        "transposed": (storage, 0, (7, 5), (1, 7)),
        "part": (storage, 8, (2, 3), (7, 2)),
    }
    found = read_state_dict(write(views, zipped))
    np.testing.assert_array_equal(found["all"], storage.reshape(5, 7))
    np.testing.assert_array_equal(found["transposed"], storage.reshape(5, 7).T)
    np.testing.assert_array_equal(found["part"], storage.reshape(5, 7)[1:3, 1:7:2])


class Attack:
    """Runs a command where it is unpickled."""

    def __init__(self, function, *arguments):
        self.arguments = function, arguments

    def __reduce__(self):
        return self.arguments


@pytest.mark.parametrize("zipped", [False, True], ids=["row", "zip"])
@pytest.mark.parametrize("function", [os.system, eval, exec, open, getattr])
def test_a_pickle_that_asks_for_another_global_is_refused_and_not_run(
    write, tmp_path, zipped, function
):
    mark = tmp_path / "attacked"
    path = write(TENSORS, zipped, extra={"x": Attack(function, f"touch {mark}")})
    with pytest.raises(InputError, match=r"weights\.pth: asks for the global '[\w.]*'; expected"):
        read_state_dict(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "instructions",
    [
        b"(S'touch x'\nios\nsystem\n.",  # INST
        b"cos\nsystem\n(S'touch x'\ntR.",  # a global, of protocol 0
        b"\x80\x02ccollections\nOrderedDict\n)\x81.",  # NEWOBJ
        b"\x80\x02\x82\x01.",  # an extension
        b"\x80\x02ccollections\nOrderedDict\n)R}b.",  # BUILD alone is harmless, but this is no archive
        b"\x80\x02X\x03\x00\x00\x00abc)R.",  # a call of a text
        b"\x80\x02ctorch\nFloatStorage\n)R.",  # a call of what is only named
        b"\x80\x02(((((((.",
        b"\x80\x02h\x05.",  # a memo that was never set
        b"\x80\x02}(K\x01u.",
        b"<html>not found</html>",
        b"",
        b"PK\x03\x04 and no more",
    ],
)
def test_other_pickles_are_one_sentence(tmp_path, instructions):
    for begin in (b"", b"".join(pickle.dumps(p, 2) for p in (MAGIC, PROTOCOL))):
        path = tmp_path / "weights.pth"
        path.write_bytes(begin + instructions)
        with pytest.raises(InputError, match=r"^\S*weights\.pth: [^\n]*$"):
            read_state_dict(path)


@pytest.mark.parametrize("zipped", [False, True], ids=["row", "zip"])
def test_a_truncated_archive_is_one_sentence(write, zipped):
    path = write(TENSORS, zipped)
    content = path.read_bytes()
    for length in [*range(0, len(content) - 1, 37), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"weights\.pth"):
            read_state_dict(path)


@pytest.mark.parametrize("zipped", [False, True], ids=["row", "zip"])
def test_damaged_bytes_give_arrays_or_a_sentence(write, zipped):
    path = write(TENSORS, zipped)
    content, generator = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for position in generator.integers(0, len(content), 150):
        damaged = bytearray(content)
        damaged[position] ^= generator.integers(1, 256)
        path.write_bytes(damaged)
        try:
            assert all(isinstance(array, np.ndarray) for array in read_state_dict(path).values())
        except InputError:
            refused += 1
    assert refused > 15


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        ((0, (5, 8), (7, 1)), "reaches beyond"),
        ((1, (5, 7), (7, 1)), "reaches beyond"),
        ((0, (1 << 40,), (0,)), "reaches beyond"),  # a terabyte of one element
        ((0, (5, 7), (-7, 1)), "length"),
        ((0, (5, 7), (7,)), "without its storage"),
        ((0.5, (5, 7), (7, 1)), "length"),
    ],
)
def test_a_tensor_that_does_not_fit_its_storage_is_refused(write, view, reason):
    path = write({"x": (np.arange(35, dtype=np.float32), *view)})
    with pytest.raises(InputError, match=reason):
        read_state_dict(path)


def test_what_is_no_tensor_and_no_dict_is_named(write, tmp_path):
    with pytest.raises(InputError, match=r"weights\.pth: 'epoch' is a int; expected a tensor"):
        read_state_dict(write(TENSORS, extra={"epoch": 3}))
    with pytest.raises(InputError, match=r"none\.pth: there is no such file"):
        read_state_dict(tmp_path / "none.pth")


def test_a_compressed_archive_is_refused_before_it_grows(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
        archive.writestr("archive/data/0", bytes(1 << 20))
    path = tmp_path / "weights.pth"
    path.write_bytes(stream.getvalue())
    with pytest.raises(InputError, match="compressed"):
        read_state_dict(path)
