"""A tiny folder of CLEVR's form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _question(index: int, image: int, split: str = "train", **fields) -> dict:
    """One entry of a questions file; `fields` replace or, when None, remove what it has."""
    entry = {
        "question": "How many cubes are there?",
        "answer": "2",
        "image_index": image,
        "image_filename": f"CLEVR_{split}_{image:06d}.png",
        "question_index": index,
        "program": [{"function": "scene"}, {"function": "filter_shape"}, {"function": "count"}],
        **fields,
    }
    return {name: value for name, value in entry.items() if value is not None}


@pytest.fixture
def question():
    """`question(index, image, split="train", **fields) -> dict`: see `_question`."""
    return _question


@pytest.fixture
def clevr_folder(tmp_path):
    """Writes a split: `clevr_folder(entries, split="train", pictures=None) -> Path`.

    Pictures are 11 pixels high and 13 wide, of one colour each: red is 10 times the image's number.
    """

    def write(entries: list, split: str = "train", pictures: int | None = None) -> Path:
        (tmp_path / "questions").mkdir(exist_ok=True)
        folder = tmp_path / "images" / split
        folder.mkdir(parents=True, exist_ok=True)
        if pictures is None:
            pictures = 1 + max(entry["image_index"] for entry in entries)
        for image in range(pictures):
            pixels = np.full([11, 13, 3], [10 * image, 100, 200], np.uint8)
            Image.fromarray(pixels).save(folder / f"CLEVR_{split}_{image:06d}.png")
        path = tmp_path / "questions" / f"CLEVR_{split}_questions.json"
        path.write_text(json.dumps({"info": {"split": split}, "questions": entries}))
        return tmp_path

    return write
