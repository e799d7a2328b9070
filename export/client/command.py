"""The command line of `export.client`."""

from __future__ import annotations

import argparse
import base64
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from .client import Answer, Client
from .flags import parse
from .transports import Refused, ServingError, Target

LARGEST_PICTURE = 32 << 20  # bytes
MOST = 100  # the highest exit code that counts questions


class Item(NamedTuple):
    """One question of a file."""

    image: str  # path
    question: str


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: how many questions have no answer, 100 at most; 1 for any other error."""
    options = parse(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # where it looked for a GPU is no answer
    try:
        target = Target(
            server=options.server,
            model=options.model,
            version=options.version,
            label=options.label,
            tls=options.tls,
            certificates=options.ca_file,
            authorization=read_authorization(options.user, options.password_file),
        )
        with Client(
            target, options.rest, options.deadline, options.attempts, options.features_dtype
        ) as client:
            if options.questions:
                return answer_file(client, options)
            answer_one(client, options)
    except ServingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1
    return 0


def answer_one(client: Client, options: argparse.Namespace) -> None:
    """Prints the answers to one question by falling probability, and the steps where wanted."""
    image = read_image(options.image)
    (answer,) = client.ask([image], [options.question])
    for text, probability in answer.top:
        print(f"{100 * probability:6.2f} %  {text}")
    if options.explain:
        print_steps(client.explain(image, options.question))


def print_steps(outputs: dict[str, np.ndarray]) -> None:
    """What each step read and ran."""
    words = outputs["words"]
    for step, weights in enumerate(outputs["module_weights"]):
        module = int(np.argmax(weights))
        attention = outputs["word_attention"][step]
        read = ", ".join(f"{words[i]} {attention[i]:.2f}" for i in np.argsort(-attention)[:3])
        print(
            f"step {step + 1}: {outputs['module_names'][module]} {weights[module]:.2f}; reads {read}"
        )


def answer_file(client: Client, options: argparse.Namespace) -> int:
    """Writes `image, question, answer, probability`, a line for each line of the file, TAB between them.

    Lines are written as answers come. A question that is empty or that the server refuses gets an empty
    answer, and its reason goes to standard error. Where the server goes away, what came before is kept.

    Returns:
        The exit code: how many questions have no answer, 100 at most.
    """
    items = read_items(options.questions, options.image)
    with opened(options.output, options.resume) as stream, Progress(len(items)) as progress:
        done, failed = already(stream, items, options.output) if options.resume else (0, 0)
        progress.move(done)
        try:
            for start in range(done, len(items), options.batch_size):
                batch = items[start : start + options.batch_size]
                for item, answer in answers_of(client, batch):
                    done += 1
                    if isinstance(answer, Refused):
                        failed += 1
                        progress.say(f"question {done}: {answer}")
                        result = "\t"
                    else:
                        result = f"{answer.text}\t{answer.probability:.6f}"
                    stream.write(f"{item.image}\t{item.question}\t{result}\n")
                    stream.flush()
                progress.move(len(batch))
        except (ServingError, KeyboardInterrupt) as error:
            left = len(items) - done
            progress.say(f"error: {error or 'stopped'}")
            print(
                f"{left} of {len(items)} questions were not asked; {options.output or 'the output'} holds "
                "the answers before them"
                + ("; the same command with --resume goes on" if options.output else ""),
                file=sys.stderr,
            )
            return min(failed + left, MOST)
    if failed:
        print(f"error: {failed} of {len(items)} questions have no answer", file=sys.stderr)
    return min(failed, MOST)


def already(stream: TextIO, items: list[Item], path: str) -> tuple[int, int]:
    """Passes over the whole lines of an earlier output, and cuts off one that was not finished.

    Returns:
        (how many lines there are, how many of them have no answer).

    Raises:
        ServingError: a line is not about the question in its place.
    """
    done = failed = end = 0
    stream.seek(0)
    while (line := stream.readline()).endswith("\n"):
        image, question, answer, _ = [*line[:-1].split("\t"), "", "", "", ""][:4]
        if done >= len(items) or (image, question) != items[done]:
            raise ServingError(
                f"--resume: {path}, line {done + 1} is not about question {done + 1} of --questions; "
                "expected the output of the same questions"
            )
        done, failed, end = done + 1, failed + (not answer), stream.tell()
    stream.seek(end)
    stream.truncate()
    return done, failed


def answers_of(client: Client, batch: list[Item]) -> Iterator[tuple[Item, Answer | Refused]]:
    """Answers of a batch; one by one where the server refuses it, so that only the culprit fails."""
    if not all(item.question for item in batch):
        for item in batch:  # who asks nothing is not sent
            yield from (
                answers_of(client, [item]) if item.question else [(item, Refused("is empty"))]
            )
        return
    try:
        images = [read_image(item.image) for item in batch]
        answers: list[Any] = client.ask(images, [item.question for item in batch])
    except Refused as error:
        if len(batch) == 1:
            answers = [error]
        else:  # one at a time: what is answered is written before the next is asked
            for item in batch:
                yield from answers_of(client, [item])
            return
    yield from zip(batch, answers)  # one answer each


def read_items(path: str, image: str | None) -> list[Item]:
    """The questions of a file, one for each line; an empty line is an empty question."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"--questions: {path}: {reason(error)}") from None
    items = []
    lines = text.split("\n")
    for number, line in enumerate(lines if lines[-1] else lines[:-1], start=1):
        own_image, tab, question = line.strip("\r").rpartition("\t")
        if question.strip() and not (own_image if tab else image):
            raise ServingError(
                f"--questions: {path}, line {number}: no picture; expected FILE<TAB>question or --image"
            )
        items.append(Item(own_image if tab else image or "", question.strip()))
    if not any(item.question for item in items):
        raise ServingError(f"--questions: {path}: holds no question")
    return items


