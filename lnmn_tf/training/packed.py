"""A trained model as a small folder: what answers need, its weights in half precision.

    config.json, flags.txt, vocabulary.json, metrics.json   of the run
    weights.npz                                             float16, and whose weights they are

`--mode=answer`, `evaluate`, `explain`, `analyze` and `export` take such a folder as they take a run. It
cannot be trained on: it has no optimizers.
"""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_bytes
from lnmn_tf.training.checkpoints import CheckpointFolder
from lnmn_tf.training.networks import VOCABULARY, build_network
from lnmn_tf.training.run_folder import METRICS

WEIGHTS = "weights.npz"
COPIED = ("config.json", "flags.txt", VOCABULARY, METRICS)
_STEP = "step"  # in the archive, beside the variables


def pack(run_dir: str | os.PathLike, pack_dir: str | os.PathLike) -> Path:
    """Writes the best checkpoint of a finished run as a small folder.

    Raises:
        InputError: the run is not finished, or the folder holds something already.
    """
    run_dir, pack_dir = Path(run_dir), Path(pack_dir)
    if not (run_dir / METRICS).is_file():
        raise InputError(f"{run_dir / METRICS}: is missing; expected a finished run")
    if pack_dir.exists() and any(pack_dir.iterdir()):
        raise InputError(
            f"--output_dir is {str(pack_dir)!r}, which is not empty; expected a new folder"
        )
    folder, network = CheckpointFolder(run_dir), build_network(RunConfig.load(run_dir).model)
    progress = folder.load_weights(network, "best")
    arrays = {_name(i, v): v.numpy().astype(np.float16) for i, v in enumerate(network.variables)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays, **{_STEP: np.int64(progress.step)})
    pack_dir.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copyfile(run_dir / name, pack_dir / name)
    write_bytes(pack_dir / WEIGHTS, buffer.getvalue())
    return pack_dir


def is_packed(run_dir: str | os.PathLike) -> bool:
    """Whether a folder holds a packed model."""
    return (Path(run_dir) / WEIGHTS).is_file()


def load_packed(network: tf.keras.Model, run_dir: str | os.PathLike) -> int:
    """Gives a built network the weights of a packed model. Returns the step that they are of.

    Raises:
        InputError: the file is damaged, or of another model.
    """
    path = Path(run_dir) / WEIGHTS
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    step = int(arrays.pop(_STEP, 0))
    expected = {_name(i, v): v for i, v in enumerate(network.variables)}
    for name in {**expected, **arrays}:
        found = arrays[name].shape if name in arrays else "nothing"
        wanted = tuple(expected[name].shape) if name in expected else "nothing"
        if found != wanted:
            raise InputError(f"{path}: {name} has the shape {found}; expected {wanted}")
    for name, variable in expected.items():
        variable.assign(arrays[name].astype(variable.dtype.as_numpy_dtype))
    return step


def _name(index: int, variable: tf.Variable) -> str:
    """Of a variable in the archive. Keras counts layers up within a process, so layers are left out."""
    return f"{index:03d}_{variable.name.split('/')[-1].split(':')[0]}"
