"""The answer to a request that cannot be served."""

from __future__ import annotations

from http import HTTPStatus


class Refusal(Exception):
    """Says no, as TF Serving does: an HTTP status and one sentence.

    Args:
        status: of the reply.
        message: what was found and what would be right.
    """

    def __init__(self, status: HTTPStatus, message: str):
        super().__init__(message)
        self.status, self.message = status, message


def invalid(message: str) -> Refusal:
    """INVALID_ARGUMENT, which TF Serving's REST interface answers with status 400."""
    return Refusal(HTTPStatus.BAD_REQUEST, message)
