"""A tiny folder of VQA's form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from lnmn_tf.data.vqa_files import picture_name

# image id, question, question type, answer type, ten answers
QUESTIONS = [
    (9, "Is this a dog?", "is this a", "yes/no", ["yes"] * 8 + ["no", "maybe"]),
    (9, "How many dogs are there?", "how many", "number", ["2"] * 6 + ["two"] * 2 + ["3"] * 2),
    (42, "What color is the sky?", "what color is the", "other", ["blue"] * 9 + ["Blue"]),
    (25, "Is it?", "is it", "yes/no", ["no"] * 4 + ["yes"] * 4 + ["  ", "yes "]),
    (42, "Why?", "why", "other", [f"because {i}" for i in range(10)]),
]


def question_id(position: int, entries=QUESTIONS) -> int:
    """Ids that are neither positions nor in order."""
    return 1000 * entries[position][0] + 500 - position


def questions(entries=QUESTIONS) -> list[dict]:
    """The array of a questions file."""
    return [
        {"image_id": image, "question": text, "question_id": question_id(position, entries)}
        for position, (image, text, *_) in enumerate(entries)
    ]


def annotations(entries=QUESTIONS) -> list[dict]:
    """The array of an annotations file."""
    return [
        {
            "question_id": question_id(position, entries),
            "image_id": image,
            "question_type": question_type,
            "answer_type": answer_type,
            "multiple_choice_answer": answers[0],
            "answers": [
                {"answer": answer, "answer_confidence": "yes", "answer_id": 1 + i}
                for i, answer in enumerate(answers)
            ],
        }
        for position, (image, _, question_type, answer_type, answers) in enumerate(entries)
    ]


def write(
    folder: Path,
    split: str = "train2014",
    prefix: str = "v2_",
    pictures=(9, 25, 42, 77),
    entries=QUESTIONS,
) -> tuple[Path, Path]:
    """Writes a split with pictures of 5 x 7 pixels; returns the files of questions and annotations."""
    pictures_folder = folder / "images" / split.replace("-dev", "")
    for name in ("Questions", "Annotations", pictures_folder):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for image in pictures:
        pixels = np.full([5, 7, 3], image, np.uint8)
        Image.fromarray(pixels).save(pictures_folder / picture_name(split, image))
    about = {"data_type": "mscoco", "data_subtype": split, "license": {}, "info": {}}
    asked = folder / "Questions" / f"{prefix}OpenEnded_mscoco_{split}_questions.json"
    asked.write_text(
        json.dumps({**about, "task_type": "Open-Ended", "questions": questions(entries)})
    )
    said = folder / "Annotations" / f"{prefix}mscoco_{split}_annotations.json"
    said.write_text(json.dumps({**about, "annotations": annotations(entries)[::-1]}))
    return asked, said
