"""A world without pictures in which *and*, *or* and comparisons need operators of their own.

Six things stand at the places of a map of 2 x 3. Each has one color and each attribute to a **degree**
between 0 and 1. A question names one attribute or two:

| kind | question | answer |
|---|---|---|
| one | What color is round? | the color of the thing with the largest a |
| and | What color is round and bright? | of that with the largest min(a, b) |
| or | What color is round or bright? | of that with the largest max(a, b) |
| same | Do round and bright share a color? | whether the largest a and the largest b have one color |
| more | Is more round than bright? | whether the sum of a is larger than the sum of b |

min and max are the *and* and *or* of Zadeh's fuzzy sets (1965). They are the only two of LNMN's six operators
that do not care how a degree is measured: min(f(a), f(b)) = f(min(a, b)) for each increasing f.

A share of the questions of *and* and *or* is **contested**: with any other symmetric operator (min, max, sum,
product) in the place of the planted one, another color wins. On these a wrong operator is worse than a
guess. (choose_1 names the thing of *or* in every second question, whatever is asked.)

    world = graded_world(4000, seed=0)
    world.features, world.texts, world.answers, world.contested
    write_graded(folder, {"train": world, "val": graded_world(1000, seed=1)})
    # python -m lnmn_tf.main --data_dir=FOLDER --features=FOLDER/{split}.h5 ...
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from lnmn_tf.errors import InputError
from lnmn_tf.files import write_json
from lnmn_tf.world.planted import ATTRIBUTES, OPERATORS

KINDS = ("one", "and", "or", "same", "more")
TRUTH = {"and": "min", "or": "max"}
COLORS = ("red", "green", "blue", "gray")
ANSWERS = (*COLORS, "no", "yes")
HEIGHT, WIDTH = 2, 3
SHARPNESS = (3.0, 6.0)  # of soft forms of min and max that contested questions refute
MARGIN = 0.08  # of the winner's value over every other thing's; five times as much between sums
SYMMETRIC = ("min", "max", "sum", "product")
_THINGS = HEIGHT * WIDTH
_TEXTS = {
    "one": "What color is {}?",
    "and": "What color is {} and {}?",
    "or": "What color is {} or {}?",
    "same": "Do {} and {} share a color?",
    "more": "Is more {} than {}?",
}
_CANDIDATES = 64  # scenes drawn at once for a question that lacks one


class GradedWorld(NamedTuple):
    """N examples, one scene and one question each.

    Attributes:
        features: float32 [N, H, W, C], what a model sees: 2 degree - 1 of each attribute and a one-hot color,
            with noise.
        kinds: int32 [N], places in KINDS.
        named: int32 [N, 2], places in ATTRIBUTES; a question of one attribute has it twice.
        answers: int32 [N], places in ANSWERS.
        degrees: float32 [N, things, attributes], the true degrees.
        colors: int32 [N, things], places in COLORS.
        contested: bool [N], whether each other symmetric operator gives another answer; False for other kinds.
    """

    features: np.ndarray
    kinds: np.ndarray
    named: np.ndarray
    answers: np.ndarray
    degrees: np.ndarray
    colors: np.ndarray
    contested: np.ndarray

    def of_kind(self, kind: str) -> np.ndarray:
        """Which questions are of a kind: bool [N]."""
        return self.kinds == KINDS.index(kind)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Degrees of the first and of the second attribute that a question names: each [N, things]."""
        rows = np.arange(len(self.kinds))[:, None]
        things = np.arange(_THINGS)[None]
        return tuple(self.degrees[rows, things, self.named[:, i : i + 1]] for i in (0, 1))

    def answers_with(self, operator: str) -> np.ndarray:
        """The colors that an operator makes the answers of all questions: int32 [N]."""
        values = OPERATORS[operator](*self.pairs())
        return self.colors[np.arange(len(values)), values.argmax(axis=1)]

    def text(self, position: int) -> str:
        """A question in words."""
        names = (ATTRIBUTES[i] for i in self.named[position])
        return _TEXTS[KINDS[self.kinds[position]]].format(*names)


