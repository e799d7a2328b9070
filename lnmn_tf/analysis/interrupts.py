"""Ctrl-C, heard wherever it comes.

Python drops a KeyboardInterrupt that is raised while it calls back from a garbage collection, and
TensorFlow's handles make many such calls: one Ctrl-C in some is lost. Here it is remembered.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

_came = threading.Event()


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """Inside, `check` raises what Ctrl-C has raised and nobody has seen. Of the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number, frame):
        _came.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    _came.clear()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _came.clear()


def check() -> None:
    """Raises KeyboardInterrupt where there was a Ctrl-C inside of `remembered`."""
    if _came.is_set():
        raise KeyboardInterrupt
