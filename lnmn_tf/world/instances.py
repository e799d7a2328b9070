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
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

from lnmn_tf.world.filters import FilterIndex, Filters, Slot
from lnmn_tf.world.programs import DIRECTIONS, FUNCTIONS, answer_text, indices_of

# How often a noun phrase names 0, 1, 2, 3 or 4 attributes, where all are possible.
LENGTH_WEIGHTS = (1.0, 4.0, 4.0, 2.0, 1.0)


class DeadEnd(Exception):
    """This walk cannot become a good question; another one may."""


class Instance(NamedTuple):
    """A sketch with every slot filled.

    Attributes:
        program: CLEVR's nodes.
        answer: the program's answer on the scene.
        nouns: slot -> the filters that its noun phrase names.
        others: the slots whose noun must say "other": the object before `same_*` would fit as well.
        relations: slot -> direction.
    """

    program: list[dict[str, Any]]
    answer: str
    nouns: dict[str, dict[str, str]]
    others: set[str]
    relations: dict[str, str]


class _Step(NamedTuple):
    """One word of a sketch.

    Attributes:
        function: its function; "filter" for a noun's slot.
        slot: of the noun (a Slot) or of the relation (its letter); None without one.
        following: the next word's function, "" at the end.
    """

    function: str
    slot: Any  # a Slot, a letter or None
    following: str

    @classmethod
    @cache
    def sequence(cls, sketch: tuple[str, ...]) -> list[_Step]:
        """Reads a sketch."""
        words = [word.partition(":") for word in sketch]
        functions = [function for function, _, _ in words]
        return [
            cls(function, Slot.parse(slot) if function == "filter" else slot or None, following)
            for (function, _, slot), following in zip(words, (*functions[1:], ""))
        ]


class _Node(NamedTuple):
    """A node of the growing program.

    Attributes:
        function, inputs, value_inputs: as in CLEVR's programs.
        value: the function's value; a mask where it is a set of objects.
        without: the sets it would be, were one of its relations left out.
    """

    function: str
    inputs: Sequence[int]
    value_inputs: Sequence[str]
    value: Any
    without: tuple[int, ...]


