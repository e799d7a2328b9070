"""Signs of life: what a long stage does, how far it is, and how long it may take.

On a terminal a stage is a bar. In a log it is a line when it begins, a line every `LINE_EVERY` seconds and a
line when it ends. A thread writes them, so a stage that is stuck in one long call is still heard of. A stage
of less than `SHORT` seconds says nothing.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import NamedTuple

from tqdm import tqdm

LINE_EVERY = 15.0  # seconds between two lines of a log
SHORT = 1.0  # seconds
_REFRESH_EVERY = 1.0  # seconds after which a bar's clock goes on by itself
_LINE = "{desc}: {n_fmt} of {total_fmt} {unit}, {elapsed} so far, {remaining} left{postfix}"


class Finished(NamedTuple):
    """A stage that is done."""

    name: str
    seconds: float
    made: str  # the file or folder that it wrote; empty = none


_RECORD: ContextVar[list[Finished] | None] = ContextVar("stages", default=None)


@contextlib.contextmanager
def recorded() -> Iterator[list[Finished]]:
    """Within it, every stage that is finished is added to the list that it gives."""
    token = _RECORD.set([])
    try:
        yield _RECORD.get()
    finally:
        _RECORD.reset(token)


class Stage:
    """One long stage, a context manager.

    Args:
        name: what is done, a few words.
        total: how much there is to do, in `unit`; None = not known.
        unit: plural, such as "pictures".
        done: how much was done before, by an earlier start.
        made: the file or folder that it writes, for `summary`.
        shown: False for what is no stage of its own, or is another process's to report: nothing is
            written or recorded.

    A stage that an exception ends is not recorded.
    """

    def __init__(
        self,
        name: str,
        total: int | None = None,
        unit: str = "",
        done: int = 0,
        made: object = "",
        shown: bool = True,
    ):
        self.name, self.total, self.unit, self.done = name, total, unit, done
        self.made, self.shown = str(made), shown
        self._over, self._said = threading.Event(), False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Stage:
        self._began = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=self.total,
            initial=self.done,
            desc=self.name,
            unit=self.unit if not self._terminal else f" {self.unit}",
            file=sys.stderr if self._terminal else _Nowhere(),
            bar_format=None if self._terminal else _LINE,
            delay=SHORT,
            disable=not self.shown,
        )
        if self.shown:
            self._thread = threading.Thread(target=self._live, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._bar.close()
        if error is not None or not self.shown:
            return
        seconds = time.monotonic() - self._began
        if self._said:
            self._write(
                f"{self.name}: done in {span(seconds)}" + f" -> {self.made}" * bool(self.made)
            )
        record = _RECORD.get()
        if record is not None:
            record.append(Finished(self.name, seconds, self.made))

    def update(self, amount: int = 1) -> None:
        """So much more is done."""
        self._bar.update(amount)

    def note(self, text: str) -> None:
        """What stands behind the bar or the next lines, such as a loss."""
        self._bar.set_postfix_str(text, refresh=False)

    def of(self, items: Iterable) -> Iterator:
        """The items, each counted once it has been used."""
        for item in items:
            yield item
            self.update()

    def _first_line(self) -> str:
        if self.total is None:
            return f"{self.name} ..."
        before = f"{self.done:,} of " if self.done else ""
        return f"{self.name}: {before}{self.total:,} {self.unit}".rstrip()

    def _live(self) -> None:
        if self._over.wait(SHORT):
            return
        self._said = True
        self._write(self._first_line())
        while not self._over.wait(_REFRESH_EVERY if self._terminal else LINE_EVERY):
            if self._terminal:
                self._bar.refresh()
            elif self.total is None:
                self._write(f"{self.name}: {span(time.monotonic() - self._began)} so far")
            else:
                self._write(str(self._bar))

    def _write(self, line: str) -> None:
        """A line of a log; a terminal has the bar."""
        if not self._terminal:
            print(line, file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Prints a line to the standard output, above a bar that may be there."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def span(seconds: float) -> str:
    """A time in words: 8 s, 3 min 20 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def summary(stages: Iterable[Finished]) -> str:
    """A table: each stage, how long it took, what it made.

    Stages of one name are one row. What took no `SHORT` time and made nothing is left out.
    """
    rows: dict[str, list] = {}
    for stage in stages:
        row = rows.setdefault(stage.name, [0.0, stage.made])
        row[0] += stage.seconds
    rows = {name: row for name, row in rows.items() if row[0] >= SHORT or row[1]}
    total = sum(seconds for seconds, _ in rows.values())
    rows["in all"] = [total, ""]
    width = max(map(len, rows))
    return "\n".join(
        f"  {name:{width}}  {span(seconds):>12}  {made}".rstrip()
        for name, (seconds, made) in rows.items()
    )


class _Nowhere:
    """What tqdm writes to where it only counts."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass
