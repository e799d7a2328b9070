"""New questions about a world's scenes, others in every epoch, faster than training reads them.

They are what `questions.generate_questions` would ask: the same families in the same shares, the
same laws of what is worth asking, the same balance of answers and the same words. Only the walks are
made thousands at once (`walks.py`), so the two make different questions of the same seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lnmn_tf.errors import InputError
from lnmn_tf.world.asking import NOUNS, Asked, Asking
from lnmn_tf.world.programs import FUNCTIONS
from lnmn_tf.world.questions import families_of
from lnmn_tf.world.scene_table import SceneTable
from lnmn_tf.world.templates import FAMILIES

_CHUNK = 10_000  # scenes asked about at once; other chunks would be other questions


class FreshQuestions(NamedTuple):
    """N questions, in the order of their scenes.

    Attributes:
        scenes: int32 [N], places in the list of scenes.
        families: int16 [N], places in `templates.FAMILIES`: CLEVR's `question_family_index`.
        program_lengths: int16 [N], functions in the program.
        answers: N texts.
        texts: N texts.
        asked: N, the same with what the nouns and relations stand for.
    """

    scenes: np.ndarray
    families: np.ndarray
    program_lengths: np.ndarray
    answers: list[str]
    texts: list[str]
    asked: list[Asked]

    def record(self, position: int, scene: Mapping[str, Any]) -> dict[str, Any]:
        """One question with CLEVR's keys, program included.

        Args:
            position: of the question.
            scene: the one it is about.
        """
        asked = self.asked[position]
        return {
            **{key: scene[key] for key in ("image_index", "image_filename", "split")},
            "program": program_of(asked),
            "question_family_index": asked.family,
            "answer": asked.answer,
            "question": asked.text,
        }


def fresh_questions(
    scenes: SceneTable | Sequence[Mapping[str, Any]],
    types: Sequence[str],
    questions_per_image: int,
    seed: int,
    epoch: int,
) -> FreshQuestions:
    """Asks about every scene anew: a pure function of its arguments.

    Args:
        scenes: in CLEVR's JSON form, or their table where they are asked about in many epochs.
        types: see `questions.families_of`; a world's own are in its `world.json`.
        questions_per_image: how many; a scene of very few objects may give fewer.
        seed, epoch: what all chance comes from; not negative.

    Raises:
        InputError: an argument is not as above, or a scene is none of CLEVR's universe.
    """
    weights = families_of(types)
    if questions_per_image < 1 or seed < 0 or epoch < 0:
        raise InputError(
            f"questions_per_image is {questions_per_image}, seed is {seed} and epoch is {epoch}; "
            "expected at least 1, 0 and 0"
        )
    table = scenes if isinstance(scenes, SceneTable) else SceneTable(scenes)
    asked: list[Asked] = []
    for first in range(0, len(table), _CHUNK):
        rows = np.arange(first, min(first + _CHUNK, len(table)))
        asking = Asking(table, rows, weights, questions_per_image, (seed, epoch, first))
        asked += sorted(asking.ask(), key=lambda question: question.scene)
    return FreshQuestions(
        np.array([question.scene for question in asked], np.int32),
        np.array([question.family for question in asked], np.int16),
        np.array([_program_length(question) for question in asked], np.int16),
        [question.answer for question in asked],
        [question.text for question in asked],
        asked,
    )


def _program_length(asked: Asked) -> int:
    """Functions in the program; a noun has one for each attribute it names."""
    named = sum(len(NOUNS[ids]) for ids in asked.nouns.values())
    return len(FAMILIES[asked.family].sketch) - len(asked.nouns) + named


def program_of(asked: Asked) -> list[dict[str, Any]]:
    """Returns a question's program as CLEVR's nodes."""
    nodes: list[dict[str, Any]] = []
    unread: list[int] = []

    def append(function: str, *value_inputs: str) -> None:
        first = len(unread) - FUNCTIONS[function].arity
        inputs = unread[first:]
        unread[first:] = [len(nodes)]
        nodes.append({"inputs": inputs, "function": function, "value_inputs": list(value_inputs)})

    for word in FAMILIES[asked.family].sketch:
        function, _, slot = word.partition(":")
        if function == "filter":
            for attribute, value in NOUNS[asked.nouns[slot[0]]].items():
                append(f"filter_{attribute}", value)
        elif function == "relate":
            append(function, asked.relations[slot])
        else:
            append(function)
    return nodes
