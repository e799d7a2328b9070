"""A few held-out questions that are looked at after each epoch, always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from lnmn_tf.training.examples import Examples

MOST = 60  # questions, as many of each family as there are
STRIPS = 4  # of them with pictures
PICTURE_WIDTH = 168  # pixels


@dataclass(frozen=True, eq=False)
class Watched:
    """N questions as a batch.

    Args:
        inputs: of the network.
        texts: the questions.
        truths: answer ids, [N].
        families: of each, an index in `family_names`, [N].
        family_names: all of them.
        answers: of the vocabulary.
        pictures: of the first few; fewer where there are no picture files.
    """

    inputs: dict[str, tf.Tensor]
    texts: list[str]
    truths: np.ndarray
    families: np.ndarray
    family_names: tuple[str, ...]
    answers: tuple[str, ...]
    pictures: list[Image.Image]


def watch(examples: Examples, folders: Sequence[Path], most: int = MOST) -> Watched:
    """Chooses questions, families by turns, the first of each.

    Args:
        examples: with answers.
        folders: of the split's pictures.
        most: questions; no more than `MOST`.
    """
    most = min(most, MOST)
    questions = examples.questions
    of_family = [np.flatnonzero(questions.families == f) for f in np.unique(questions.families)]
    each = max(most // len(of_family), 1)
    turns = [places[turn] for turn in range(each) for places in of_family if turn < len(places)]
    chosen = np.array(turns[:most])
    images = examples.store.read(questions.image_index[chosen])
    scale = 255.0 if examples.store.key == "image" else 1.0
    pictures = []
    for row in questions.image_index[chosen[:STRIPS]]:
        name = questions.image_filenames[row]
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None:
            break
        with Image.open(path) as picture:
            height = max(round(PICTURE_WIDTH * picture.height / picture.width), 1)
            pictures.append(picture.convert("RGB").resize((PICTURE_WIDTH, height)))
    return Watched(
        inputs={
            examples.store.key: tf.cast(images, tf.float32) / scale,
            "question": tf.constant(questions.question_ids[chosen]),
        },
        texts=[questions.texts[i] for i in chosen],
        truths=questions.answers[chosen],
        families=questions.families[chosen],
        family_names=questions.family_names,
        answers=questions.vocabulary.answers,
        pictures=pictures,
    )
