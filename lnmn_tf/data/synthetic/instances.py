"""Instances of a family: its sketch walked over a scene, every open choice drawn from what fits.

Wherever a sketch is open (which relation? which filters?) one of the choices that the scene allows
is drawn, so a walk seldom ends in vain; when it does, it is a dead end. A walk never yields a
question that is

* ill-posed: a description that must fit one object fits none or several;
* circular: it comes to one object twice, as when an object is compared with itself;
* degenerate: a relation could be left out without changing the set selected through it, or one of
  two sets joined or compared is part of the other by definition, or two numbers compared are 0.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from lnmn_tf.data.synthetic.filters import FilterIndex, Filters, Slot
from lnmn_tf.data.synthetic.programs import DIRECTIONS, FUNCTIONS, indices_of

# How often a noun phrase names 0, 1, 2, 3 or 4 attributes, where all are possible.
_LENGTH_WEIGHTS = (1.0, 4.0, 4.0, 2.0, 1.0)


class DeadEnd(Exception):
    """This walk cannot become a good question; another one may."""


class Instance(NamedTuple):
    """A sketch with every slot filled.

    Attributes:
      program: CLEVR's nodes.
      nouns: slot -> the filters that its noun phrase names.
      others: the slots whose noun must say "other": the object before `same_*` would fit as well.
      relations: slot -> direction.
    """

    program: list[dict[str, Any]]
    nouns: dict[str, dict[str, str]]
    others: set[str]
    relations: dict[str, str]


class _Value(NamedTuple):
    """What a node of the growing program yields.

    Attributes:
      value: the function's value; a mask where it is a set of objects.
      node: position of the node in the program.
      without: the sets it would be, were one of its relations left out.
      conditions: what puts an object into the set; more conditions never add an object.
    """

    value: Any
    node: int
    without: tuple[int, ...]
    conditions: frozenset


class _Walk:
    """One walk along a sketch; `stack` holds the values not read yet."""

    def __init__(self, index: FilterIndex, rng: random.Random):
        self.graph = index.graph
        self.masks = index.masks
        self.fitting = index.fitting
        self.rng = rng
        self.instance = Instance([], {}, set(), {})
        self.stack: list[_Value] = []
        self.visited = 0  # mask of the objects that a `unique` has picked
        self.same_as = 0  # mask of the object before `same_*`

    def step(self, word: str, following: str) -> None:
        """Takes one word of the sketch; `following` is the next one, "" at the end."""
        function, _, slot = word.partition(":")
        if function == "filter":
            self._filter(slot, following)
        elif function == "relate":
            direction = self.instance.relations[slot] = self.rng.choice(DIRECTIONS)
            self._apply(function, direction)
        else:
            if function.startswith("same_"):
                self.same_as = 1 << self.stack[-1].value
            self._apply(function)

    def _apply(self, function: str, *value_inputs: str) -> None:
        """Appends a node, and replaces the values it reads by its own."""
        arity, apply = FUNCTIONS[function]
        inputs = self.stack[len(self.stack) - arity :]
        del self.stack[len(self.stack) - arity :]
        if arity == 2:
            _refuse_degenerate(function, *inputs)
        value = apply(self.graph, *(read.value for read in inputs), *value_inputs)
        self.stack.append(
            _Value(
                value,
                len(self.instance.program),
                self._without(function, inputs, value_inputs),
                _conditions(function, inputs, value_inputs),
            )
        )
        self.instance.program.append(
            {
                "inputs": [read.node for read in inputs],
                "function": function,
                "value_inputs": list(value_inputs),
            }
        )

    def _without(
        self, function: str, inputs: Sequence[_Value], value_inputs: Sequence[str]
    ) -> tuple[int, ...]:
        """The new value's `without`; a relation left out selects all objects but its own.

        CLEVR lets it select all, and so asks for red balls behind the only red ball.
        """
        if function == "relate" or function.startswith("same_"):
            return (self.graph.everything & ~(1 << inputs[0].value),)
        if function in ("intersect", "union"):
            one, other = inputs
            apply = FUNCTIONS[function].apply
            return tuple(
                apply(self.graph, left_out, other.value) for left_out in one.without
            ) + tuple(apply(self.graph, one.value, left_out) for left_out in other.without)
        if function.startswith("filter_"):
            apply = FUNCTIONS[function].apply
            return tuple(apply(self.graph, mask, *value_inputs) for mask in inputs[0].without)
        return ()

    def _filter(self, text: str, following: str) -> None:
        slot = Slot.parse(text)
        if following == "unique":
            filters = self._filters_to_one(self.stack[-1], slot)
        else:
            filters = self._filters_to_set(self.stack[-1], slot, counted=following == "count")
        self.instance.nouns[slot.name] = dict(filters)
        if self.same_as & self.masks[filters]:
            self.instance.others.add(slot.name)
        for attribute, value in filters:
            self._apply(f"filter_{attribute}", value)

    def _filters_to_one(self, objects: _Value, slot: Slot) -> Filters:
        """Draws an object not visited yet, and filters that single it out."""
        candidates = indices_of(objects.value & ~self.visited)
        self.rng.shuffle(candidates)
        for candidate in candidates:
            target = 1 << candidate
            options = defaultdict(list)  # by length
            for filters in self.fitting[candidate]:
                found = self.masks[filters] & objects.value
                if found == target and filters in slot.allowed and self._matters(objects, filters):
                    options[len(filters)].append(filters)
            if options:
                self.visited |= target
                return self.rng.choice(options[self._draw_length(list(options))])
        raise DeadEnd

    def _filters_to_set(self, objects: _Value, slot: Slot, counted: bool) -> Filters:
        """Draws how many attributes to name, how many objects to find (or whether), then filters.

        In this order a long description is not a hint that there is nothing to be found.
        """
        lengths = list(slot.by_length)
        while lengths:
            length = self._draw_length(lengths)
            lengths.remove(length)
            options = defaultdict(list)  # by what they find
            for filters in slot.by_length[length]:
                if self._matters(objects, filters) and (filters or objects.without or counted):
                    found = self.masks[filters] & objects.value
                    options[bin(found).count("1") if counted else found != 0].append(filters)
            if options:
                return self.rng.choice(options[self.rng.choice(sorted(options))])
        raise DeadEnd

    def _draw_length(self, lengths: Sequence[int]) -> int:
        return self.rng.choices(lengths, [_LENGTH_WEIGHTS[length] for length in lengths])[0]

    def _matters(self, objects: _Value, filters: Filters) -> bool:
        """Whether every relation makes a difference to the objects that pass the filters."""
        mask = self.masks[filters]
        found = mask & objects.value
        return all(mask & left_out != found for left_out in objects.without)


def _conditions(function: str, inputs: Sequence[_Value], value_inputs: Sequence[str]) -> frozenset:
    """The conditions of a node's value; an object or a number keeps those of its set."""
    if function == "union":
        return frozenset({(function, *(read.conditions for read in inputs))})
    conditions = frozenset().union(*(read.conditions for read in inputs))
    if function.startswith("filter_"):
        return conditions | {(function, *value_inputs)}
    if function == "relate" or function.startswith("same_"):
        return frozenset({(function, inputs[0].value, *value_inputs)})
    return conditions


def _refuse_degenerate(function: str, one: _Value, other: _Value) -> None:
    """Ends the walk where two sets, two objects or two numbers are not worth bringing together."""
    if one.conditions <= other.conditions or other.conditions <= one.conditions:
        raise DeadEnd
    if function == "union" and one.value == other.value != 0:
        raise DeadEnd
    if function in ("equal_integer", "less_than", "greater_than") and one.value == other.value == 0:
        raise DeadEnd


def instantiate(sketch: Sequence[str], index: FilterIndex, rng: random.Random) -> Instance:
    """Walks a sketch once.

    Args:
      sketch: a family's sketch.
      index: of the scene.
      rng: the source of chance.

    Raises:
      DeadEnd: the choices drawn lead to no good question; another walk may fare better.
    """
    walk = _Walk(index, rng)
    for word, following in zip(sketch, (*sketch[1:], "")):
        walk.step(word, following)
    return walk.instance
