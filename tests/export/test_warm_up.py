"""The requests that warm a server up, read back and replayed."""

from __future__ import annotations

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from export.warm_up import BATCH_SIZES, FILE


@pytest.fixture(scope="module")
def requests(exported):
    records = tf.data.TFRecordDataset(str(exported / FILE)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    return [log.predict_log.request for log in logs]


def test_there_is_one_for_each_signature_and_batch_size(requests, signatures):
    asked = [
        (request.model_spec.signature_name, len(tf.make_ndarray(request.inputs["image"])))
        for request in requests
    ]
    assert sorted(asked) == sorted((name, size) for name in signatures for size in BATCH_SIZES)
    assert {request.model_spec.name for request in requests} == {"lnmn"}


def test_each_is_answered(requests, signatures):
    for request in requests:
        inputs = {
            name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()
        }
        reply = signatures[request.model_spec.signature_name](**inputs)
        assert len(reply["answer"]) == len(inputs["image"])
