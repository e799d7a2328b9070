"""What stands in for `tensorflow_model_server` where there is none: its gRPC services over a SavedModel.

Made of tensorflow-serving-api's own service definitions, so that a client cannot tell the difference
in what is sent. It neither batches nor watches its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent import futures
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from export.warm_up import MODEL_NAME

CODES = {code.value[0]: code for code in grpc.StatusCode}  # TensorFlow numbers errors alike
LARGEST_MESSAGE = 64 << 20


class StandInServer(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Serves one version on a free port of 127.0.0.1.

    Args:
        folder: of the version.
        labels: of versions.
        credentials: for TLS, or None.
    """

    def __init__(
        self,
        folder: Path,
        labels: Mapping[str, int] | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ):
        self.version, self._labels = int(folder.name), dict(labels or {})
        self._model = tf.saved_model.load(str(folder))
        self._server = grpc.server(
            futures.ThreadPoolExecutor(4),
            options=[
                ("grpc.max_receive_message_length", LARGEST_MESSAGE),
                ("grpc.so_reuseport", 0),
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(self, self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(self, self._server)
        if credentials:
            self.port = self._server.add_secure_port("127.0.0.1:0", credentials)
        else:
            self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> StandInServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait()

    def Predict(self, request, context):
        self._check_spec(request.model_spec, context)
        name = request.model_spec.signature_name or "serving_default"
        if name not in self._model.signatures:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f'Serving signature name: "{name}" not found in signature def',
            )
        signature = self._model.signatures[name]
        specs = signature.structured_input_signature[1]
        if set(request.inputs) != set(specs):
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"the inputs are {sorted(request.inputs)}; expected {sorted(specs)}",
            )
        try:
            tensors = {key: tf.constant(tf.make_ndarray(v)) for key, v in request.inputs.items()}
            for key, tensor in tensors.items():
                if tensor.dtype != specs[key].dtype or not specs[key].shape.is_compatible_with(
                    tensor.shape
                ):
                    context.abort(
                        grpc.StatusCode.INVALID_ARGUMENT, f"{key} does not fit {specs[key]}"
                    )
            outputs = signature(**tensors)
        except tf.errors.OpError as error:
            context.abort(CODES[error.error_code], error.message)
        reply = predict_pb2.PredictResponse(model_spec=request.model_spec)
        reply.model_spec.version.value = self.version
        for key, tensor in outputs.items():
            reply.outputs[key].CopyFrom(tf.make_tensor_proto(tensor))
        return reply

    def GetModelStatus(self, request, context):
        self._check_spec(request.model_spec, context)
        reply = get_model_status_pb2.GetModelStatusResponse()
        reply.model_version_status.add(
            version=self.version, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE
        )
        return reply

    def _check_spec(self, spec, context) -> None:
        version = self.version
        if spec.HasField("version"):
            version = spec.version.value
        elif spec.version_label:
            version = self._labels.get(spec.version_label, -1)
        if spec.name != MODEL_NAME or version != self.version:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {spec.name}")
