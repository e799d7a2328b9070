"""A process that is timed: it makes something ready, then repeats it whenever it is told to.

Contestants take turns in processes of their own, so that none pays for another's memory, threads or
allocator. A line on standard input is a number of calls; the answer, a line of JSON, is how long each
took. The end of the input asks for the peak of the memory.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lnmn_tf.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def serve(prepare: Callable[[dict], tuple[Callable[[], None], dict]]) -> None:
    """The main function of a worker; its argument is a task as JSON.

    Args:
        prepare: of a task, makes (a call that returns when its work is done, what to report of the
            first call beside its time).
    """
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print is not for the channel

    def reply(**content) -> None:
        print(json.dumps(content), file=channel, flush=True)

    start = time.perf_counter()
    call, report = prepare(json.loads(sys.argv[1]))
    reply(first=time.perf_counter() - start, **report)
    for line in sys.stdin:
        seconds, cpu_seconds = [], []
        for _ in range(int(line)):
            start, cpu_start = time.perf_counter(), time.process_time()
            call()
            seconds.append(time.perf_counter() - start)
            cpu_seconds.append(time.process_time() - cpu_start)
        reply(seconds=seconds, cpu_seconds=cpu_seconds)
    reply(peak_bytes=peak_memory())


def peak_memory() -> int:
    """The most memory that this process has had, in bytes.

    `ru_maxrss` would not do where /proc is: Linux hands it on from the process that started this one.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Worker:
    """The other side of `serve`: a contestant.

    Args:
        module: whose main function is `serve`.
        task: for it.
        python: the interpreter.

    Raises:
        InputError: it ended before it was ready; the message is the end of what it said.
    """

    def __init__(self, module: str, task: dict, python: str = sys.executable):
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process)
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            self._process = subprocess.Popen(
                [python, "-m", module, json.dumps(task)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
        except OSError as error:
            raise InputError(f"peer_python is {python!r}: {error.strerror}") from None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            said = self._said.read().strip().splitlines()[-3:]
            raise InputError(f"{module} with {task}: " + " / ".join(said))
        self.report = json.loads(line)

    def run(self, calls: int) -> dict[str, list[float]]:
        """`seconds` and `cpu_seconds` (of all threads together) of each of so many calls."""
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> int:
        """Ends it. Returns the most bytes of memory that it held at any time."""
        output, _ = self._process.communicate()
        return json.loads(output)["peak_bytes"]

    def kill(self) -> None:
        """Ends it without asking."""
        self._process.kill()
        self._process.wait()