@lru_cache(maxsize=8)  # neighbouring questions are often about one picture
def read_image(path: str) -> bytes | np.ndarray:
    """The bytes of a picture file, or the features of a .npy file."""
    try:
        if path.endswith(".npy"):
            return np.load(path, allow_pickle=False).astype(np.float32)
        with open(path, "rb") as stream:
            content = stream.read(LARGEST_PICTURE + 1)
    except (OSError, ValueError, EOFError) as error:
        raise Refused(f"{path}: cannot be read: {reason(error)}") from None
    if len(content) > LARGEST_PICTURE:
        raise Refused(f"{path}: is larger than {LARGEST_PICTURE >> 20} MB")
    return content


def read_authorization(user: str | None, password_file: str | None) -> str | None:
    """The header of HTTP's basic authentication (RFC 7617)."""
    if not user:
        return None
    try:
        password = Path(password_file).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"--password_file: {password_file}: {reason(error)}") from None
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def reason(error: Exception) -> str:
    """Why a file cannot be read."""
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def opened(path: str | None, resume: bool) -> Iterator[TextIO]:
    """Standard output, or a file: a new one, or to go on with the one that is there."""
    if path is None:
        yield sys.stdout
        return
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | (0 if resume else os.O_TRUNC), 0o644)
        with open(handle, "r+", encoding="utf-8", newline="") as stream:
            yield stream
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"--output: {path}: {reason(error)}") from None


class Progress:
    """A bar on standard error, where that is a terminal."""

    def __init__(self, total: int):
        self._total, self._done, self._began = total, 0, time.monotonic()
        self._shown = sys.stderr.isatty()

    def move(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        if self._shown:
            filled = "#" * (30 * self._done // self._total)
            rate = self._done / max(time.monotonic() - self._began, 1e-9)
            text = f"[{filled:<30}] {self._done}/{self._total}, {rate:.0f} a second"
            print(f"\r{text}", end="", file=sys.stderr, flush=True)

    def say(self, message: str) -> None:
        """Prints a line without tearing the bar."""
        print(f"\r\x1b[K{message}" if self._shown else message, file=sys.stderr)

    def __enter__(self) -> Progress:
        self.move(0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print(file=sys.stderr)
