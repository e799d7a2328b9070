"""Combinations of filters: what each of them finds in a scene, and which a noun's slot may take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from itertools import chain, product
from typing import NamedTuple

from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.world.programs import SceneGraph

# Attributes with the values they must have, in the order of ATTRIBUTES.
Filters = tuple[tuple[str, str], ...]
# Combinations, grouped by how many attributes they name.
ByLength = dict[int, list[Filters]]


class Slot(NamedTuple):
    """A noun's slot in a sketch.

    Attributes:
        name: the letter it has in the wordings.
        rules: what restricts it, for looking up slots that are alike but for their name.
        allowed: the filters it may take.
        by_length: the same, grouped by how many attributes they name.
    """

    name: str
    rules: tuple[str, ...]
    allowed: frozenset[Filters]
    by_length: ByLength

    @classmethod
    @cache
    def parse(cls, text: str) -> Slot:
        """Reads "B", "B-color" (must not name the color) or "A+shape" (must name the shape)."""
        name, *rules = text.replace("-", " -").replace("+", " +").split()
        choices = [
            ([] if f"+{attribute}" in rules else [None])
            + ([] if f"-{attribute}" in rules else [(attribute, value) for value in values])
            for attribute, values in ATTRIBUTES.items()
        ]
        by_length = defaultdict(list)
        for combination in product(*choices):
            filters = tuple(filter(None, combination))
            by_length[len(filters)].append(filters)
        return cls(
            name, tuple(rules), frozenset(chain.from_iterable(by_length.values())), dict(by_length)
        )


class FilterIndex:
    """What combinations of filters find in a scene; made once for all its questions.

    The walks of a scene come to the same sets again and again, so what is worth asking of a set is
    looked up where it was worked out before.

    Args:
        graph: the scene.

    Attributes:
        graph: the scene.
        masks: combination of filters -> the objects that pass it.
    """

    def __init__(self, graph: SceneGraph):
        self.graph = graph
        self.masks: dict[Filters, int] = {(): graph.everything}
        for attribute, having in graph.having.items():
            self.masks.update(
                {
                    (*filters, (attribute, value)): mask & fits
                    for filters, mask in self.masks.items()
                    for value, fits in having.items()
                }
            )
        self._fitting = [_fitting(item) for item in graph.objects]
        self._to_one: dict[tuple, ByLength] = {}
        self._to_set: dict[tuple, list[list[Filters]]] = {}
        self._masked_by_slot: dict[tuple, list[tuple[Filters, int]]] = {}

    def to_one(
        self, slot: Slot, candidate: int, objects: int, without: tuple[int, ...]
    ) -> ByLength:
        """Returns the filters of a slot that single out one object of a set, by their number.

        Args:
            slot: the slot.
            candidate: the object.
            objects: mask of the set.
            without: what the set would be, were a relation left out; with each of these, the filters
                must find something else.
        """
        key = (slot.rules, candidate, objects, without)
        if key not in self._to_one:
            options = self._to_one[key] = {}
            target = 1 << candidate
            for filters in self._fitting[candidate]:
                mask = self.masks[filters]
                if (
                    mask & objects == target
                    and filters in slot.allowed
                    and all(mask & other != target for other in without)
                ):
                    options.setdefault(len(filters), []).append(filters)
        return self._to_one[key]

    def to_set(
        self, slot: Slot, length: int, objects: int, without: tuple[int, ...], counted: bool
    ) -> list[list[Filters]]:
        """Returns the filters of a slot, grouped by how much of a set they find, from the least.

        Args:
            slot: the slot.
            length: how many filters.
            objects, without: as for `to_one`.
            counted: whether groups tell apart numbers of objects, or only some from none.
        """
        key = (slot.rules, length, objects, without, counted)
        if key not in self._to_set:
            options = defaultdict(list)
            if length or without or counted:
                for filters, mask in self._masked(slot, length):
                    # What no object passes finds as little, whatever is left out.
                    if without and not mask:
                        continue
                    found = mask & objects
                    if found not in [mask & other for other in without]:
                        options[bin(found).count("1") if counted else found != 0].append(filters)
            self._to_set[key] = [options[amount] for amount in sorted(options)]
        return self._to_set[key]

    def _masked(self, slot: Slot, length: int) -> list[tuple[Filters, int]]:
        """The filters of a slot with what they find."""
        key = (slot.rules, length)
        if key not in self._masked_by_slot:
            self._masked_by_slot[key] = [
                (filters, self.masks[filters]) for filters in slot.by_length[length]
            ]
        return self._masked_by_slot[key]


def _fitting(item: Mapping[str, str]) -> list[Filters]:
    """The combinations of filters that one object passes."""
    fitting: list[Filters] = [()]
    for attribute in ATTRIBUTES:
        fitting += [(*filters, (attribute, item[attribute])) for filters in fitting]
    return fitting
