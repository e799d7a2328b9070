"""The walks of `instances.py`, thousands at once: one sketch, many scenes, every step an array.

The laws are those of `instances.py`, word for word: the same choices with the same chances, and the
same dead ends. A walk in a dead end is carried along, and marked.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.world.filters import Slot
from lnmn_tf.world.instances import LENGTH_WEIGHTS
from lnmn_tf.world.programs import DIRECTIONS, FUNCTIONS, possible_answers
from lnmn_tf.world.scene_table import BITS, DIGITS, FILTERS, NUM_NAMED, SUBSETS, SceneTable

_POPCOUNT = np.array([bin(mask).count("1") for mask in range(1 << len(BITS))], np.int16)
_INDEX = np.maximum([mask.bit_length() - 1 for mask in range(1 << len(BITS))], 0)
_BITS_OF_AMOUNT = (1 << np.arange(len(BITS) + 1)).astype(np.int16)
_WEIGHTS = np.array(LENGTH_WEIGHTS)
_SETS = {"intersect": np.bitwise_and, "union": np.bitwise_or}
_NUMBERS = {"equal_integer": np.equal, "less_than": np.less, "greater_than": np.greater}


class Walked(NamedTuple):
    """M walks of one sketch.

    Attributes:
        alive: bool [M], False for a dead end, whose other values mean nothing.
        answers: int [M], places in `possible_answers` of the sketch's last function.
        nouns: slot -> int [M], ids of `scene_table.FILTERS`.
        others: slots whose noun may say "other" -> bool [M], where it must.
        relations: slot -> int [M], places in DIRECTIONS.
    """

    alive: np.ndarray
    answers: np.ndarray
    nouns: dict[str, np.ndarray]
    others: dict[str, np.ndarray]
    relations: dict[str, np.ndarray]


class _Value(NamedTuple):
    """What a node holds.

    Attributes:
        value: int [M], a mask, or an object's index, a number or an attribute's value.
        without: the masks it would be, were one of its relations left out, each [M].
        relation: int [M], the relation or `same_*` that its objects come from; None for the scene.
        filters: int [M], the id of the filters since then.
    """

    value: np.ndarray
    without: tuple[np.ndarray, ...] = ()
    relation: np.ndarray | None = None
    filters: np.ndarray | int = 0


class _SlotIds(NamedTuple):
    """A noun's slot as arrays.

    Attributes:
        name: its letter.
        ways: which of the 16 ways to describe an object it may take, by how many attributes they name.
        ids: the ids it may take, by how many attributes they name.
        way_lengths, id_lengths: how many attributes each of them names.
    """

    name: str
    ways: np.ndarray
    ids: np.ndarray
    way_lengths: np.ndarray
    id_lengths: np.ndarray

    @classmethod
    @cache
    def parse(cls, text: str) -> _SlotIds:
        slot = Slot.parse(text)
        ids = np.array(
            [i for i in np.argsort(NUM_NAMED, kind="stable") if FILTERS[i] in slot.allowed]
        )
        allowed = {tuple(named) for named in (DIGITS[ids] > 0).astype(np.int8).tolist()}
        lengths = SUBSETS.sum(1)
        by_length = np.argsort(lengths, kind="stable")
        ways = np.array([way for way in by_length if tuple(SUBSETS[way].tolist()) in allowed])
        return cls(slot.name, ways, ids, lengths[ways], NUM_NAMED[ids])


class _Walks:
    """M walks; `unread` holds the values not read yet."""

    def __init__(self, table: SceneTable, scenes: np.ndarray, rng: np.random.Generator):
        self.table, self.scenes, self.rng = table, scenes, rng
        self.rows = np.arange(len(scenes))
        self.everything = table.everything[scenes]
        self.alive = np.ones(len(scenes), bool)
        self.visited = np.zeros(len(scenes), np.int16)
        self.same_as: np.ndarray | None = None
        self.unread: list[_Value] = []
        self.nouns: dict[str, np.ndarray] = {}
        self.others: dict[str, np.ndarray] = {}
        self.relations: dict[str, np.ndarray] = {}

    def step(self, function: str, slot: str, following: str) -> None:
        """Takes one word of the sketch."""
        kind, _, attribute = function.partition("_")
        column = list(ATTRIBUTES).index(attribute) if attribute in ATTRIBUTES else None
        if function == "scene":
            self.unread.append(_Value(self.everything))
            return
        last = self.unread.pop()
        if function == "filter":
            self.unread.append(self._filter(last, _SlotIds.parse(slot), following))
        elif function == "unique":
            self.unread.append(last._replace(value=_INDEX[last.value], without=()))
        elif function == "relate":
            way = self.relations[slot] = self.rng.integers(len(DIRECTIONS), size=len(self.rows))
            value = self.table.related[self.scenes, way, last.value]
            self.unread.append(self._hop(last, value, way))
        elif kind == "same":
            values = self.table.values[self.scenes, last.value, column]
            self.same_as = BITS[last.value]
            value = self.table.masks[self.scenes, _id_of(column, values)] & ~self.same_as
            self.unread.append(self._hop(last, value, len(DIRECTIONS) + column))
        elif function == "count":
            self.unread.append(last._replace(value=_POPCOUNT[last.value]))
        elif function == "exist":
            self.unread.append(last._replace(value=last.value == 0))  # "yes" comes first
        elif kind == "query":
            values = self.table.values[self.scenes, last.value, column]
            self.unread.append(last._replace(value=values))
        else:
            self.unread.append(self._join(function, self.unread.pop(), last))

    def _hop(self, last: _Value, value: np.ndarray, way: np.ndarray | int) -> _Value:
        everything_else = self.everything & ~BITS[last.value]
        return _Value(value, (everything_else,), way * len(BITS) + last.value)

    def _join(self, function: str, one: _Value, other: _Value) -> _Value:
        """Two sets, numbers or attributes; a walk ends where they are not worth bringing together."""
        self.alive &= ~(_within(one, other) | _within(other, one))
        if function in _SETS:
            apply = _SETS[function]
            if function == "union":
                self.alive &= (one.value != other.value) | (one.value == 0)
            without = [apply(left_out, other.value) for left_out in one.without]
            without += [apply(one.value, left_out) for left_out in other.without]
            return _Value(apply(one.value, other.value), tuple(without), filters=None)
        if function in _NUMBERS:
            self.alive &= (one.value != 0) | (other.value != 0)
        compare = _NUMBERS.get(function, np.equal)
        return _Value(~compare(one.value, other.value), filters=None)

    def _filter(self, objects: _Value, slot: _SlotIds, following: str) -> _Value:
        if following == "unique":
            ids = self._filters_to_one(objects, slot)
        else:
            ids = self._filters_to_set(objects, slot, counted=following == "count")
        masks = self.table.masks[self.scenes, ids]
        self.nouns[slot.name] = ids
        if self.same_as is not None:
            self.others[slot.name] = (self.same_as & masks) != 0
        without = tuple(left_out & masks for left_out in objects.without)
        return _Value(objects.value & masks, without, objects.relation, ids)

    def _filters_to_one(self, objects: _Value, slot: _SlotIds) -> np.ndarray:
        """Draws an object not visited yet, and filters that single it out: ids [M]."""
        fitting = self.table.fitting[self.scenes][:, :, slot.ways]  # [M, 10, ways]
        masks = self.table.masks[self.scenes[:, None, None], fitting]
        target = BITS[:, None]
        options = (masks & objects.value[:, None, None]) == target
        for left_out in objects.without:
            options &= (masks & left_out[:, None, None]) != target
        candidates = options.any(2) & ((self.visited[:, None] & BITS) == 0)
        item = self._one_of(candidates)
        self.visited |= BITS[item]
        options = options[self.rows, item]
        length = self._length(options, slot.way_lengths)
        way = self._one_of(options & (slot.way_lengths == length[:, None]))
        return fitting[self.rows, item, way]

    def _filters_to_set(self, objects: _Value, slot: _SlotIds, counted: bool) -> np.ndarray:
        """Draws how many attributes to name, how many objects to find (or whether), then ids [M]."""
        masks = self.table.masks[self.scenes][:, slot.ids]  # [M, ids]
        found = masks & objects.value[:, None]
        amounts = _POPCOUNT[found] if counted else (found != 0).view(np.uint8)
        if objects.without:
            options = masks != 0  # what no object passes finds as little, whatever is left out
            for left_out in objects.without:
                options &= found != (masks & left_out[:, None])
        else:
            options = np.ones(masks.shape, bool)
            if not counted:
                options &= slot.id_lengths > 0
        options &= slot.id_lengths == self._length(options, slot.id_lengths)[:, None]
        seen = np.bitwise_or.reduce(np.where(options, _BITS_OF_AMOUNT[amounts], 0), axis=1)
        amount = self._one_of((seen[:, None] & _BITS_OF_AMOUNT) != 0)
        return slot.ids[self._one_of(options & (amounts == amount[:, None]))]

    def _length(self, options: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Draws by weight how many attributes to name, among those with an option: int [M].

        Args:
            options: bool [M, k].
            lengths: int [k], how many attributes each option names, in increasing order.
        """
        possible, starts = np.unique(lengths, return_index=True)
        open_lengths = np.logical_or.reduceat(options, starts, axis=1)
        bounds = np.cumsum(open_lengths * _WEIGHTS[possible], axis=1)
        drawn = bounds > self.rng.random([len(bounds), 1]) * bounds[:, -1:]
        return possible[drawn.argmax(1)]

    def _one_of(self, options: np.ndarray) -> np.ndarray:
        """Draws one column of each row where `options` holds; a row without ends its walk."""
        ranks = options.cumsum(1, dtype=np.int16)
        self.alive &= ranks[:, -1] > 0
        wanted = (self.rng.random(len(ranks)) * ranks[:, -1]).astype(np.int16)
        return (ranks > wanted[:, None]).argmax(1)


