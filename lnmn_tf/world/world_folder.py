"""A CLEVR v1.0 folder that grows shard by shard: atomic files, resumption, one writer at a time.

While the world is being made, `.parts/` holds what each finished shard has to say; its questions
and scenes come together in the end. No file ever stands half-written under its final name.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from lnmn_tf.errors import InputError

_RECORD = "world.json"
_PARTS = ".parts"
_LICENSE = "generated data; Apache-2.0, as its generator lnmn_tf"


class WorldFolder:
    """The files of one world.

    Args:
        root: the folder, which need not exist yet.
    """

    def __init__(self, root: str | os.PathLike):
        self.root = Path(root)
        self.parts = self.root / _PARTS

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Makes the folder, and holds it against other processes, for which it waits."""
        with _input_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root, os.O_RDONLY)
        try:
            with _input_errors(self.root):
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # goes with the process, however it ends
            yield
        finally:
            os.close(descriptor)

    def start(self, record: Mapping[str, Any]) -> bool:
        """Records what is to be made here; returns whether that is finished already.

        Args:
            record: what determines the world, as JSON values.

        Raises:
            InputError: the folder holds another world, or something else, or cannot be written.
        """
        path = self.root / _RECORD
        with _input_errors(path):
            existing = path.read_text() if path.exists() else None
            others = [entry.name for entry in self.root.iterdir() if entry.name != _PARTS]
        if existing is None:
            if others:
                raise InputError(
                    f"{self.root}: holds {sorted(others)[0]!r} but no {_RECORD}, so it is no world of "
                    "this generator; expected an empty or a new folder"
                )
            self._write_record(record, finished=False)
            return False
        try:
            content = json.loads(existing)
            found, finished = dict(content["world"]), bool(content["finished"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: is not what this generator writes ({error!r}); expected another folder"
            ) from None
        different = [key for key in {**found, **record} if found.get(key) != record.get(key)]
        if different:
            raise InputError(
                f"{self.root}: holds a world with {_listed(found, different)}, but asked for is "
                f"{_listed(record, different)}; give another folder, or delete this one"
            )
        return finished

    def finish(self, record: Mapping[str, Any]) -> None:
        """Records that nothing is missing, and removes what only served resumption."""
        self._write_record(record, finished=True)
        self.clean()

    def clean(self) -> None:
        """Removes the parts of a finished world."""
        shutil.rmtree(self.parts, ignore_errors=True)

    def write(self, name: str, content: bytes | Iterable[bytes]) -> None:
        """Writes a file under its final name all at once.

        Args:
            name: path relative to the root.
            content: the bytes, or pieces of them for what should not be in memory as a whole.

        Raises:
            InputError: the disk is full, or the folder cannot be written.
        """
        path = self.root / name
        temporary = self.parts / f"{path.name}.{os.getpid()}.tmp"
        with _input_errors(path):
            self.parts.mkdir(exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open(temporary, "wb") as file:
                    file.writelines([content] if isinstance(content, bytes) else content)
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)

    def has_part(self, name: str) -> bool:
        """Whether a shard is finished."""
        return (self.parts / f"{name}.jsonl").exists()

    def has_texts(self, split: str) -> bool:
        """Whether the questions and scenes of a split are there."""
        return all(
            (self.root / field / f"CLEVR_{split}_{field}.json").is_file()
            for field in ("questions", "scenes")
        )

    def has_pictures(self, split: str, indices: Iterable[int]) -> bool:
        """Whether these pictures of a split are there."""
        folder = self.root / "images" / split
        return all((folder / f"CLEVR_{split}_{index:06d}.png").is_file() for index in indices)

    def write_part(self, name: str, scenes: list[dict], questions: list[dict]) -> None:
        """Keeps a finished shard's scenes and questions until `merge`."""
        entries = [{"scenes": len(scenes)}, *scenes, *questions]
        content = "".join(f"{json.dumps(entry)}\n" for entry in entries)
        self.write(f"{_PARTS}/{name}.jsonl", content.encode("ascii"))

    def merge(self, split: str, names: Iterable[str]) -> None:
        """Writes the split's questions and scenes from its parts, one part in memory at a time."""
        for field in ("questions", "scenes"):
            pieces = self._merged(split, list(names), field)
            self.write(f"{field}/CLEVR_{split}_{field}.json", pieces)

    def _merged(self, split: str, names: list[str], field: str) -> Iterator[bytes]:
        info = {"split": split, "version": "1.0", "date": "", "license": _LICENSE}
        yield f'{{"info": {json.dumps(info)}, "{field}": ['.encode("ascii")
        index = 0
        for name in names:
            with open(self.parts / f"{name}.jsonl", "rb") as file:
                scenes = json.loads(next(file))["scenes"]
                wanted = islice(file, scenes) if field == "scenes" else islice(file, scenes, None)
                for line in wanted:  # goes as it is: to read and write it anew takes long
                    entry = line.rstrip()
                    if field == "questions":
                        entry = entry[:-1] + f', "question_index": {index}}}'.encode("ascii")
                    yield (b",\n" if index else b"\n") + entry
                    index += 1
        yield b"\n]}\n"

    def _write_record(self, record: Mapping[str, Any], finished: bool) -> None:
        content = json.dumps({"world": record, "finished": finished}, indent=1) + "\n"
        self.write(_RECORD, content.encode("ascii"))


@contextmanager
def _input_errors(path: Path) -> Iterator[None]:
    """Turns what the file system refuses into a message for the person at the keyboard."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written or read: {error.strerror or error}; "
            "expected a folder with write permission and enough free space"
        ) from error


def _listed(record: Mapping[str, Any], keys: Iterable[str]) -> str:
    return ", ".join(f"{key}={record.get(key)!r}" for key in keys)
