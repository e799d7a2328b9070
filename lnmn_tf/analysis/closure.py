"""Questions that put known parts together in new ways: the seven families of CLOSURE.

CLEVR refers to an object by where it is ("left of the cube") or by what it matches ("the same size as the
cube"), but never by both in one phrase, nor by the one within the other. Here are these combinations,
as programs over known functions, in words that are all known.

Reference: Bahdanau, de Vries, O'Donnell, Murty, Beaudoin, Bengio, Courville, "CLOSURE: Assessing
    Systematic Generalization of CLEVR Models", 2019.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lnmn_tf.data.clevr import scenes_path
from lnmn_tf.errors import InputError
from lnmn_tf.world.filters import FilterIndex
from lnmn_tf.world.instances import DeadEnd, instantiate
from lnmn_tf.world.programs import ATTRIBUTES, SceneGraph
from lnmn_tf.world.wordings import RELATION_PHRASES, SYNONYMS, NounPhrase

_WALKS = 25  # for one question, before another matching attribute is tried


class Template(NamedTuple):
    """A family, with M for the attribute that is matched and Q for the one that is asked for.

    Args:
        sketch: of the program; see `lnmn_tf.world.templates`.
        wording: a format string over the sketch's slots; {M:A} is "the same size as the red ball".
        others: the slots whose noun says "other" where the matched object would fit as well.
    """

    sketch: str
    wording: str
    others: tuple[str, ...] = ()


_MATCHED = "scene filter:A-M unique same_M"
_PLACED = "scene filter:B unique relate:R"
TEMPLATES = {
    "and_mat_spa": Template(
        f"{_MATCHED} {_PLACED} intersect filter:C-Q unique query_Q",
        "What {Q} is the {C} that is both {M:A} and {R} the {B}?",
        ("C",),
    ),
    "or_mat": Template(
        f"scene filter:B+shape {_MATCHED} union count",
        "How many objects are {B:s} or are {M:A}?",
    ),
    "or_mat_spa": Template(
        f"{_MATCHED} {_PLACED} union filter:C count",
        "How many {C:s} are {M:A}, {R} the {B}, or both?",
    ),
    "embed_mat_spa": Template(
        f"{_MATCHED} filter:B unique relate:R filter:C exist",
        "Is there {C:a} that is {R} the {B} that is {M:A}?",
        ("B",),
    ),
    "embed_spa_mat": Template(
        "scene filter:B unique relate:R filter:A-M unique same_M filter:C exist",
        "Is there {C:a} that is {M:A} that is {R} the {B}?",
        ("C",),
    ),
    "compare_mat": Template(
        f"{_MATCHED} filter:C-Q unique query_Q scene filter:B-Q unique query_Q equal_Q",
        "Is the {C} that is {M:A} the same {Q} as the {B}?",
        ("C",),
    ),
    "compare_mat_spa": Template(
        f"{_MATCHED} filter:C-Q unique query_Q {_PLACED} filter:D-Q unique query_Q equal_Q",
        "Is the {C} that is {M:A} the same {Q} as the {D} that is {R} the {B}?",
        ("C",),
    ),
}


class _Match:
    """{M:A}: "the same size as the large ball", or what A is."""

    def __init__(self, attribute: str, nouns: Mapping[str, NounPhrase]):
        self._attribute, self._nouns = attribute, nouns

    def __format__(self, slot: str) -> str:
        return f"the same {self._attribute} as the {self._nouns[slot]}"


def ask(name: str, index: FilterIndex, rng: random.Random) -> dict[str, Any] | None:
    """A question of a family about a scene: "program", "question", "answer"; None where none is found."""
    template = TEMPLATES[name]
    attributes = list(ATTRIBUTES)
    rng.shuffle(attributes)
    for matched in attributes:
        asked = rng.choice([attribute for attribute in attributes if attribute != matched])
        sketch = tuple(template.sketch.replace("M", matched).replace("Q", asked).split())
        for _ in range(_WALKS):
            try:
                instance = instantiate(sketch, index, rng)
            except DeadEnd:
                continue
            words = {value: rng.choice(synonyms) for value, synonyms in SYNONYMS.items()}
            nouns = {
                slot: NounPhrase(
                    filters, words, slot in template.others and slot in instance.others
                )
                for slot, filters in instance.nouns.items()
            }
            relations = {
                slot: rng.choice(RELATION_PHRASES[way]) for slot, way in instance.relations.items()
            }
            text = template.wording.format(**nouns, **relations, M=_Match(matched, nouns), Q=asked)
            return {"program": instance.program, "question": text, "answer": instance.answer}
    return None


def closure_questions(
    scenes: Sequence[Mapping[str, Any]], name: str, count: int, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Questions of one family, at most one about a scene, in CLEVR's form.

    Args:
        scenes: in CLEVR's JSON form.
        name: of `TEMPLATES`.
        count: at most so many.
        seed: of all choices.
    """
    found = 0
    for scene in scenes:
        if found == count:
            return
        rng = random.Random(f"{seed} {name} {scene['image_filename']}")
        question = ask(name, FilterIndex(SceneGraph(scene)), rng)
        if question is not None:
            yield {
                "image_index": scene["image_index"],
                "image_filename": scene["image_filename"],
                "split": scene.get("split", ""),
                "question_family_index": list(TEMPLATES).index(name),
                "question_index": found,
                **question,
            }
            found += 1


def read_scenes(data_dir: str | Path, split: str) -> list[dict[str, Any]]:
    """The scenes of a split. Raises InputError where there is no such file, or it is no JSON."""
    path = scenes_path(data_dir, split)
    try:
        return json.loads(path.read_text(encoding="utf-8"))["scenes"]
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or error}; expected the scenes of its pictures: "
            "--what=generalise asks new questions about them, --what=relations looks up where things are"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is no file of scenes: {error}") from None
