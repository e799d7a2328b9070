"""Questions about a scene: instances of the families, answered, balanced and put into words."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lnmn_tf.errors import InputError
from lnmn_tf.world.filters import FilterIndex
from lnmn_tf.world.instances import DeadEnd, Instance, instantiate
from lnmn_tf.world.programs import SceneGraph, possible_answers
from lnmn_tf.world.templates import FAMILIES, QUESTION_TYPES
from lnmn_tf.world.wordings import RELATION_PHRASES, SYNONYMS, NounPhrase

_WALKS_PER_FAMILY = 12
# CLEVR's own bounds on how frequent an answer may become within its family.
_MAX_TO_SECOND = 1.1
_MAX_TO_MEDIAN = 5.0
_MIN_MEDIAN = 5


class AnswerBalance:
    """The answers given so far, per family; it says which of them have become too frequent."""

    def __init__(self):
        self._counts = [
            Counter(dict.fromkeys(possible_answers(family.function), 0)) for family in FAMILIES
        ]

    def admits(self, family_index: int, answer: str) -> bool:
        """Whether the family can take the answer once more, by CLEVR's rule."""
        counts = self._counts[family_index]
        ordered = sorted(counts.values())
        median = max(ordered[len(ordered) // 2], _MIN_MEDIAN)
        return counts[answer] <= min(_MAX_TO_SECOND * ordered[-2], _MAX_TO_MEDIAN * median)

    def add(self, family_index: int, answer: str) -> None:
        """Records a question that was kept."""
        self._counts[family_index][answer] += 1

    def asked(self, family_index: int) -> int:
        """Returns how many questions of the family were kept."""
        return sum(self._counts[family_index].values())


def families_of(question_types: Sequence[str]) -> dict[int, float]:
    """Returns the weight of each family of some question types, by its index.

    Args:
        question_types: names, or name:weight, as in "zero_hop:4". Families of a type with weight 4 are
            asked four times as often as those of a type with weight 1, which is the default.

    Raises:
        InputError: there is no type, one is unknown or given twice, or a weight is not a positive number.
    """
    weights: dict[str, float] = {}
    for entry in question_types:
        name, _, weight = entry.partition(":")
        if name not in QUESTION_TYPES or name in weights or not _is_weight(weight or "1"):
            weights.clear()
            break
        weights[name] = float(weight or 1)
    if not weights:
        raise InputError(
            f"question_types: {', '.join(question_types) or 'none'}; expected some of "
            f"{', '.join(QUESTION_TYPES)}, each once, with a weight where wanted, as in zero_hop:4"
        )
    return {
        index: weights[family.question_type]
        for index, family in enumerate(FAMILIES)
        if family.question_type in weights
    }


def _is_weight(text: str) -> bool:
    try:
        return 0.0 < float(text) < math.inf
    except ValueError:
        return False


def generate_questions(
    scene: Mapping[str, Any],
    rng: random.Random,
    num_questions: int,
    question_types: Sequence[str] = QUESTION_TYPES,
    balance: AnswerBalance | None = None,
) -> list[dict[str, Any]]:
    """Asks different questions about a scene, from the families that were asked least so far.

    Args:
        scene: a scene in CLEVR's JSON form.
        rng: the source of chance; the same state and balance give the same questions.
        num_questions: how many questions; a scene of very few objects may not give as many.
        question_types: see `families_of`.
        balance: the answers to the questions of other scenes so far; the new ones are added.

    Returns:
        Questions with CLEVR's keys, but for `question_index`, which depends on the other scenes.

    Raises:
        InputError: `question_types` is not as above.
    """
    balance = AnswerBalance() if balance is None else balance
    families = families_of(question_types)
    filter_index = FilterIndex(SceneGraph(scene))
    questions: dict[str, dict[str, Any]] = {}  # text -> question
    balanced = True
    while len(questions) < num_questions:
        before = len(questions)
        for index in sorted(families, key=lambda i: (balance.asked(i) / families[i], rng.random())):
            question = _ask(index, filter_index, rng, balance if balanced else None)
            if question is not None and question["question"] not in questions:
                balance.add(index, question["answer"])
                questions[question["question"]] = _about(scene, question)
            if len(questions) == num_questions:
                break
        if len(questions) == before:
            if not balanced:
                break  # the scene has no more to ask
            balanced = False
    return list(questions.values())


def _about(scene: Mapping[str, Any], question: dict[str, Any]) -> dict[str, Any]:
    keys = ("image_index", "image_filename", "split")
    return {**{key: scene[key] for key in keys}, **question}


def _ask(
    family_index: int,
    filter_index: FilterIndex,
    rng: random.Random,
    balance: AnswerBalance | None,
) -> dict[str, Any] | None:
    """Returns a question of the family whose answer the balance admits, or None after some trials."""
    family = FAMILIES[family_index]
    for _ in range(_WALKS_PER_FAMILY):
        try:
            instance = instantiate(family.sketch, filter_index, rng)
        except DeadEnd:
            continue
        if balance is None or balance.admits(family_index, instance.answer):
            return {
                "program": instance.program,
                "question_family_index": family_index,
                "answer": instance.answer,
                "question": in_words(family_index, instance, rng),
            }
    return None


def in_words(family_index: int, instance: Instance, rng: random.Random) -> str:
    """Puts an instance into one of its family's wordings; a value has one word throughout."""
    wording = rng.choice(FAMILIES[family_index].wordings)
    words = {value: rng.choice(synonyms) for value, synonyms in SYNONYMS.items()}
    nouns = {
        slot: NounPhrase(filters, words, slot in instance.others)
        for slot, filters in instance.nouns.items()
    }
    relations = {
        slot: rng.choice(RELATION_PHRASES[direction])
        for slot, direction in instance.relations.items()
    }
    return wording.format(**nouns, **relations)
