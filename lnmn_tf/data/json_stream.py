"""One array of a JSON file, element by element.

CLEVR's training questions are about 1 GB of JSON and ten times that as Python objects; read this
way, they need a few MB.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any, TextIO

from lnmn_tf.errors import InputError

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_CHUNK = 1 << 20  # characters read at a time
_LONGEST_VALUE = 1 << 24  # characters; a longer value is taken for damage
# A number is complete only if this many characters follow it: '12' may go on as '12.5' or '12e+5'.
_LOOKAHEAD = 3


def stream_array(path: str | os.PathLike, key: str) -> Iterator[Any]:
    """Yields the elements of the array `key` of the JSON object in a file.

    Memory is bounded by the longest element, not by the file.

    Raises:
        InputError: no such file, not JSON, cut short, or no array of that name at the top level.
    """
    try:
        with open(path, encoding="utf-8-sig") as stream:
            yield from _stream_array(_Reader(path, stream), key)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text: {error}") from None


def _stream_array(reader: _Reader, key: str) -> Iterator[Any]:
    keys = []
    for _ in reader.items("{", "}"):
        keys.append(reader.value())
        reader.expect(":")
        if keys[-1] != key:
            reader.value()
        elif reader.peek() not in ("[", ""):
            raise InputError(f"{reader.path}: field '{key}' is not a list")
        else:
            for _ in reader.items("[", "]"):
                yield reader.value()
    if reader.peek():
        reader.fail("more text after the end of the object")
    if key not in keys:
        raise InputError(f"{reader.path}: has the fields {keys}; expected one called '{key}'")


class _Reader:
    """A window on a JSON text that moves forward."""

    def __init__(self, path: str | os.PathLike, stream: TextIO):
        self.path = path
        self._stream = stream
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._position = 0  # in the buffer
        self._dropped = 0  # characters of the text before the buffer

    def items(self, opening: str, closing: str) -> Iterator[None]:
        """Stops before each item of an object or array; the caller reads the item."""
        self.expect(opening)
        if self.peek() == closing:
            self.expect(closing)
            return
        while True:
            yield
            if self.peek() == closing:
                self.expect(closing)
                return
            self.expect(",")

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            self._position = _WHITESPACE.match(self._buffer, self._position).end()
            if self._position < len(self._buffer):
                return self._buffer[self._position]
            if not self._grow():
                return ""

    def expect(self, character: str) -> None:
        """Passes one character that must come next."""
        found = self.peek()
        if found != character:
            self.fail(f"expected '{character}', found {repr(found) if found else 'the end'}")
        self._position += 1

    def value(self) -> Any:
        """Decodes the value that comes next."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._position)
            except (ValueError, RecursionError) as error:
                if not self._grow():
                    self.fail(getattr(error, "msg", str(error)))
            else:
                if end + _LOOKAHEAD <= len(self._buffer) or not self._grow():
                    self._position = end
                    return value

    def fail(self, reason: str) -> None:
        where = self._dropped + self._position
        raise InputError(
            f"{self.path}: is not complete JSON ({reason}, in the value that begins at character "
            f"{where}); was the file cut short?"
        )

    def _grow(self) -> bool:
        """Drops what was read and reads on; False at the end of the text."""
        pending = self._buffer[self._position :]
        if len(pending) > _LONGEST_VALUE:
            self.fail(f"a value longer than {_LONGEST_VALUE} characters")
        text = self._stream.read(max(_CHUNK, len(pending)))  # doubling keeps retries linear
        if not text:
            return False
        self._dropped += self._position
        self._buffer, self._position = pending + text, 0
        return True
