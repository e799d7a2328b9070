"""The data set of the package `easy-vqa` as a folder of CLEVR's form.

    python -m lnmn_tf.data.easy_vqa data/easy_vqa

5,000 pictures of one coloured shape, and 48,248 questions (Victor Zhou, 2020; MIT). Only the files of the
package are read, none of its code is run. Its `test` becomes the split `val`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from lnmn_tf.data.fields import shown
from lnmn_tf.errors import InputError
from lnmn_tf.files import read_json, write_json

PACKAGE, VERSION = "easy_vqa", "1.0"
SPLITS = {"train": "train", "test": "val"}  # of the package, and what they are called here


def find_package() -> Path | None:
    """The folder `data` of the installed package; None where it is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    places = (found and found.submodule_search_locations) or ()
    return next((Path(p) / "data" for p in places if (Path(p) / "data").is_dir()), None)


def convert(source: str | os.PathLike, data_dir: str | os.PathLike) -> dict[str, int]:
    """Writes the folder.

    Args:
        source: the package's folder of data, `{train,test}/{questions.json,images/0.png}`.
        data_dir: a folder that does not exist yet.

    Returns:
        The number of questions of each split.

    Raises:
        InputError: a file is missing or of another form; `data_dir` is there already.
    """
    source, data_dir = Path(source), Path(data_dir)
    if data_dir.exists():
        raise InputError(f"{data_dir}: is there already; expected a new folder")
    partial = data_dir.with_name(f".{data_dir.name}.{os.getpid()}.tmp")
    try:
        counts = {split: _convert(source / name, partial, split) for name, split in SPLITS.items()}
        os.replace(partial, data_dir)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return counts


def _convert(source: Path, data_dir: Path, split: str) -> int:
    """One split: copies of the pictures, and the questions."""
    path, folder = source / "questions.json", data_dir / "images" / split
    folder.mkdir(parents=True)
    entries, names = read_json(path), {}
    if not isinstance(entries, list):
        raise InputError(f"{path}: is {shown(entries)}; expected a list of questions")
    records: list[dict[str, Any]] = []
    for position, entry in enumerate(entries):
        question, answer, image = _fields(entry, f"{path}: [{position}]")
        if image not in names:
            picture = source / "images" / f"{image}.png"
            if not picture.is_file():
                raise InputError(
                    f"{picture}: is missing; question [{position}] of {path} is about it"
                )
            names[image] = f"easy_vqa_{split}_{image:06}.png"
            shutil.copyfile(picture, folder / names[image])
        records.append({"question": question, "answer": answer, "image": image})
    row_of = {image: row for row, image in enumerate(sorted(names))}
    questions = [
        {
            "question": record["question"],
            "answer": record["answer"],
            "image_filename": names[record["image"]],
            "image_index": row_of[record["image"]],
            "question_index": index,
        }
        for index, record in enumerate(records)
    ]
    write_json(
        data_dir / "questions" / f"CLEVR_{split}_questions.json",
        {
            "info": {"source": f"the package easy-vqa, its split {source.name}"},
            "questions": questions,
        },
    )
    return len(questions)


def _fields(entry: Any, where: str) -> tuple[str, str, int]:
    if not isinstance(entry, list) or [type(field) for field in entry] != [str, str, int]:
        raise InputError(
            f"{where} is {shown(entry)}; expected a question, an answer and an image's number"
        )
    return tuple(entry)


def main(arguments: list[str]) -> int:
    """The command. Returns its exit code."""
    try:
        if len(arguments) != 1:
            raise InputError(f"arguments are {arguments}; expected one, the folder to write")
        source = find_package()
        if source is None:
            raise InputError(
                f"the package easy-vqa is not installed; expected it, by pip install easy-vqa=={VERSION}"
            )
        counts = convert(source, arguments[0])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    numbers = ", ".join(f"{count:,} questions of {split}" for split, count in counts.items())
    print(f"wrote {arguments[0]}: {numbers}")
    print("next: python -m lnmn_tf.main --flagfile=configs/easy_vqa.flags")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
