"""Reading arrays by name from files of other programs, and assigning them to variables."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Union

import numpy as np
import tensorflow as tf

from lnmn_tf.errors import InputError

PREFIX = "weights/"
WRAPPERS = ("state_dict", "model_state_dict", "model")  # where training scripts put a state_dict

Weights = Mapping[str, Any]
Source = Union[Weights, str, os.PathLike]
Assignment = tuple[tf.Variable, np.ndarray, list[str]]


def read_weights(source: Source) -> dict[str, np.ndarray]:
    """Arrays by name.

    Args:
        source: a mapping of numpy arrays, TensorFlow tensors or PyTorch tensors; or a file: an `.npz`,
            a TF1 checkpoint (named without `.index`), or a PyTorch state_dict of any other suffix.
            Names may carry the prefix `weights/`; if any does, only those are taken. The prefix
            `module.` of PyTorch's DataParallel and the suffix `:0` of TF1 are removed.

    Raises:
        InputError: the file is missing, of another kind, or needs PyTorch, which is not installed.
    """
    if not isinstance(source, Mapping):
        if not isinstance(source, (str, os.PathLike)):
            raise InputError(
                f"weights are a {type(source).__name__}; expected a mapping of arrays, or a path"
            )
        source = _read_file(Path(source))
    if any(name.startswith(PREFIX) for name in source):
        source = {k[len(PREFIX) :]: v for k, v in source.items() if k.startswith(PREFIX)}
    return {_plain(name): _to_array(name, value) for name, value in source.items()}


def _plain(name: str) -> str:
    name = name[len("module.") :] if name.startswith("module.") else name
    return name[: -len(":0")] if name.endswith(":0") else name


def _to_array(name: str, value) -> np.ndarray:
    if hasattr(value, "detach"):  # a PyTorch tensor, maybe on another device or with a gradient
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise InputError(f"weights: {name} is of type {array.dtype}; expected numbers")
    return array


def _read_file(path: Path) -> Weights:
    if Path(f"{path}.index").is_file():
        try:
            reader = tf.train.load_checkpoint(str(path))
            return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            raise InputError(f"{path}: not a readable TensorFlow checkpoint ({error})") from error
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights")
    if path.suffix == ".npz":
        return _read_npz(path)
    return _read_torch(path)


def _read_npz(path: Path) -> Weights:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if archive[name].ndim}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable .npz archive of arrays ({error})") from error


def _read_torch(path: Path) -> Weights:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"{path}: reading a PyTorch file needs PyTorch (pip install torch), or convert it to "
            ".npz where PyTorch is: numpy.savez(path, **{k: v.numpy() for k, v in state.items()})"
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling errors of many classes, some of them PyTorch's own
        raise InputError(
            f"{path}: not a state_dict that PyTorch reads with weights_only=True ({error})"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping):
        raise InputError(f"{path}: holds a {type(state).__name__}; expected a state_dict")
    return state


def assign(assignments: Iterable[Assignment], arrays: Weights, kind: str, depth: int = 1) -> None:
    """Assigns every array to its variable.

    An array that nothing uses is refused if it is a sibling of those that are used (another step,
    another module: the network was built differently); buffers and parts that the model does not have
    are passed over.

    Args:
        assignments: (variable, value, the names of the arrays that it was made of).
        arrays: all of them.
        kind: of model, for messages.
        depth: how many dots or slashes of a name tell the part of the network that it belongs to.

    Raises:
        InputError: an array is missing, left over, not finite, or of another shape than the rest
            implies.
    """
    used = set()
    try:
        for variable, array, names in assignments:
            found = " + ".join(names[:2]) + (" + ..." if len(names) > 2 else "")
            if tuple(variable.shape) != tuple(array.shape):
                raise InputError(
                    f"weights of {kind}: {found} has shape {array.shape} in our layout, but the rest "
                    f"of the arrays imply {tuple(variable.shape)}"
                )
            if not np.isfinite(array).all():
                raise InputError(f"weights of {kind}: {found} has entries that are not finite")
            variable.assign(array)
            used.update(names)
    except KeyError as error:
        raise missing(kind, error) from error
    parts = {_part(name, depth) for name in used}
    left = sorted(name for name in set(arrays) - used if _part(name, depth) in parts)
    if left:
        raise InputError(
            f"weights of {kind}: nothing uses {', '.join(left[:5])}; expected the arrays of a network "
            f"with the modules and steps that the rest implies"
        )


def missing(kind: str, error: KeyError) -> InputError:
    """What to raise when a name is not among the arrays."""
    return InputError(f"weights of {kind}: the array {error} is missing")


def _part(name: str, depth: int) -> tuple[str, ...]:
    return tuple(name.replace("/", ".").split(".")[:depth])
