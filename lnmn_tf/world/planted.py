"""Worlds without pictures whose answers known operators make: the truth that a search should find.

An object stands at one place of a small map and has each attribute to a **degree**, negative where it
lacks it. A question names two attributes, and its answer is "yes" where

    o(x_i, x_j) > 0,    x the object's degrees, o the operator planted for the kind of question

| kind | question | planted | what it says on signs |
|---|---|---|---|
| and | is it round and bright? | min | both hold |
| or | is it round or bright? | max | one of them holds |
| compare | do round and bright agree? | product | both hold, or neither |

Everywhere else the map is empty, and each of the six operators makes nothing of nothing: so the sum of
o(map_i, map_j) over the places is the object's own value, whatever pools the map.

What can be identified, from answers alone:

* `min` from *and*, `max` from *or*, `product` from *compare*: with any other of the six operators in its
  place, about a sixth of these questions or more change their answers (`PlantedWorld.changed_by`), as
  answers are balanced and the patterns of signs behind one answer are as frequent as one another. A
  readout that learns its threshold and its sign leaves `sum` 9 % wrong on *and* and *or*, all others
  16 % or more.
* Only up to a change of sign: max(a, b) = -min(-a, -b). A model whose maps or whose readout may change
  their sign can exchange min and max; tie the signs (maps of a positive gain), or take both for found.
* `choose_1` and `choose_2` are exchanged where a question names its attributes the other way round.

A search reads `features`, `question_ids` and `answers`: 3 words, 2 answers, a map of 2 x 3 and 5
channels, one for each attribute. No operator is named in them.

    world = planted_world(4000, seed=0)
    world.features       # float32 [4000, 2, 3, 5]
    world.question_ids   # int32 [4000, 3]: the kind and both attributes, words of `world.words`
    world.answers        # int32 [4000]: 1 for yes
    write_planted(folder, {"train": world, "val": planted_world(1000, seed=1)})
    # python -m lnmn_tf.main --data_dir=FOLDER --features=FOLDER/{split}.h5 ...
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from lnmn_tf.errors import InputError
from lnmn_tf.files import write_json

ATTRIBUTES = ("round", "bright", "heavy", "smooth", "warm")
KINDS = ("and", "or", "compare")
TRUTH = {"and": "min", "or": "max", "compare": "product"}
ANSWERS = ("no", "yes")
WORDS = ("<pad>", *KINDS, *ATTRIBUTES)
OPERATORS = {
    "min": np.minimum,
    "max": np.maximum,
    "sum": np.add,
    "product": np.multiply,
    "choose_1": lambda first, second: first,
    "choose_2": lambda first, second: second,
}
_TEXTS = {
    "and": "Is it {} and {}?",
    "or": "Is it {} or {}?",
    "compare": "Do {} and {} agree?",
}
# CLEVR's functions that bring two sets or values together, for tables by kind.
_PROGRAMS = {
    "and": ("scene", "scene", "intersect", "exist"),
    "or": ("scene", "scene", "union", "exist"),
    "compare": ("scene", "query_shape", "scene", "query_shape", "equal_shape"),
}
_LEAST_DEGREE = 0.1  # of a magnitude; the largest is 1


class PlantedWorld(NamedTuple):
    """N examples.

    Attributes:
        features: float32 [N, H, W, C], what a model sees: the object's degrees with noise, elsewhere noise.
        question_ids: int32 [N, 3], words of WORDS: kind, first and second attribute.
        answers: int32 [N], places in ANSWERS.
        degrees: float32 [N, C], the object's true degrees, within -1 to -0.1 or 0.1 to 1.
        places: int32 [N], row * W + column of the object.
        operators: kind -> the operator that made the answers.
    """

    features: np.ndarray
    question_ids: np.ndarray
    answers: np.ndarray
    degrees: np.ndarray
    places: np.ndarray
    operators: Mapping[str, str]

    def of_kind(self, kind: str) -> np.ndarray:
        """Which questions are of a kind: bool [N]."""
        return self.question_ids[:, 0] == WORDS.index(kind)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The degrees of the first and of the second attribute asked about: each float32 [N]."""
        first, second = (self.question_ids[:, 1:] - WORDS.index(ATTRIBUTES[0])).T
        rows = np.arange(len(self.degrees))
        return self.degrees[rows, first], self.degrees[rows, second]

    def answers_with(self, operators: Mapping[str, str]) -> np.ndarray:
        """The answers that other operators make of the same questions: int32 [N].

        Args:
            operators: kind -> name; a kind that is left out keeps its own.
        """
        answers = self.answers.copy()
        first, second = self.pairs()
        for kind, name in operators.items():
            rows = self.of_kind(kind)
            answers[rows] = OPERATORS[name](first[rows], second[rows]) > 0
        return answers

    def changed_by(self, kind: str, operator: str) -> float:
        """The share of a kind's questions whose answer another operator changes, in [0, 1]."""
        changed = self.answers_with({kind: operator}) != self.answers
        return float(changed[self.of_kind(kind)].mean())

    def text(self, position: int) -> str:
        """A question in words."""
        kind, *attributes = (WORDS[word] for word in self.question_ids[position])
        return _TEXTS[kind].format(*attributes)


