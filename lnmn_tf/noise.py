"""Standard error without the lines that TensorFlow's C++ writes whatever its log level.

They come before its logging is set up, or from where no Python setting reaches. A child process reads
what is written to file descriptor 2 and passes on all but these lines: it outlives a crash of this
process, whose last words it still prints. Python's own messages do not go through it.
"""

from __future__ import annotations

import os
import subprocess
import sys

NOISE = (
    rb"All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|device_compiler\.(h|cc):\d+\] Compiled cluster using XLA!"
    rb"|^[IW]\d{4} .*PredictCost\(\)"
)
_FILTER = f"""
import os, re, sys
noise, left = re.compile({NOISE!r}), b""
while True:
    block = os.read(0, 65536)
    lines = (left + block).splitlines(keepends=True)
    whole = not block or not lines or lines[-1].endswith((b"\\n", b"\\r"))
    left = b"" if whole else lines.pop()
    for line in lines:
        if not noise.search(line):
            os.write(2, line)
    if not block:
        break
"""


def filter_standard_error() -> None:
    """Puts the filter between file descriptor 2 and where it leads. Once in a process, at its start."""
    try:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _FILTER],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends this process, and the filter when all is read
        )
    except OSError:
        return  # no processes to be had: then with noise
    own = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    os.set_inheritable(own.fileno(), False)
    sys.stderr.flush()
    sys.stderr = sys.__stderr__ = own  # type: ignore[misc]
    os.dup2(child.stdin.fileno(), 2)
    child.stdin.close()
    child.returncode = 0  # it ends by itself, after this process: nobody waits for it
