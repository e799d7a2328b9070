"""Weights from a PyTorch archive (`torch.save` of a state dict), read without PyTorch.

Two forms are known: a zip archive (PyTorch 1.6 and later) and, before it, a row of pickles that the
bytes of the tensors follow. The pickles are read by `pickle_program`, which runs nothing.
"""

from __future__ import annotations

import io
import math
import os
import sys
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from lnmn_tf.errors import InputError
from lnmn_tf.features.pickle_program import Attributes, read_pickle

MAX_BYTES = 2 << 30  # ResNet-152 has 242 MB
_MAGIC = 0x1950A86A20F9469CFC6C  # the first object of the older form
_PROTOCOL = 1001
_DTYPES = {
    "Float": "<f4",
    "Double": "<f8",
    "Half": "<f2",
    "Long": "<i8",
    "Int": "<i4",
    "Short": "<i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "?",
}


class _Storage(NamedTuple):
    """Where the elements of a tensor lie: a numbered row of bytes in the archive."""

    key: str
    dtype: np.dtype
    size: int


class _Tensor(NamedTuple):
    """A view of a storage: all lengths in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state_dict(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a state dict, by name, in the order of the file.

    Raises:
        InputError: no such file, another format, anything but tensors in it, truncated.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; expected a PyTorch archive of weights")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path}: has {path.stat().st_size} bytes; expected weights of at most {MAX_BYTES}"
        )
    with open(path, "rb") as stream:
        is_zip = stream.read(4) == b"PK\x03\x04"
        stream.seek(0)
        content, storages = (_read_zip if is_zip else _read_row)(stream, str(path))
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; expected a dict of tensors")
    return {
        str(name): _to_array(tensor, storages, f"{path}: {name!r}")
        for name, tensor in content.items()
    }


def _read_zip(stream: BinaryIO, where: str) -> tuple[Any, dict[str, bytes]]:
    """The newer form: <name>/data.pkl, and <name>/data/<key> for each storage."""
    try:
        with zipfile.ZipFile(stream) as archive:
            members = {member.filename: member for member in archive.infolist()}
            (pickle,) = [name for name in members if name.endswith("/data.pkl")]
            folder = pickle[: -len("data.pkl")]
            if any(m.compress_type != zipfile.ZIP_STORED for m in members.values()):
                raise InputError(f"{where}: is compressed; expected an archive of torch.save")
            if sum(member.file_size for member in members.values()) > MAX_BYTES:
                raise InputError(f"{where}: holds more than {MAX_BYTES} bytes; expected weights")
            order = members.get(f"{folder}byteorder")
            if order and archive.read(order) != b"little":
                raise InputError(f"{where}: has its bytes in big-endian order; expected little")
            found = {}
            content = _unpickle(io.BytesIO(archive.read(pickle)), found, where)
            storages = {
                key: archive.read(f"{folder}data/{key}") for key in found
            }  # read() checks each member's CRC
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError) as error:
        raise InputError(f"{where}: is truncated or no archive of torch.save: {error}") from None
    return content, storages


def _read_row(stream: BinaryIO, where: str) -> tuple[Any, dict[str, bytes]]:
    """The older form: magic number, protocol, machine, state dict, keys, then the storages."""
    magic = _unpickle(stream, {}, where)
    protocol = _unpickle(stream, {}, where)
    if magic != _MAGIC or protocol != _PROTOCOL:
        raise InputError(f"{where}: is no archive of torch.save; its first number is {magic!r:.40}")
    machine = _unpickle(stream, {}, where)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise InputError(f"{where}: has its bytes in big-endian order; expected little")
    found = {}
    content = _unpickle(stream, found, where)
    keys = _unpickle(stream, {}, where)
    storages = {}
    for key in keys if isinstance(keys, list) else ():
        if key not in found:
            raise InputError(f"{where}: lists a storage {key!r:.40} that no tensor has")
        header = stream.read(8)
        size = int.from_bytes(header, "little")
        if len(header) < 8:
            raise InputError(f"{where}: is truncated before storage {key}")
        if size != found[key].size:
            raise InputError(
                f"{where}: storage {key} has {size} elements; expected {found[key].size}"
            )
        storages[key] = stream.read(size * found[key].dtype.itemsize)
    return content, storages


def _unpickle(stream: BinaryIO, found: dict[str, _Storage], where: str) -> Any:
    """One pickle; the storages that its tensors name are put into `found`."""

    def persistent(identity: Any) -> _Storage:
        kind, dtype, key, _, size, *view = identity
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(view):
            raise ValueError(f"an unknown kind of object: {identity!r:.80}")
        storage = _Storage(str(key), dtype, _whole(size))
        if found.setdefault(storage.key, storage) != storage:
            raise ValueError(f"storage {key} is described twice")
        return storage

    known = {"collections.OrderedDict": lambda: Attributes(), **_tensor_makers()}
    return read_pickle(stream, known, persistent, where)


def _tensor_makers() -> dict[str, Any]:
    def tensor(storage, offset, shape, strides, *_) -> _Tensor:
        if not isinstance(storage, _Storage) or len(shape) != len(strides):
            raise ValueError("a tensor without its storage")
        return _Tensor(
            storage, _whole(offset), tuple(map(_whole, shape)), tuple(map(_whole, strides))
        )

    def parameter(data, *_) -> _Tensor:
        if not isinstance(data, _Tensor):
            raise ValueError("a parameter that is no tensor")
        return data

    # A storage's class is only named, never called: a dtype stands for it.
    dtypes = {f"torch.{kind}Storage": np.dtype(code) for kind, code in _DTYPES.items()}
    return {
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_parameter": parameter,
        **dtypes,
    }


def _to_array(tensor: Any, storages: dict[str, bytes], where: str) -> np.ndarray:
    if not isinstance(tensor, _Tensor):
        raise InputError(f"{where} is a {type(tensor).__name__}; expected a tensor")
    storage = tensor.storage
    content = storages.get(storage.key, b"")
    if len(content) != storage.size * storage.dtype.itemsize:
        raise InputError(
            f"{where} has {len(content)} bytes in the file; expected "
            f"{storage.size * storage.dtype.itemsize}: is the file truncated?"
        )
    empty = 0 in tensor.shape
    reach = sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides))
    if not empty and (
        tensor.offset + reach >= storage.size or math.prod(tensor.shape) > storage.size
    ):
        raise InputError(f"{where} reaches beyond its storage of {storage.size} elements")
    if empty:
        return np.zeros(tensor.shape, storage.dtype)
    elements = np.frombuffer(content, storage.dtype)[tensor.offset :]
    strides = tuple(stride * storage.dtype.itemsize for stride in tensor.strides)
    view = np.lib.stride_tricks.as_strided(elements, tensor.shape, strides, writeable=False)
    return np.array(view, storage.dtype.newbyteorder("="))


def _whole(number: Any) -> int:
    if type(number) is not int or not 0 <= number < sys.maxsize:
        raise ValueError(f"{number!r:.40} stands where a length is expected")
    return number
