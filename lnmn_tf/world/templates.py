"""The question families of the synthetic world: what each one asks, and the ways to say it.

A family is a **sketch** and its **wordings**. The sketch is a program with open slots, written in
postfix order; this is the order of CLEVR's nodes, and each word reads as many of the last unread
values as its function has inputs:

    scene filter:A unique relate:R filter:B unique query_color

`filter:B` opens a noun phrase B (any filters by size, color, material and shape), `relate:R` a
spatial relation R. `filter:B-color` may not filter by color, which would give the answer away, and
`filter:B+shape` must filter by shape. The wordings are format strings over the slots, `{R}` for the
relation and, for the nouns, `{B}` = "red ball", `{B:s}` = "red balls", `{B:a}` = "a red ball":

    What color is the {B} that is {R} the {A}?
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from lnmn_tf.world import wordings

QUESTION_TYPES = (
    "zero_hop",
    "one_hop",
    "two_hop",
    "three_hop",
    "same_relate",
    "single_and",
    "single_or",
    "compare_integer",
    "comparison",
)


class Family(NamedTuple):
    """A kind of question; its place in FAMILIES is CLEVR's `question_family_index`.

    Attributes:
        question_type: one of QUESTION_TYPES.
        sketch: the words of the open program, in postfix order.
        wordings: format strings over the sketch's slots.
    """

    question_type: str
    sketch: tuple[str, ...]
    wordings: tuple[str, ...]

    @property
    def function(self) -> str:
        """The last function, which gives the answer."""
        return self.sketch[-1]


class _Group(NamedTuple):
    """The objects a question is about: the sketch before their own filter, their noun, their places."""

    sketch: str
    noun: str
    places: tuple[str, ...] = ("",)

    def singulars(self, article: str = "") -> list[str]:
        """E.g. "{B} that is {R} the {A}"; `article` is "" or ":a"."""
        return [f"{{{self.noun}{article}}}{place and ' that is ' + place}" for place in self.places]

    def plurals(self) -> list[str]:
        """E.g. "{B:s} that are {R} the {A}"."""
        return [f"{{{self.noun}:s}}{place and ' that are ' + place}" for place in self.places]

    def say(self, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """Puts the noun and its places into patterns over {H}, {P} and {O}."""
        return tuple(
            pattern.replace("{O}", named)
            .replace("{O:a}", introduced)
            .replace("{P}", place)
            .replace("{H", "{" + self.noun)
            for pattern in patterns
            for place, named, introduced in zip(self.places, self.singulars(), self.singulars(":a"))
        )


def _chain(hops: int, nouns: str = "ABCD", relations: str = "RST") -> _Group:
    """The objects at the end of a chain of `hops` relations, each from a single object."""
    if hops == 0:
        return _Group("scene", nouns[0])
    start = _chain(hops - 1, nouns, relations)
    relation = relations[hops - 1]
    return _Group(
        f"{start.sketch} filter:{start.noun} unique relate:{relation}",
        nouns[hops],
        tuple(f"{{{relation}}} the {singular}" for singular in start.singulars()),
    )


def _family(question_type: str, sketch: str, phrasings: Iterable[str]) -> Family:
    return Family(question_type, tuple(sketch.split()), tuple(phrasings))


def _ask(question_type: str, group: _Group, but: str = "") -> Iterator[Family]:
    """Count, exist, and a query of each attribute; `but` is neither asked for nor filtered by."""
    found = f"{group.sketch} filter:{group.noun}{but and '-' + but}"
    alone = group.places == ("",)
    count = wordings.COUNT_ALL if alone else wordings.COUNT
    exist = wordings.EXIST_ALL if alone else wordings.EXIST
    query = wordings.QUERY_ALONE if alone else wordings.QUERY_PLACED
    yield _family(question_type, f"{found} count", group.say(count))
    yield _family(question_type, f"{found} exist", group.say(exist))
    for attribute, patterns in wordings.QUERY.items():
        if attribute != but:
            sketch = f"{found}-{attribute} unique query_{attribute}"
            yield _family(question_type, sketch, group.say(patterns + query[attribute]))


def _and_families() -> Iterator[Family]:
    sides = "scene filter:A unique relate:R scene filter:B unique relate:S"
    yield from _ask("single_and", _Group(f"{sides} intersect", "C", (wordings.AND_PLACE,)))


def _or_families() -> Iterator[Family]:
    sides = "scene filter:A unique relate:R scene filter:B unique relate:S union"
    for function, patterns, place in (
        ("count", wordings.COUNT, wordings.OR_COUNT_PLACE),
        ("exist", wordings.EXIST, wordings.OR_EXIST_PLACE),
    ):
        group = _Group(sides, "C", (place,))
        yield _family("single_or", f"{sides} filter:C {function}", group.say(patterns))
    nouns = "scene filter:A+shape scene filter:B+shape union"
    yield _family("single_or", f"{nouns} count", wordings.OR_COUNT)
    yield _family("single_or", f"{nouns} exist", wordings.OR_EXIST)


def _compare(patterns: Iterable[str], lefts: Iterable[str], rights: Iterable[str]) -> list[str]:
    sides = list(product(lefts, rights))
    return [p.replace("{X}", x).replace("{Y}", y) for p in patterns for x, y in sides]


def _comparison_families() -> Iterator[Family]:
    """Two numbers, or one attribute of two objects; either side may be found by a relation."""
    lefts = [_chain(hops, "AB", "R") for hops in (0, 1)]
    rights = [_chain(hops, "CD", "S") for hops in (0, 1)]
    for function, patterns in wordings.COMPARE_INTEGER.items():
        for left, right in ((lefts[0], rights[0]), (lefts[1], rights[0]), (lefts[1], rights[1])):
            sketch = " ".join(f"{side.sketch} filter:{side.noun} count" for side in (left, right))
            phrasings = _compare(patterns, left.plurals(), right.plurals())
            yield _family("compare_integer", f"{sketch} {function}", phrasings)
    for attribute, patterns in wordings.COMPARISON.items():
        for left, right in product(lefts, rights):
            sketch = " ".join(
                f"{side.sketch} filter:{side.noun}-{attribute} unique query_{attribute}"
                for side in (left, right)
            )
            phrasings = _compare(patterns, left.singulars(), right.singulars())
            yield _family("comparison", f"{sketch} equal_{attribute}", phrasings)


def _all_families() -> Iterator[Family]:
    for hops, question_type in enumerate(("zero_hop", "one_hop", "two_hop", "three_hop")):
        yield from _ask(question_type, _chain(hops))
    for attribute, places in wordings.SAME_PLACES.items():
        sketch = f"scene filter:A-{attribute} unique same_{attribute}"
        yield from _ask("same_relate", _Group(sketch, "B", places), but=attribute)
    yield from _and_families()
    yield from _or_families()
    yield from _comparison_families()


# New families go to the end: a family's place is written into every question.
FAMILIES = tuple(_all_families())