def _id_of(column: int, values: np.ndarray) -> np.ndarray:
    """The ids that ask for one attribute's values alone."""
    alone = [
        int(np.flatnonzero((DIGITS[:, column] == value + 1) & (NUM_NAMED == 1))[0])
        for value in range(DIGITS[:, column].max())
    ]
    return np.array(alone)[values]


def _within(one: _Value, other: _Value) -> np.ndarray | bool:
    """Whether all conditions of one set are conditions of the other: bool [M]."""
    asked, given = DIGITS[one.filters], DIGITS[other.filters]
    inside = ((asked == 0) | (asked == given)).all(-1)
    if one.relation is None:
        return inside
    return inside & (one.relation == other.relation) if other.relation is not None else False


def walk(
    sketch: tuple[str, ...], table: SceneTable, scenes: np.ndarray, rng: np.random.Generator
) -> Walked:
    """Walks a sketch once on each of M scenes.

    Args:
        sketch: a family's sketch; at most one of its functions joins two values.
        table: the scenes.
        scenes: int [M], rows of `table`; a scene may be there more than once.
        rng: the source of chance.

    Raises:
        ValueError: the sketch joins more than once.
    """
    words = [word.partition(":") for word in sketch]
    if sum(word in FUNCTIONS and FUNCTIONS[word].arity == 2 for word in sketch) > 1:
        raise ValueError(
            f"sketch {' '.join(sketch)}: joins more than once; expected at most one join"
        )
    walks = _Walks(table, scenes, rng)
    for (function, _, slot), (following, _, _) in zip(words, [*words[1:], ("", "", "")]):
        walks.step(function, slot, following)
    (end,) = walks.unread
    answers = np.minimum(end.value.astype(int), len(possible_answers(words[-1][0])) - 1)
    return Walked(walks.alive, answers, walks.nouns, walks.others, walks.relations)
