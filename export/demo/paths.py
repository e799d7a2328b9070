"""What is where: TF Serving's REST interface, and the page.

GET  /v1/models/lnmn[/versions/N]             status
GET  /v1/models/lnmn[/versions/N]/metadata    signatures
POST /v1/models/lnmn[/versions/N]:predict     answers
GET  /                                        the page
GET  /examples[/I]                            pictures and questions to try
"""

from __future__ import annotations

import json
import logging
import re
from importlib import resources
from typing import Any

from werkzeug import Request, Response, exceptions
from werkzeug.routing import Map, Rule
from werkzeug.utils import send_file

from ..warm_up import MODEL_NAME

LARGEST_BODY = 16 << 20  # bytes: a picture of 12 MB in base64
# Its own files, and those of the design that it shares with the pages of an analysis.
OWN, SHARED = "export.demo", "lnmn_tf.analysis"
PAGE = {
    "/": (OWN, "index.html"),
    "/form.css": (OWN, "form.css"),
    "/page.js": (OWN, "page.js"),
    "/style.css": (SHARED, "style.css"),
    "/drawing.js": (SHARED, "drawing.js"),
    "/icon.svg": (SHARED, "icon.svg"),
}
# The page loads nothing from elsewhere and cannot be put into another page.
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)


class Application:
    """The WSGI application of a `Demonstration`, which holds the model."""

    def __init__(self, demonstration: Any):
        self._demonstration = demonstration
        endpoints = {
            ("GET", "/examples"): lambda request: _as_json(demonstration.example_list()),
            ("GET", "/examples/<number>"): self._example,
            **{("GET", path): _page for path in PAGE},
        }
        model = f"/v1/models/{MODEL_NAME}"
        for base in (model, f"{model}/versions/{demonstration.model.version}"):
            endpoints |= {
                ("GET", base): lambda request: _as_json(demonstration.status()),
                ("GET", f"{base}/metadata"): lambda request: _as_json(demonstration.metadata()),
                ("POST", f"{base}:predict"): self._predict,
            }
        rules = [Rule(path, methods=[m], endpoint=call) for (m, path), call in endpoints.items()]
        self._paths = Map(rules, merge_slashes=False).bind("")

    @Request.application
    def __call__(self, request: Request) -> Response:
        try:
            self._check_origin(request)
            response = self._answer(request)
        except exceptions.HTTPException as refusal:
            response = _as_json({"error": refusal.description}, refusal.code)
        except Exception as error:
            logging.exception("a request failed")  # and the server goes on
            response = _as_json({"error": f"unexpected {type(error).__name__}"}, 500)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _check_origin(self, request: Request) -> None:
        """Only this page and programs of this machine may ask, not other pages in a browser."""
        port = self._demonstration.server.port
        hosts = [f"127.0.0.1:{port}", f"localhost:{port}", *self._demonstration.allowed_hosts]
        pages = [f"{scheme}://{name}" for name in hosts for scheme in ("http", "https")]
        host = request.headers.get("Host")
        if host not in hosts or request.headers.get("Origin", pages[0]) not in pages:
            raise exceptions.Forbidden(
                f"expected a request to http://{hosts[0]}/; behind a port forward, start the server with "
                f"--allowed_host={str(host)[:100]!r}"
            )

    def _answer(self, request: Request) -> Response:
        asked, known = f"{request.method} {request.path}"[:200], f"/v1/models/{MODEL_NAME}"
        if request.method not in ("GET", "HEAD", "POST"):
            raise exceptions.NotImplemented(f"{asked!r}; expected GET or POST")
        try:
            endpoint, values = self._paths.match(request.path, request.method)
        except exceptions.HTTPException as error:
            wrong_method = request.path.startswith((f"{known}:", f"{known}/metadata"))
            if wrong_method or not isinstance(error, exceptions.NotFound):
                raise exceptions.BadRequest(f"{asked!r}; expected POST {known}:predict") from None
            version = self._demonstration.model.version
            raise exceptions.NotFound(
                f"{asked!r}: nothing is there; expected {known}, version {version}"
            ) from None
        return endpoint(request, **values)

    def _example(self, request: Request, number: str) -> Response:
        return send_file(self._demonstration.example_picture(number), request.environ)

    def _predict(self, request: Request) -> Response:
        length = request.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]+", length) or "Transfer-Encoding" in request.headers:
            raise exceptions.LengthRequired("expected a body with a Content-Length")
        if len(length) > 12 or int(length) > LARGEST_BODY:
            raise exceptions.RequestEntityTooLarge(
                f"the request is larger than {LARGEST_BODY >> 20} MB"
            )
        try:
            body = request.get_data(cache=False)
        except exceptions.ClientDisconnected:
            raise exceptions.BadRequest("the body is cut short, or takes too long") from None
        return Response(self._demonstration.predict(body), content_type="application/json")


def _page(request: Request) -> Response:
    package, name = PAGE[request.path]
    with resources.as_file(resources.files(package).joinpath("page", name)) as path:
        response = send_file(path, request.environ)
    response.headers["Content-Security-Policy"] = POLICY
    return response


def _as_json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content), status, content_type="application/json")
