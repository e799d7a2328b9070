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

from export.client.client import Answer, Client
from export.client.flags import parse
from export.client.transports import Refused, ServingError, Target

LARGEST_PICTURE = 32 << 20  # bytes


class Item(NamedTuple):
    """One question of a file."""

    image: str  # path
    question: str


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0, or 1 where something could not be answered."""
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
    """Writes `image, question, answer, probability`, a line for each question, TAB between them.

    A question that the server refuses gets an empty answer, and its reason goes to standard error.

    Returns:
        The exit code: 1 where there is such a question.
    """
    items = read_items(options.questions, options.image)
    failed = 0
    with opened(options.output) as stream, Progress(len(items)) as progress:
        for start in range(0, len(items), options.batch_size):
            batch = items[start : start + options.batch_size]
            for number, (item, answer) in enumerate(answers_of(client, batch), start=start + 1):
                if isinstance(answer, Refused):
                    failed += 1
                    progress.say(f"question {number}: {answer}")
                    result = "\t"
                else:
                    result = f"{answer.text}\t{answer.probability:.6f}"
                stream.write(f"{item.image}\t{item.question}\t{result}\n")
            progress.move(len(batch))
    if failed:
        print(f"error: {failed} of {len(items)} questions have no answer", file=sys.stderr)
    return 1 if failed else 0


def answers_of(client: Client, batch: list[Item]) -> Iterator[tuple[Item, Answer | Refused]]:
    """Answers of a batch; one by one where the server refuses it, so that only the culprit fails."""
    try:
        images = [read_image(item.image) for item in batch]
        answers: list[Any] = client.ask(images, [item.question for item in batch])
    except Refused as error:
        if len(batch) == 1:
            answers = [error]
        else:
            answers = [answer for item in batch for _, answer in answers_of(client, [item])]
    yield from zip(batch, answers)  # noqa: B905 - one answer each


def read_items(path: str, image: str | None) -> list[Item]:
    """The questions of a file; empty lines are passed over."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"--questions: {path}: {reason(error)}") from None
    items = []
    for number, line in enumerate(text.split("\n"), start=1):
        own_image, tab, question = line.strip("\r").rpartition("\t")
        if not question.strip():
            continue
        if not (own_image if tab else image):
            raise ServingError(
                f"--questions: {path}, line {number}: no picture; expected FILE<TAB>question or --image"
            )
        items.append(Item(own_image if tab else str(image), question.strip()))
    if not items:
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
def opened(path: str | None) -> Iterator[TextIO]:
    """Standard output, or a file that is there only when it is whole."""
    if path is None:
        yield sys.stdout
        return
    temporary = Path(f"{path}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as stream:
            yield stream
        os.replace(temporary, path)
    except OSError as error:
        raise ServingError(f"--output: {path}: {reason(error)}") from None
    finally:
        temporary.unlink(missing_ok=True)


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
