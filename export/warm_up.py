"""Requests that TF Serving runs when it loads a version, so that the first real one does not wait.

`assets.extra/tf_serving_warmup_requests` is a TFRecord file of PredictionLog messages, one for each
signature and batch size.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from .servable import Servable

MODEL_NAME = "lnmn"
BATCH_SIZES = (1, 2, 4, 8, 16, 32)  # allowed_batch_sizes of export/serving/batching.config
FILE = Path("assets.extra") / "tf_serving_warmup_requests"


def write_warm_up(folder: str | os.PathLike, servable: Servable) -> None:
    """Writes the requests into the folder of a version."""
    path = Path(folder) / FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature in ("serving_default", "explain", "answer_from_ids"):
            for batch_size in BATCH_SIZES:
                writer.write(_record(signature, batch_size, servable).SerializeToString())


def _record(signature: str, batch_size: int, servable: Servable):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL_NAME
    request.model_spec.signature_name = signature
    words = " ".join(servable.vocabulary.words[-8:])
    if signature == "answer_from_ids":
        ids = np.tile(np.int32(servable.vocabulary.encode(words)), [batch_size, 1])
        request.inputs["question_ids"].CopyFrom(tf.make_tensor_proto(ids))
    else:
        request.inputs["question"].CopyFrom(tf.make_tensor_proto([words] * batch_size))
    if servable.image_key == "image":
        picture = tf.io.encode_png(np.full([240, 320, 3], 128, np.uint8)).numpy()
        request.inputs["image"].CopyFrom(tf.make_tensor_proto([picture] * batch_size))
    else:
        # One value stands for all: 4 bytes in place of megabytes.
        features = tf.make_tensor_proto(1.0, servable.image_spec.dtype)
        shape = tf.TensorShape([batch_size, *servable.network.config.feature_shape])
        features.tensor_shape.CopyFrom(shape.as_proto())
        request.inputs["features"].CopyFrom(features)
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )
