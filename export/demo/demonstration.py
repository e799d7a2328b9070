"""`--mode=serve`: an exported model behind TF Serving's REST interface, and a page at `/`.

A demonstration for one person at one machine: it listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path

from werkzeug.exceptions import GatewayTimeout, NotFound, ServiceUnavailable

from lnmn_tf.config import ExportConfig
from lnmn_tf.errors import InputError

from ..warm_up import MODEL_NAME
from .examples import Example, find_examples
from .http_server import MOST_CONNECTIONS, BoundedServer
from .paths import Application
from .rest import parse_request, render_reply
from .served_model import ServedModel

HOST = "127.0.0.1"
MOST_EXAMPLES = 64  # in one request
AT_A_TIME = 2  # predictions that run
MOST_WAITING = 16  # predictions that run or wait; what comes beyond is refused at once
SECONDS_TO_ANSWER = 30.0


def serve_run(run_dir: str | os.PathLike, options: ExportConfig) -> None:
    """Serves the newest exported version of a run until it is interrupted.

    Raises:
        InputError: nothing was exported, or the port is taken.
    """
    folder = Path(options.export_dir or Path(run_dir) / "export")
    model = ServedModel(folder)
    demonstration = Demonstration(
        model, find_examples(Path(run_dir)), options.port, options.allowed_host
    )
    print(
        f"version {model.version} of {folder}, on this machine only:\n"
        f"  page  {demonstration.url}\n"
        f"  REST  {demonstration.url}v1/models/{MODEL_NAME}:predict\n"
        "a demonstration: to serve others, take TensorFlow Serving (export/serving); Ctrl-C ends it",
        flush=True,
    )
    demonstration.run()
    print("ended")


class Demonstration:
    """One model, its page and its examples, behind a server.

    Args:
        model: what answers.
        examples: to try.
        port: on 127.0.0.1; 0 = any free one.
        allowed_hosts: other names, "host:port", that a port forward gives it.

    Raises:
        InputError: the port cannot be had.
    """

    def __init__(
        self,
        model: ServedModel,
        examples: list[Example],
        port: int,
        allowed_hosts: Sequence[str] = (),
    ):
        self.model, self.examples = model, examples
        self.allowed_hosts = tuple(allowed_hosts)
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="predict")
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        try:
            with socket.create_server((HOST, port), backlog=MOST_CONNECTIONS) as listening:
                self.server = BoundedServer(listening, Application(self))
        except OSError as error:
            raise InputError(
                f"--port is {port}: {os.strerror(error.errno)}; expected a free one, or 0 for any"
            ) from None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server.port}/"

    def predict(self, body: bytes) -> bytes:
        """Answers the body of a `:predict` request.

        Raises:
            HTTPException: it is wrong, there are too many others, or it takes too long.
        """
        if not self._places.acquire(blocking=False):
            raise ServiceUnavailable("too many requests; ask again later")
        # A prediction cannot be stopped: one that is late keeps its place until it ends.
        future = self._pool.submit(self._predict, body)
        future.add_done_callback(lambda _: self._places.release())
        try:
            return future.result(SECONDS_TO_ANSWER)
        except FutureTimeoutError:
            future.cancel()
            raise GatewayTimeout(f"no answer within {SECONDS_TO_ANSWER:g} s") from None

    def _predict(self, body: bytes) -> bytes:
        request = parse_request(body, self.model.input_specs, MOST_EXAMPLES)
        outputs = self.model.predict(request.signature_name, request.inputs)
        return render_reply(outputs, request.by_row)

    def status(self) -> dict:
        """What TF Serving says of a version that is loaded."""
        status = {"error_code": "OK", "error_message": ""}
        version = {"version": str(self.model.version), "state": "AVAILABLE", "status": status}
        return {"model_version_status": [version]}

    def metadata(self) -> dict:
        """What TF Serving says of the signatures."""
        spec = {"name": MODEL_NAME, "signature_name": "", "version": str(self.model.version)}
        return {"model_spec": spec, "metadata": self.model.metadata()}

    def example_list(self) -> list[dict]:
        """The examples, as the page reads them."""
        return [
            {
                "picture": f"/examples/{number}",
                "questions": [{"question": q, "answer": a} for q, a in example.questions],
            }
            for number, example in enumerate(self.examples)
        ]

    def example_picture(self, number: str) -> Path:
        """The file of an example; NotFound where there is no such example."""
        files = {str(i): example.picture for i, example in enumerate(self.examples)}
        if number not in files:
            raise NotFound(f"no example {number[:20]!r}")
        return files[number]

    def run(self) -> None:
        """Serves until it is interrupted (Ctrl-C)."""
        try:
            self.server.serve_forever()
        finally:
            self.close()

    def close(self) -> None:
        """Frees the port."""
        self.server.server_close()
        self._pool.shutdown(wait=False, cancel_futures=True)
