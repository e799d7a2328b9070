"""Pictures and questions to try: a few of the data that a run was measured on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import NamedTuple

from lnmn_tf.config import RunConfig
from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.errors import InputError

MOST_PICTURES = 8
QUESTIONS_EACH = 6
QUESTIONS_READ = 2000  # more are not looked through: the file of a large data set is a gigabyte


class Example(NamedTuple):
    """A picture, and questions about it with their true answers."""

    picture: Path
    questions: list[tuple[str, str]]  # an answer is empty where the split has none


def find_examples(run_dir: Path) -> list[Example]:
    """Examples of a run's validation split; none where the run or its data are not here."""
    try:
        data = RunConfig.load(run_dir).data
        path = Path(data.data_dir) / "questions" / f"CLEVR_{data.val_split}_questions.json"
        records = list(islice(stream_array(path, "questions"), QUESTIONS_READ))
    except (InputError, OSError):
        return []
    folder = Path(data.data_dir) / "images" / data.val_split
    examples: dict[str, Example] = {}
    for record in records:
        if not isinstance(record, dict) or not {"image_filename", "question"} <= set(record):
            return []
        name, question = str(record["image_filename"]), str(record["question"])
        if name not in examples:
            if len(examples) == MOST_PICTURES:
                continue
            if Path(name).name != name or not (folder / name).is_file():
                return []
            examples[name] = Example(folder / name, [])
        questions = examples[name].questions
        if len(questions) < QUESTIONS_EACH:
            questions.append((question, str(record.get("answer", ""))))
    return list(examples.values())
