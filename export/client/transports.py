"""Two ways to a TF Serving server: gRPC, and REST.

Each sends one request and returns its reply as arrays, strings as arrays of `str`. What goes wrong is
told apart by whether asking again may help.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
LARGEST_MESSAGE = 64 << 20  # bytes, sent or received


class ServingError(Exception):
    """The server refuses, or cannot be understood; the message says what to do."""


class Refused(ServingError):
    """The server cannot answer this request, and would answer a better one."""


class Unavailable(ServingError):
    """The server is not there, or has too much to do: asking again may help."""


class Late(ServingError):
    """No answer within the deadline."""


@dataclass(frozen=True)
class Target:
    """What is asked, and how.

    Args:
        server: host:port.
        model: its name there.
        version: of the model; None = the newest that is loaded.
        label: of a version, in place of a number.
        tls: encrypt.
        certificates: PEM file of the authority that signed the server's certificate; None = those that
            this machine trusts.
        authorization: the `Authorization` header that a proxy wants, or None.
    """

    server: str
    model: str = "lnmn"
    version: int | None = None
    label: str | None = None
    tls: bool = False
    certificates: str | None = None
    authorization: str | None = None

    def __post_init__(self):
        if self.version is not None and self.label:
            raise ServingError(
                f"version {self.version} and label {self.label!r}: expected one of them"
            )


class GrpcTransport:
    """PredictionService over gRPC; needs tensorflow-serving-api."""

    def __init__(self, target: Target):
        import grpc  # TensorFlow takes seconds to load, and REST does without
        from tensorflow import make_ndarray, make_tensor_proto
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

        self._grpc, self._messages = grpc, predict_pb2
        self._to_array, self._to_proto = make_ndarray, make_tensor_proto
        self._target = target
        options = [
            ("grpc.max_send_message_length", LARGEST_MESSAGE),
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]
        if target.tls:
            credentials = grpc.ssl_channel_credentials(_bytes_of(target.certificates))
            self._channel = grpc.secure_channel(target.server, credentials, options)
        else:
            self._channel = grpc.insecure_channel(target.server, options)
        self._service = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def predict(self, inputs: Mapping[str, Any], signature: str, timeout: float) -> Arrays:
        """Sends one request; see `Client.predict`."""
        request = self._messages.PredictRequest()
        request.model_spec.name = self._target.model
        request.model_spec.signature_name = signature
        if self._target.version is not None:
            request.model_spec.version.value = self._target.version
        elif self._target.label:
            request.model_spec.version_label = self._target.label
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(self._to_proto(value))
        authorization = self._target.authorization
        metadata = [("authorization", authorization)] if authorization else None
        try:
            reply = self._service.Predict(request, timeout=timeout, metadata=metadata)
        except self._grpc.RpcError as error:
            raise self._translated(error) from None
        return {name: _texts(self._to_array(proto)) for name, proto in reply.outputs.items()}

    def _translated(self, error: Any) -> ServingError:
        codes, code = self._grpc.StatusCode, error.code()
        if code == codes.UNAVAILABLE:
            return Unavailable(_sentence(error.details()))
        if code == codes.DEADLINE_EXCEEDED:
            return Late(error.details())
        if code == codes.UNAUTHENTICATED:
            return ServingError("a user and a password are expected (--user, --password_file)")
        kind = Refused if code == codes.INVALID_ARGUMENT else ServingError
        return kind(f"{code.name}: {_sentence(error.details())}")

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()


class RestTransport:
    """The same in JSON over HTTP; needs Python and numpy."""

    def __init__(self, target: Target):
        path = f"/v1/models/{target.model}"
        if target.version is not None:
            path += f"/versions/{target.version}"
        elif target.label:
            path += f"/labels/{target.label}"
        scheme = "https" if target.tls else "http"
        self._url = f"{scheme}://{target.server}{path}:predict"
        self._context = (
            ssl.create_default_context(cafile=target.certificates) if target.tls else None
        )
        self._headers = {"Content-Type": "application/json"}
        if target.authorization:
            self._headers["Authorization"] = target.authorization

    def predict(self, inputs: Mapping[str, Any], signature: str, timeout: float) -> Arrays:
        """Sends one request; see `Client.predict`."""
        columns = {name: _to_json(value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns}).encode()
        try:
            request = urllib.request.Request(self._url, body, self._headers)
            with urllib.request.urlopen(request, timeout=timeout, context=self._context) as reply:
                outputs = json.loads(reply.read())["outputs"]
            return {name: _of_json(value) for name, value in outputs.items()}
        except urllib.error.HTTPError as error:
            raise _from_status(error) from None
        except urllib.error.URLError as error:
            raise _from_reason(error.reason) from None
        except OSError as error:
            raise _from_reason(error) from None
        except (HTTPException, ValueError, LookupError, TypeError, AttributeError):
            raise ServingError(
                "the reply is not one of TF Serving: is this its REST port?"
            ) from None

    def close(self) -> None:
        """Nothing is kept open."""


def _from_status(error: urllib.error.HTTPError) -> ServingError:
    with error:
        text = error.read(1 << 16)
    try:
        message = str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        message = error.reason
    if error.code in (429, 502, 503):
        return Unavailable(message)
    if error.code == 504:
        return Late(message)
    if error.code == 401:
        return ServingError("a user and a password are expected (--user, --password_file)")
    kind = Refused if error.code in (400, 413) else ServingError
    return kind(f"{error.code} {error.reason}: {_sentence(message)}")


def _from_reason(reason: Any) -> ServingError:
    if isinstance(reason, ssl.SSLError):
        return ServingError(f"no TLS connection (--tls, --ca_file): {reason}")
    if isinstance(reason, TimeoutError) or "timed out" in str(reason):
        return Late(str(reason))
    return Unavailable(getattr(reason, "strerror", None) or str(reason))


def _bytes_of(path: str | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as stream:
        return stream.read()


def _texts(array: np.ndarray) -> np.ndarray:
    """Strings as `str`; numbers as they are."""
    if array.dtype.kind not in "OS":
        return array
    texts = [text.decode("utf-8", "replace") for text in array.ravel().tolist()]
    return np.array(texts, object).reshape(array.shape)


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_to_json(item) for item in value] if isinstance(value, list) else value


def _of_json(value: Any) -> np.ndarray:
    array = np.array(value)
    return array.astype(object) if array.dtype.kind == "U" else array.astype(np.float32)


def _sentence(message: str) -> str:
    """The reason in a message of TensorFlow, without where in the graph it arose."""
    lines = [line for line in map(str.strip, message.splitlines()) if line and line[:2] != "[["]
    return re.sub(r"^assertion failed: \[(.*)\]$", r"\1", lines[-1]) if lines else message
