"""Writes `<export_dir>/<version>/`, as TF Serving wants it.

    saved_model.pb, variables/        the graph and its weights
    assets/words.txt                  the vocabulary
    assets.extra/                     requests that warm a server up
    model_card.json                   what it was made of, and checksums

All of it is written under a temporary name and renamed at the end: a server that watches the folder
never sees half a model, and an export that fails leaves the versions before it as they were.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import tensorflow as tf

from lnmn_tf.config.export import ExportConfig
from lnmn_tf.errors import InputError, sentence
from lnmn_tf.training.trained import TrainedRun

from .backbone import backbone_of
from .model_card import describe_accuracy, write_model_card
from .servable import Servable
from .warm_up import MODEL_NAME, write_warm_up

ABANDONED = 3600.0  # seconds without a change; an export takes less than a minute


def export_run(run: TrainedRun, options: ExportConfig) -> Path:
    """Exports a run as the next version.

    Args:
        run: opened, with the weights and switches that are exported.
        options: how.

    Returns:
        The folder `<export_dir>/<version>`.

    Raises:
        InputError: options that do not fit the model, or a folder that cannot be written.
    """
    export_dir = Path(options.export_dir or run.run_dir / "export")
    if run.config.model.image_height and options.export_features_dtype != "float32":
        raise InputError(
            f"export_features_dtype is {options.export_features_dtype!r}, but the model of "
            f"{run.run_dir} reads pictures; expected a run with --features"
        )
    backbone = backbone_of(run, options) if options.with_backbone else None
    export_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as assets, _temporary_folder(export_dir) as temporary:
        servable = Servable(
            run.network,
            run.vocabulary,
            assets,
            backbone,
            options.export_dtype,
            options.export_features_dtype,
            options.export_jit,
            run.config.training.answer_loss,
        )
        module, signatures = servable.to_module()
        # No gradients: the one of the loop over steps is of no use to a server.
        save_options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        with _quiet_tensorflow():
            tf.saved_model.save(module, str(temporary), signatures, save_options)
        write_warm_up(temporary, servable)
        write_model_card(temporary, run, options, servable)
        return _publish(temporary, export_dir)


def how_to_query(folder: Path, run: TrainedRun, options: ExportConfig) -> str:
    """What to type next, after `export_run`."""
    base = folder.resolve().parent
    asked = "--image=PICTURE.png"
    if not (run.config.model.image_height or options.with_backbone):
        asked = f"--image=FEATURES.npy --features_dtype={options.export_features_dtype}"
    return (
        f"exported {folder}: the {run.checkpoint} checkpoint, of step {run.step}\n"
        f"{describe_accuracy(run, options)}\n"
        "query it, with a web page, on this machine:\n"
        f"  python -m lnmn_tf.main --mode=serve --export_dir={folder.parent}\n"
        "or with TF Serving:\n"
        f"  docker run -p 8500:8500 -p 8501:8501 -e MODEL_NAME={MODEL_NAME} "
        f"-v {base}:/models/{MODEL_NAME} tensorflow/serving:2.15.1\n"
        f"  python -m {__package__}.client --server=localhost:8500 {asked} "
        '--question="How many cubes are there?"'
    )


def versions(export_dir: str | os.PathLike) -> list[int]:
    """The versions in a folder, ascending."""
    names = (path.name for path in Path(export_dir).iterdir() if path.is_dir())
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def _publish(temporary: Path, export_dir: Path) -> Path:
    """Renames a finished folder to the next version, also if others export at the same time."""
    for path in (temporary, *temporary.rglob("*")):  # whatever the umask: a server is another user
        path.chmod(0o755 if path.is_dir() else 0o644)
    while True:
        folder = export_dir / str(max(versions(export_dir), default=0) + 1)
        try:
            os.rename(temporary, folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        else:
            return folder


@contextmanager
def _temporary_folder(export_dir: Path) -> Iterator[Path]:
    """A hidden folder, which a server takes for no version; removed unless it is renamed."""
    for left in export_dir.glob(".export-*.tmp"):  # by an export that was killed
        with suppress(FileNotFoundError):  # by one that ends now
            if left.stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=".export-", suffix=".tmp", dir=export_dir))
    try:
        yield folder
    except tf.errors.OpError as error:
        raise InputError(f"{export_dir}: cannot be written: {sentence(error.message)}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """Without the line about assets in a folder that is renamed."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
