"""What stands in for `tensorflow_model_server` where there is none: its gRPC services over a SavedModel.

Made of tensorflow-serving-api's own service definitions, so that a client cannot tell the difference
in what is sent. It neither batches nor watches its folder. As a program it takes the flags that
`--mode=benchmark --what=serving` gives to a server:

    TF_MODEL_SERVER=".venv/bin/python -m tests.export.stand_in_server" \\
        .venv/bin/python -m lnmn_tf.main --mode=benchmark --what=serving
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
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

from export.saved_model import versions
from export.warm_up import MODEL_NAME

CODES = {code.value[0]: code for code in grpc.StatusCode}  # TensorFlow numbers errors alike
LARGEST_MESSAGE = 64 << 20


class StandInServer(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Serves one version on 127.0.0.1.

    Args:
        folder: of the version.
        labels: of versions.
        credentials: for TLS, or None.
        port: 0 = any free one.
    """

    def __init__(
        self,
        folder: Path,
        labels: Mapping[str, int] | None = None,
        credentials: grpc.ServerCredentials | None = None,
        port: int = 0,
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
            self.port = self._server.add_secure_port(f"127.0.0.1:{port}", credentials)
        else:
            self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")

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


def main(arguments: Sequence[str]) -> None:
    """Serves the newest version of a folder until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model_base_path", type=Path, required=True)
    parser.add_argument("--model_name", choices=[MODEL_NAME])
    for name in ("--enable_batching", "--batching_parameters_file"):
        parser.add_argument(name, help="taken, and of no effect: it does not batch")
    options = parser.parse_args(arguments)
    folder = options.model_base_path / str(max(versions(options.model_base_path)))
    with StandInServer(folder, port=options.port):
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
