"""Fields of JSON records that others wrote: their value, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lnmn_tf.errors import InputError

LARGEST_INDEX = int(np.iinfo(np.int32).max)

Complaint = Callable[[InputError], None]  # what is done about a record that is wrong


def refuse(error: InputError) -> None:
    """Stops at the first wrong record, as reading does; verification takes note and goes on."""
    raise error from None


def record_of(value: Any) -> dict[str, Any]:
    """The value, which must be a JSON object."""
    if not isinstance(value, dict):
        raise InputError(f"is {shown(value)}; expected an object")
    return value


def text_of(record: dict[str, Any], field: str, *, may_be_empty: bool = False) -> str:
    """A text that is valid Unicode and, unless said otherwise, not empty."""
    value = record.get(field)
    if not isinstance(value, str) or not (may_be_empty or value.strip()):
        raise InputError(f"field '{field}' is {shown(value)}; expected a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate, which no TF string can hold
        raise InputError(f"field '{field}' is not valid Unicode: {ascii(value)}") from None
    return value


def index_of(record: dict[str, Any], field: str, default: int | None = None) -> int:
    """A whole number in [0, 2**31)."""
    value = record.get(field, default)
    if type(value) is not int or not 0 <= value <= LARGEST_INDEX:  # bool is an int, too
        raise InputError(f"field '{field}' is {shown(value)}; expected a whole number from 0")
    return value


def shown(value: Any, limit: int = 80) -> str:
    """A value as it stands in the file, cut to a readable length; 'missing' for none."""
    text = "missing" if value is None else f"{value!r} ({type(value).__name__})"
    return text if len(text) <= limit else text[:limit] + "..."