class _Walk:
    """One walk along a sketch; `unread` holds the positions of the nodes not read yet."""

    def __init__(self, index: FilterIndex, rng: random.Random):
        self.index = index
        self.graph = index.graph
        self.rng = rng
        self.nouns: dict[str, dict[str, str]] = {}
        self.others: set[str] = set()
        self.relations: dict[str, str] = {}
        self.nodes: list[_Node] = []
        self.unread: list[int] = []
        self.visited = 0  # mask of the objects that a `unique` has picked
        self.same_as = 0  # mask of the object before `same_*`

    def step(self, step: _Step) -> None:
        """Takes one word of the sketch."""
        if step.function == "filter":
            self._filter(step.slot, step.following)
        elif step.function == "relate":
            direction = self.relations[step.slot] = self.rng.choice(DIRECTIONS)
            self._apply(step.function, direction)
        else:
            if step.function.startswith("same_"):
                self.same_as = 1 << self.nodes[self.unread[-1]].value
            self._apply(step.function)

    def instance(self) -> Instance:
        """The sketch as filled by the whole walk."""
        program = [
            {
                "inputs": list(node.inputs),
                "function": node.function,
                "value_inputs": list(node.value_inputs),
            }
            for node in self.nodes
        ]
        answer = answer_text(self.nodes[-1].value)
        return Instance(program, answer, self.nouns, self.others, self.relations)

    def _append(self, node: _Node) -> None:
        """Appends a node, which reads the last of the nodes not read yet."""
        del self.unread[len(self.unread) - len(node.inputs) :]
        self.unread.append(len(self.nodes))
        self.nodes.append(node)

    def _apply(self, function: str, *value_inputs: str) -> None:
        """Appends a node of any function but a filter."""
        arity, apply = FUNCTIONS[function]
        inputs = self.unread[len(self.unread) - arity :]
        if arity == 2:
            self._refuse_degenerate(function, *inputs)
        value = apply(self.graph, *(self.nodes[read].value for read in inputs), *value_inputs)
        self._append(_Node(function, inputs, value_inputs, value, self._without(function, inputs)))

    def _without(self, function: str, inputs: Sequence[int]) -> tuple[int, ...]:
        """The new value's `without`; a relation left out selects all objects but its own.

        CLEVR lets it select all, and so asks for red balls behind the only red ball.
        """
        if function == "relate" or function.startswith("same_"):
            return (self.graph.everything & ~(1 << self.nodes[inputs[0]].value),)
        if function in ("intersect", "union"):
            one, other = (self.nodes[read] for read in inputs)
            apply = FUNCTIONS[function].apply
            return tuple(
                apply(self.graph, left_out, other.value) for left_out in one.without
            ) + tuple(apply(self.graph, one.value, left_out) for left_out in other.without)
        return ()

    def _filter(self, slot: Slot, following: str) -> None:
        objects = self.nodes[self.unread[-1]]
        if following == "unique":
            filters = self._filters_to_one(objects, slot)
        else:
            filters = self._filters_to_set(objects, slot, counted=following == "count")
        self.nouns[slot.name] = dict(filters)
        if self.same_as & self.index.masks[filters]:
            self.others.add(slot.name)
        value, without = objects.value, objects.without
        for attribute, wanted in filters:
            mask = self.graph.having[attribute][wanted]
            value &= mask
            without = tuple(left_out & mask for left_out in without)
            self._append(_Node(f"filter_{attribute}", self.unread[-1:], (wanted,), value, without))

    def _filters_to_one(self, objects: _Node, slot: Slot) -> Filters:
        """Draws an object not visited yet, and filters that single it out."""
        candidates = indices_of(objects.value & ~self.visited)
        self.rng.shuffle(candidates)
        for candidate in candidates:
            options = self.index.to_one(slot, candidate, objects.value, objects.without)
            if options:
                self.visited |= 1 << candidate
                return self.rng.choice(options[self._draw_length(tuple(options))])
        raise DeadEnd

    def _filters_to_set(self, objects: _Node, slot: Slot, counted: bool) -> Filters:
        """Draws how many attributes to name, how many objects to find (or whether), then filters.

        In this order a long description is not a hint that there is nothing to be found.
        """
        lengths = tuple(slot.by_length)
        while lengths:
            length = self._draw_length(lengths)
            lengths = tuple(other for other in lengths if other != length)
            options = self.index.to_set(slot, length, objects.value, objects.without, counted)
            if options:
                return self.rng.choice(self.rng.choice(options))
        raise DeadEnd

    def _draw_length(self, lengths: tuple[int, ...]) -> int:
        return self.rng.choices(lengths, cum_weights=_cumulative_weights(lengths))[0]

    def _refuse_degenerate(self, function: str, one: int, other: int) -> None:
        """Ends the walk where two sets, objects or numbers are not worth bringing together."""
        values = self.nodes[one].value, self.nodes[other].value
        if function == "union" and values[0] == values[1] != 0:
            raise DeadEnd
        if function in ("equal_integer", "less_than", "greater_than") and values == (0, 0):
            raise DeadEnd
        first, second = self._conditions(one), self._conditions(other)
        if first <= second or second <= first:
            raise DeadEnd

    def _conditions(self, position: int) -> frozenset:
        """What puts an object into a node's set; more conditions never add an object.

        An object or a number keeps the conditions of its set.
        """
        node = self.nodes[position]
        if node.function == "relate" or node.function.startswith("same_"):
            return frozenset(
                {(node.function, self.nodes[node.inputs[0]].value, *node.value_inputs)}
            )
        read = [self._conditions(position) for position in node.inputs]
        if node.function == "union":
            return frozenset({(node.function, *read)})
        own = {(node.function, *node.value_inputs)} if node.value_inputs else ()
        return frozenset(own).union(*read)


@cache
def _cumulative_weights(lengths: tuple[int, ...]) -> list[float]:
    return list(accumulate(LENGTH_WEIGHTS[length] for length in lengths))


def instantiate(sketch: tuple[str, ...], index: FilterIndex, rng: random.Random) -> Instance:
    """Walks a sketch once.

    Args:
        sketch: a family's sketch.
        index: of the scene.
        rng: the source of chance.

    Raises:
        DeadEnd: the choices drawn lead to no good question; another walk may fare better.
    """
    walk = _Walk(index, rng)
    for step in _Step.sequence(sketch):
        walk.step(step)
    return walk.instance()
