"""Servers without a model, that answer as a test wants them to."""

from __future__ import annotations

import http.server
import threading
import time
from concurrent import futures
from contextlib import contextmanager

import grpc
import numpy as np
from tensorflow import make_tensor_proto
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

REPLY = (
    b'{"outputs": {"top_answers": [["yes", "no", "", "", ""]],'
    b' "top_probabilities": [[0.75, 0.25, 0, 0, 0]]}}'
)


class Moody(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers with a list of status codes, then with an answer."""

    def __init__(self, codes):
        self.codes, self.calls = list(codes), 0

    def Predict(self, request, context):
        self.calls += 1
        if self.codes:
            code = self.codes.pop(0)
            if code is None:
                time.sleep(5)
            context.abort(code or grpc.StatusCode.UNKNOWN, "a reason\n\t [[{{node Assert}}]]")
        reply = predict_pb2.PredictResponse()
        reply.outputs["top_answers"].CopyFrom(make_tensor_proto([["yes", "no", "", "", ""]]))
        probabilities = np.float32([[0.75, 0.25, 0, 0, 0]])
        reply.outputs["top_probabilities"].CopyFrom(make_tensor_proto(probabilities))
        return reply


@contextmanager
def grpc_server(*codes, credentials=None):
    """Address and service of a server; with TLS where there are credentials."""
    service = Moody(codes)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    if credentials:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", service
    server.stop(None)


@contextmanager
def rest_server(*replies):
    """Address of a server; replies are (status, body), and the last one is repeated."""
    left = list(replies)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