def planted_world(
    num_examples: int,
    seed: int,
    *,
    operators: Mapping[str, str] = TRUTH,
    height: int = 2,
    width: int = 3,
    noise: float = 0.02,
) -> PlantedWorld:
    """Makes a world: a pure function of its arguments.

    Kinds, pairs of attributes and answers are as frequent as one another.

    Args:
        num_examples: N.
        seed: of all chance; not negative.
        operators: what is planted: kind -> name, for some of KINDS, which are then asked.
        height, width: of the map.
        noise: standard deviation of what is added to every channel of every place.

    Raises:
        InputError: a kind, an operator or a size is none.
    """
    wrong = [kind for kind, name in operators.items() if kind not in KINDS or name not in OPERATORS]
    if wrong or not operators:
        raise InputError(
            f"operators are {dict(operators)}; expected some of {', '.join(KINDS)}, each with one of "
            f"{', '.join(OPERATORS)}"
        )
    if min(num_examples, height, width) < 1 or seed < 0 or noise < 0:
        raise InputError(
            f"num_examples={num_examples}, height={height}, width={width}, seed={seed}, noise={noise}; "
            "expected sizes of at least 1, and nothing negative"
        )
    rng = np.random.default_rng(seed)
    rows = np.arange(num_examples)
    kinds = rng.permutation(rows % len(operators))
    words = np.array([WORDS.index(kind) for kind in operators])
    first = rng.integers(len(ATTRIBUTES), size=num_examples)
    second = (first + rng.integers(1, len(ATTRIBUTES), size=num_examples)) % len(ATTRIBUTES)
    answers = rng.integers(2, size=num_examples).astype(np.int32)
    degrees = _degrees(rng, num_examples)
    wanting = rows
    while len(wanting):  # the object is drawn anew until the answer is the one that was drawn
        degrees[wanting] = _degrees(rng, len(wanting))
        found = np.zeros(len(wanting), bool)
        for number, name in enumerate(operators.values()):
            values = OPERATORS[name](
                degrees[wanting, first[wanting]], degrees[wanting, second[wanting]]
            )
            found = np.where(kinds[wanting] == number, values > 0, found)
        wanting = wanting[found != answers[wanting]]
    places = rng.integers(height * width, size=num_examples).astype(np.int32)
    features = rng.normal(0.0, noise, [num_examples, height * width, len(ATTRIBUTES)])
    features[rows, places] += degrees
    attribute_word = WORDS.index(ATTRIBUTES[0])
    return PlantedWorld(
        features.reshape(num_examples, height, width, -1).astype(np.float32),
        np.stack([words[kinds], attribute_word + first, attribute_word + second], 1).astype(
            np.int32
        ),
        answers,
        degrees,
        places,
        dict(operators),
    )


def _degrees(rng: np.random.Generator, count: int) -> np.ndarray:
    """Signs as frequent as one another, magnitudes spread evenly over their logarithm."""
    shape = [count, len(ATTRIBUTES)]
    magnitudes = _LEAST_DEGREE ** rng.random(shape)
    return (magnitudes * rng.choice([-1.0, 1.0], shape)).astype(np.float32)


def write_planted(folder: str | os.PathLike, splits: Mapping[str, PlantedWorld]) -> None:
    """Writes worlds as a folder that a run reads: questions in CLEVR's form, and features.

    The folder then holds `questions/CLEVR_<split>_questions.json` and `<split>.h5`, whose dataset
    `features` is [N, H, W, C]. A question's `question_family_index` is its kind's place in KINDS, and
    its program a stand-in of its kind, for accuracies by family.

    Args:
        folder: made where it is missing.
        splits: name -> world.
    """
    folder = Path(folder)
    (folder / "questions").mkdir(parents=True, exist_ok=True)
    for split, world in splits.items():
        path = folder / f"{split}.h5"
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with h5py.File(temporary, "w") as file:
                file["features"] = world.features
                file["features"].attrs["layout"] = "NHWC"
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        questions = [_record(world, split, position) for position in range(len(world.answers))]
        path = folder / "questions" / f"CLEVR_{split}_questions.json"
        write_json(path, {"info": {"split": split}, "questions": questions})


def _record(world: PlantedWorld, split: str, position: int) -> dict:
    kind = WORDS[world.question_ids[position, 0]]
    return {
        "image_index": position,
        "image_filename": f"CLEVR_{split}_{position:06d}.png",
        "question_index": position,
        "question": world.text(position),
        "answer": ANSWERS[world.answers[position]],
        "question_family_index": KINDS.index(kind),
        "program": [
            {"function": name, "inputs": [], "value_inputs": []} for name in _PROGRAMS[kind]
        ],
    }
