"""Werkzeug's server with bounds: on connections at a time, and on the time that each may take.

One reply ends a connection. A server for one person at one machine, not for the open net.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

MOST_CONNECTIONS = 32
SECONDS_TO_SEND = 20.0  # for a request to arrive, and for its reply to be taken


class BoundedServer(ThreadedWSGIServer):
    """A thread for each connection, up to `MOST_CONNECTIONS`; the next one is turned away.

    Args:
        listening: the socket, on which it already listens.
        application: a WSGI application.
    """

    def __init__(self, listening: socket.socket, application: Any):
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        host, port = listening.getsockname()
        super().__init__(host, port, application, BoundedHandler, fd=listening.fileno())

    def process_request(self, request: socket.socket, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        with suppress(OSError):  # it may have gone
            request.settimeout(0.1)
            request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: socket.socket, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is no news."""


class BoundedHandler(WSGIRequestHandler):
    """Reads a request under a deadline; what is no HTTP is refused in JSON."""

    protocol_version = "HTTP/1.1"
    server_version = "lnmn-demonstration"
    sys_version = ""
    error_content_type = "application/json"
    error_message_format = '{"error": "%(explain)s"}'  # a fixed text for each status

    def setup(self) -> None:
        self.timeout = SECONDS_TO_SEND
        super().setup()
        self.rfile = io.BufferedReader(_DeadlineReader(self.connection))

    def run_wsgi(self) -> None:
        try:
            super().run_wsgi()
        except ValueError:  # of the address
            self.send_error(HTTPStatus.BAD_REQUEST)

    def log(self, type: str, message: str, *args: Any) -> None:
        """Requests are not printed."""


class _DeadlineReader(io.RawIOBase):
    """A socket whose reads, all together, must end in `SECONDS_TO_SEND`."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._deadline = time.monotonic() + SECONDS_TO_SEND

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(SECONDS_TO_SEND)  # for the reply
