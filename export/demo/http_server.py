"""HTTP with bounds: on the size of a request, on how many run at a time, and on their time.

The standard library's server is enough for one machine and adds no dependency; what it lacks (total
deadlines, a limit on threads, errors as JSON) is here.
"""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .refusal import Refusal, invalid

LARGEST_BODY = 16 << 20  # bytes: a picture of 12 MB in base64
MOST_PASSED_OVER = 64 << 20  # bytes
MOST_CONNECTIONS = 32
SECONDS_TO_SEND = 20.0  # for a request to arrive, and for its reply to be taken


class BoundedServer(ThreadingHTTPServer):
    """A thread for each connection, up to `MOST_CONNECTIONS`; the next one is turned away."""

    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, *args, **kwargs):
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(*args, **kwargs)

    def process_request(self, request: socket.socket, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            try:
                request.settimeout(0.1)
                request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                pass  # it has gone
            self.shutdown_request(request)

    def process_request_thread(self, request: socket.socket, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is no news."""


class BoundedHandler(BaseHTTPRequestHandler):
    """Reads requests under a deadline, and answers errors in JSON."""

    protocol_version = "HTTP/1.1"
    server_version = "lnmn-demonstration"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self._reader = _DeadlineReader(self.connection)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        self._reader.deadline = time.monotonic() + SECONDS_TO_SEND
        self.connection.settimeout(SECONDS_TO_SEND)
        try:
            super().handle_one_request()
        except OSError:  # it sends no more, or takes no more
            self.close_connection = True

    def read_body(self) -> bytes:
        """The body, which must say its length.

        Raises:
            Refusal: no length, too long, or cut short.
        """
        self.close_connection = True  # unless it is read to its end, what follows is no request
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or not length.isascii() or "Transfer-Encoding" in self.headers:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "expected a body with a Content-Length")
        if len(length) > 12 or int(length) > LARGEST_BODY:
            self._pass_over(min(int(length[:12]), MOST_PASSED_OVER))
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the request is larger than {LARGEST_BODY >> 20} MB",
            )
        try:
            body = self.rfile.read(int(length))
        except OSError:
            raise Refusal(
                HTTPStatus.REQUEST_TIMEOUT, f"the body took over {SECONDS_TO_SEND:g} s"
            ) from None
        if len(body) < int(length):
            raise invalid(f"the body has {len(body)} bytes of {length}")
        self.close_connection = self.headers.get("Connection", "").lower() == "close"
        return body

    def _pass_over(self, most: int) -> None:
        """Takes some of a body that is refused: who is still sending would not see the reply."""
        with suppress(OSError):
            while most > 0 and (block := self.rfile.read1(min(most, 1 << 16))):
                most -= len(block)

    def reply(
        self, body: bytes, content_type: str, status: HTTPStatus = HTTPStatus.OK, **headers: str
    ) -> None:
        """Sends a reply whole."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_json(self, content: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Sends a reply as JSON."""
        self.reply(json.dumps(content).encode(), "application/json", status)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class calls for requests that it does not understand."""
        self.close_connection = True
        self.command = getattr(self, "command", None) or ""
        self.request_version = self.protocol_version
        status = HTTPStatus(code)
        self.reply_json({"error": (message or status.phrase)[:200]}, status)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not printed."""


class _DeadlineReader(io.RawIOBase):
    """A socket whose reads, all together, must end by a deadline."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self.deadline = time.monotonic()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)
