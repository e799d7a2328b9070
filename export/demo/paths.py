"""What is where: TF Serving's REST interface, and the page.

GET  /v1/models/lnmn[/versions/N]             status
GET  /v1/models/lnmn[/versions/N]/metadata    signatures
POST /v1/models/lnmn[/versions/N]:predict     answers
GET  /                                        the page
GET  /examples[/I]                            pictures and questions to try
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from importlib import resources

from ..warm_up import MODEL_NAME
from .http_server import BoundedHandler
from .refusal import Refusal, invalid

# Its own files, and those of the design that it shares with the pages of an analysis.
OWN, SHARED = "export.demo", "lnmn_tf.analysis"
PAGE = {
    "/": (OWN, "index.html", "text/html; charset=utf-8"),
    "/form.css": (OWN, "form.css", "text/css; charset=utf-8"),
    "/page.js": (OWN, "page.js", "text/javascript; charset=utf-8"),
    "/style.css": (SHARED, "style.css", "text/css; charset=utf-8"),
    "/drawing.js": (SHARED, "drawing.js", "text/javascript; charset=utf-8"),
    "/icon.svg": (SHARED, "icon.svg", "image/svg+xml"),
}
PICTURE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
# The page loads nothing from elsewhere and cannot be put into another page.
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)

_MODEL_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>[0-9]{1,19}))?"
    r"(?P<metadata>/metadata)?(:(?P<method>[a-z]+))?"
)


class Handler(BoundedHandler):
    """Answers one connection; the `demonstration` of its server holds the model."""

    def do_GET(self) -> None:
        self._answer(self._get)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, method: Callable[[str], None]) -> None:
        try:
            self._check_origin()
            method(self.path.partition("?")[0])
        except Refusal as refusal:
            self.reply_json({"error": refusal.message}, refusal.status)
        except OSError:
            raise  # the connection broke
        except Exception as error:
            logging.exception("a request failed")  # and the server goes on
            message = f"unexpected {type(error).__name__}"
            self.reply_json({"error": message}, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _check_origin(self) -> None:
        """Only this page and programs of this machine may ask, not other pages in a browser."""
        hosts = [f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")]
        hosts += self.server.demonstration.allowed_hosts
        origin = self.headers.get("Origin")
        pages = [f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")]
        foreign = origin is not None and origin not in pages
        if foreign or self.headers.get("Host") not in hosts:
            self.close_connection = True
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                f"expected a request to http://{hosts[0]}/; behind a port forward, start the server with "
                f"--allowed_host={str(self.headers.get('Host'))[:100]!r}",
            )

    def _get(self, path: str) -> None:
        demonstration = self.server.demonstration
        if path in PAGE:
            package, name, content_type = PAGE[path]
            body = resources.files(package).joinpath("page", name).read_bytes()
            self.reply(body, content_type, Content_Security_Policy=POLICY)
        elif path == "/examples":
            self.reply_json(demonstration.example_list())
        elif path.startswith("/examples/"):
            picture = demonstration.example_picture(path[len("/examples/") :])
            self.reply(picture.read_bytes(), PICTURE_TYPES.get(picture.suffix, "image/png"))
        else:
            match = self._model_path(path)
            if match["method"]:
                raise invalid(f"GET is no way to ask for {match['method']}; expected POST")
            self.reply_json(
                demonstration.metadata() if match["metadata"] else demonstration.status()
            )

    def _post(self, path: str) -> None:
        body = self.read_body()
        match = self._model_path(path)
        if match["method"] != "predict" or match["metadata"]:
            raise invalid(f"POST to {path[:200]!r}; expected /v1/models/{MODEL_NAME}:predict")
        self.reply(self.server.demonstration.predict(body), "application/json")

    def _model_path(self, path: str) -> re.Match:
        match = _MODEL_PATH.fullmatch(path)
        if not match:
            raise Refusal(HTTPStatus.NOT_FOUND, f"nothing is at {path[:200]!r}")
        version = self.server.demonstration.model.version
        if match["name"] != MODEL_NAME or int(match["version"] or version) != version:
            raise Refusal(
                HTTPStatus.NOT_FOUND, f"no such model; expected {MODEL_NAME}, version {version}"
            )
        return match
