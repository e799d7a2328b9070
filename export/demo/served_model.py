"""The newest version of an export folder, loaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from werkzeug import exceptions

from lnmn_tf.errors import InputError, sentence

from ..warm_up import FILE
from .rest import TensorSpec

# What TF Serving answers to TensorFlow's errors; anything else is 500.
REFUSALS = {
    tf.errors.INVALID_ARGUMENT: exceptions.BadRequest,
    tf.errors.OUT_OF_RANGE: exceptions.BadRequest,
    tf.errors.FAILED_PRECONDITION: exceptions.BadRequest,
    tf.errors.RESOURCE_EXHAUSTED: exceptions.TooManyRequests,
    tf.errors.UNIMPLEMENTED: exceptions.NotImplemented,
}


class ServedModel:
    """A SavedModel with its signatures, warmed up.

    Args:
        export_dir: holds one folder for each version, named by an integer.

    Raises:
        InputError: there is no version, or it cannot be loaded.
    """

    def __init__(self, export_dir: str | os.PathLike):
        folder = latest_version(export_dir)
        self.version = int(folder.name)
        try:
            logging.getLogger("absl").setLevel(
                logging.ERROR
            )  # it warns of gradients; none is asked
            self._model = tf.saved_model.load(str(folder))
            self._definitions = _signature_definitions(folder)
            self._warm_up(folder / FILE)
        except Exception as error:  # a file that is damaged may raise anything
            reason = sentence(str(error).strip() or type(error).__name__)
            raise InputError(
                f"{folder}: cannot be loaded as a SavedModel: {reason}; expected a version made by "
                "--mode=export"
            ) from None
        self.input_specs: Mapping[str, Mapping[str, TensorSpec]] = {
            name: {key: _spec(info) for key, info in definition.inputs.items()}
            for name, definition in self._definitions.items()
        }

    def _warm_up(self, path: Path) -> None:
        """Answers the single questions among the warm-up requests, so that a person does not wait."""
        if not path.is_file():
            return
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = PredictionLog.FromString(record).predict_log.request
            inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
            if all(len(array) == 1 for array in inputs.values()):
                self.predict(request.model_spec.signature_name, inputs)

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            signature: its name.
            inputs: arrays that fit `input_specs`.

        Raises:
            HTTPException: the graph refuses them.
        """
        tensors = {name: tf.constant(array, _dtype(array)) for name, array in inputs.items()}
        try:
            outputs = self._model.signatures[signature](**tensors)
            return {name: tensor.numpy() for name, tensor in outputs.items()}
        except tf.errors.OpError as error:
            refusal = REFUSALS.get(error.error_code, exceptions.InternalServerError)
            raise refusal(sentence(error.message)) from None

    def metadata(self) -> dict[str, Any]:
        """Signatures, as TF Serving describes them."""
        signatures = {
            name: MessageToDict(
                definition,
                including_default_value_fields=True,
                preserving_proto_field_name=True,
            )
            for name, definition in self._definitions.items()
        }
        return {"signature_def": {"signature_def": signatures}}


def latest_version(export_dir: str | os.PathLike) -> Path:
    """The folder of the highest version.

    Raises:
        InputError: there is none.
    """
    folder = Path(export_dir)
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        names = []
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None
    versions = [folder / n for n in names if n.isdecimal() and (folder / n).is_dir()]
    if not versions:
        raise InputError(
            f"{folder}: holds no exported version; expected a folder made by --mode=export"
        )
    return max(versions, key=lambda path: int(path.name))


def _signature_definitions(folder: Path) -> dict[str, Any]:
    """The signatures that a server offers: those with inputs."""
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    definitions = saved.meta_graphs[0].signature_def
    return {name: definition for name, definition in definitions.items() if definition.inputs}


def _spec(info: Any) -> TensorSpec:
    shape = (None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
    return TensorSpec(np.dtype(tf.dtypes.as_dtype(info.dtype).as_numpy_dtype), tuple(shape))


def _dtype(array: np.ndarray) -> tf.DType:
    return tf.string if array.dtype.kind == "O" else tf.dtypes.as_dtype(array.dtype)