def graded_world(
    num_examples: int,
    seed: int,
    *,
    kinds: Sequence[str] = KINDS,
    contested: float = 0.5,
    noise: float = 0.005,
) -> GradedWorld:
    """Makes a world: a pure function of its arguments.

    Kinds, pairs of attributes, and yes and no are as frequent as one another.

    Args:
        num_examples: N.
        seed: of all chance; not negative.
        kinds: some of KINDS, which are asked.
        contested: share of the questions of *and* and *or*.
        noise: standard deviation of what is added to every channel.

    Raises:
        InputError: a kind or a number is none.
    """
    if not kinds or set(kinds) - set(KINDS):
        raise InputError(f"kinds are {list(kinds)}; expected some of {', '.join(KINDS)}")
    if num_examples < 1 or seed < 0 or noise < 0 or not 0 <= contested <= 1:
        raise InputError(
            f"num_examples={num_examples}, seed={seed}, noise={noise}, contested={contested}; expected at "
            "least 1 example, a share between 0 and 1, and nothing negative"
        )
    rng = np.random.default_rng(seed)
    asked = np.array([KINDS.index(kind) for kind in kinds])
    kind = asked[rng.permutation(np.arange(num_examples) % len(asked))].astype(np.int32)
    first = rng.integers(len(ATTRIBUTES), size=num_examples)
    second = (first + rng.integers(1, len(ATTRIBUTES), size=num_examples)) % len(ATTRIBUTES)
    second = np.where(kind == KINDS.index("one"), first, second)
    named = np.stack([first, second], axis=1).astype(np.int32)
    two_valued = np.isin(kind, [KINDS.index("same"), KINDS.index("more")])
    wanted = np.where(two_valued, len(COLORS) + rng.integers(2, size=num_examples), -1)
    planted = np.isin(kind, [KINDS.index(name) for name in TRUTH])
    hard = planted & (rng.random(num_examples) < contested)
    degrees = np.zeros([num_examples, _THINGS, len(ATTRIBUTES)], np.float32)
    colors = np.zeros([num_examples, _THINGS], np.int32)
    answers = np.zeros(num_examples, np.int32)
    wanting = np.arange(num_examples)
    while len(wanting):
        rows = np.repeat(wanting, _CANDIDATES)
        scenes = rng.random([len(rows), _THINGS, len(ATTRIBUTES)], np.float32)
        painted = rng.integers(len(COLORS), size=[len(rows), _THINGS]).astype(np.int32)
        answer, clear, against = _judge(scenes, painted, kind[rows], named[rows])
        fits = clear & (~hard[rows] | against) & ((wanted[rows] < 0) | (wanted[rows] == answer))
        found, place = np.unique(rows[fits], return_index=True)
        chosen = np.flatnonzero(fits)[place]
        degrees[found], colors[found], answers[found] = (
            scenes[chosen],
            painted[chosen],
            answer[chosen],
        )
        wanting = np.setdiff1d(wanting, found)
    against = planted & _judge(degrees, colors, kind, named)[2]
    channels = np.concatenate([2 * degrees - 1, np.eye(len(COLORS))[colors]], axis=-1)
    channels += rng.normal(0.0, noise, channels.shape)
    features = channels.reshape(num_examples, HEIGHT, WIDTH, -1).astype(np.float32)
    return GradedWorld(features, kind, named, answers, degrees, colors, against)


def _judge(degrees, colors, kinds, named) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The answer of each question, whether it is clear, and whether it is contested: each [N]."""
    rows = np.arange(len(kinds))
    a, b = (degrees[rows[:, None], np.arange(_THINGS), named[:, i : i + 1]] for i in (0, 1))
    answer, clear = np.zeros(len(kinds), np.int32), np.zeros(len(kinds), bool)
    against = np.zeros(len(kinds), bool)
    for kind, values in (("one", a), ("and", np.minimum(a, b)), ("or", np.maximum(a, b))):
        of = kinds == KINDS.index(kind)
        answer[of] = colors[rows, values.argmax(axis=1)][of]
        clear[of] = _is_clear(values)[of]
        if kind in TRUTH:
            theirs = (
                colors[of][rows[: of.sum()], other.argmax(axis=1)]
                for other in _rivals(kind, a[of], b[of])
            )
            against[of] = np.all([t != answer[of] for t in theirs], axis=0)
    of = kinds == KINDS.index("same")
    first, second = a.argmax(axis=1), b.argmax(axis=1)
    same = colors[rows, first] == colors[rows, second]
    answer[of] = len(COLORS) + same[of]
    clear[of] = (_is_clear(a) & _is_clear(b) & (first != second))[of]
    of = kinds == KINDS.index("more")
    difference = a.sum(axis=1) - b.sum(axis=1)
    answer[of] = len(COLORS) + (difference > 0)[of]
    clear[of] = (np.abs(difference) > 5 * MARGIN)[of]
    return answer, clear, against


def _rivals(kind: str, a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """What else could be made of two degrees, each [N, things]: see the module."""
    sign = -1.0 if kind == "and" else 1.0
    others = [OPERATORS[name](a, b) for name in SYMMETRIC if name != TRUTH[kind]]
    soft = [sign * (np.exp(sign * k * a) + np.exp(sign * k * b)) for k in SHARPNESS]
    return others + soft


def _is_clear(values: np.ndarray) -> np.ndarray:
    """Whether the largest of each row is so by MARGIN."""
    two = np.partition(values, -2, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0] > MARGIN


def write_graded(folder: str | os.PathLike, splits: Mapping[str, GradedWorld]) -> None:
    """Writes worlds as a folder that a run reads: questions with programs in CLEVR's form, and features.

    The folder then holds `questions/CLEVR_<split>_questions.json` and `<split>.h5`, whose dataset
    `features` is [N, H, W, C]. A question's `question_family_index` is its kind's place in KINDS.

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


def _record(world: GradedWorld, split: str, position: int) -> dict:
    kind = KINDS[world.kinds[position]]
    names = [ATTRIBUTES[i] for i in world.named[position]]
    return {
        "image_index": position,
        "image_filename": f"CLEVR_{split}_{position:06d}.png",
        "question_index": position,
        "question": world.text(position),
        "answer": ANSWERS[world.answers[position]],
        "question_family_index": int(world.kinds[position]),
        "program": _program(kind, names),
    }


def _program(kind: str, names: Sequence[str]) -> list[dict]:
    """CLEVR's functions: each attribute is looked for by a filter, as a shape is."""
    nodes: list[dict] = []

    def add(function: str, *inputs: int, value: str = "") -> int:
        values = [value] if value else []
        nodes.append({"function": function, "inputs": list(inputs), "value_inputs": values})
        return len(nodes) - 1

    looks = [add("filter_shape", add("scene"), value=name) for name in dict.fromkeys(names)]
    if kind in ("and", "or"):
        looks = [add("intersect" if kind == "and" else "union", *looks)]
    if kind == "more":
        add("greater_than", *(add("count", look) for look in looks))
    elif kind == "same":
        add("equal_color", *(add("query_color", add("unique", look)) for look in looks))
    else:
        add("query_color", add("unique", looks[0]))
    return nodes
