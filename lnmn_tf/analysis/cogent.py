"""Colours that change places between shapes: CLEVR's Compositional Generalization Test.

    condition   cubes                      cylinders                  spheres
    A           gray, blue, brown, yellow  red, green, purple, cyan   any colour
    B           red, green, purple, cyan   gray, blue, brown, yellow  any colour

The same scenes are drawn twice, with the colours of A and of B, and each is asked about. A network that was
trained on A alone, and that tells shape and colour apart, loses nothing on B; one that was trained on all
pairs is the control.

Reference: Johnson, Hariharan, van der Maaten, Fei-Fei, Zitnick, Girshick, "CLEVR: A Diagnostic Dataset for
    Compositional Language and Elementary Visual Reasoning", 2017, section 4.7.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from lnmn_tf.data.clevr import scenes_path
from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_json
from lnmn_tf.world.questions import AnswerBalance, generate_questions
from lnmn_tf.world.renderer import render
from lnmn_tf.world.scenes import Scene, sample_scene
from lnmn_tf.world.templates import QUESTION_TYPES

_ONE = ("gray", "blue", "brown", "yellow")
_OTHER = ("red", "green", "purple", "cyan")
CONDITIONS = {
    "A": {"cube": _ONE, "cylinder": _OTHER},
    "B": {"cube": _OTHER, "cylinder": _ONE},
}
IMAGES = 100  # of each condition
QUESTIONS_PER_IMAGE = 12
_SEED = 4170  # no world's: none of these scenes was trained on
_READ = 300  # scenes of the training split, whose pairs are counted


class WorldLike(NamedTuple):
    """What a world's pictures and questions are like; defaults are those of a world without a record."""

    width: int = 480  # pixels
    height: int = 320
    min_objects: int = 3
    max_objects: int = 10
    question_types: tuple[str, ...] = QUESTION_TYPES

    @classmethod
    def of(cls, data_dir: str | Path) -> WorldLike:
        """That of an embedded world; the defaults for other data."""
        try:
            record = json.loads((Path(data_dir) / "world.json").read_text(encoding="utf-8"))
            chosen = {name: record["world"][name] for name in cls._fields}
        except (OSError, ValueError, KeyError, TypeError):
            return cls()
        return cls(**{**chosen, "question_types": tuple(chosen["question_types"])})


def recoloured(scene: Scene, condition: str) -> Scene:
    """The same scene in the colours of a condition.

    A colour that the shape may not have gives way to the one at its place among those that it may.
    """
    objects = []
    for thing in scene.objects:
        allowed = CONDITIONS[condition].get(thing.shape)
        if allowed and thing.color not in allowed:
            other = _OTHER if allowed is _ONE else _ONE
            thing = thing._replace(color=allowed[other.index(thing.color)])
        objects.append(thing)
    return scene._replace(objects=tuple(objects))


def draw_condition(
    folder: Path,
    condition: str,
    world: WorldLike,
    images: int = IMAGES,
    split: str = "val",
    answers: Iterable[str] | None = None,
) -> int:
    """Writes pictures and questions of a condition as a CLEVR folder. Returns the number of questions.

    Args:
        folder: for `images/`, `questions/` and `scenes/`.
        condition: of `CONDITIONS`.
        world: what they are like.
        images: so many; image i of both conditions is the same scene.
        split: name of the split.
        answers: questions with other answers are left out; None = with none.
    """
    (folder / "images" / split).mkdir(parents=True, exist_ok=True)
    rng, balance = random.Random(f"{_SEED} {condition}"), AnswerBalance()
    scenes, questions = [], []
    for index in range(images):
        chance = np.random.default_rng([_SEED, index])
        scene = sample_scene(chance, index, split, world.min_objects, world.max_objects)
        scene = recoloured(scene, condition)
        picture = Image.fromarray(render(scene, world.width, world.height))
        picture.save(folder / "images" / split / scene.image_filename)
        scenes.append(scene.to_json(world.width, world.height))
        questions += generate_questions(
            scenes[-1], rng, QUESTIONS_PER_IMAGE, world.question_types, balance
        )
    known = None if answers is None else set(answers)
    questions = [q for q in questions if known is None or q["answer"] in known]
    questions = [{**question, "question_index": i} for i, question in enumerate(questions)]
    write_json(scenes_path(folder, split), {"scenes": scenes})
    write_json(folder / "questions" / f"CLEVR_{split}_questions.json", {"questions": questions})
    return len(questions)


def share_of(scenes: Iterable[Mapping[str, Any]], condition: str = "B") -> float:
    """Share of the cubes and cylinders that have a colour of a condition; NaN where there are none."""
    fits = [
        thing["color"] in CONDITIONS[condition][thing["shape"]]
        for scene in scenes
        for thing in scene["objects"]
        if thing["shape"] in CONDITIONS[condition]
    ]
    return float(np.mean(fits)) if fits else float("nan")


def share_in_training(data_dir: str | Path, split: str) -> float | None:
    """The share of B's pairs among what was trained on; None where there are no scenes."""
    path = scenes_path(data_dir, split)
    try:
        return share_of(islice(stream_array(path, "scenes"), _READ))
    except (InputError, OSError, KeyError, TypeError):
        return None
