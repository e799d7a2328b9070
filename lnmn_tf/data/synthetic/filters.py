"""Combinations of filters: what each of them finds in a scene, and which a noun's slot may take."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from itertools import chain, product
from typing import NamedTuple

from lnmn_tf.data.synthetic.programs import ATTRIBUTES, SceneGraph

# Attributes with the values they must have, in the order of ATTRIBUTES.
Filters = tuple[tuple[str, str], ...]


class FilterIndex(NamedTuple):
    """What every combination of filters finds in a scene; made once for all its questions.

    Attributes:
      graph: the scene.
      masks: combination of filters -> the objects that pass it.
      fitting: for each object, the combinations that it passes.
    """

    graph: SceneGraph
    masks: dict[Filters, int]
    fitting: list[list[Filters]]

    @classmethod
    def of(cls, graph: SceneGraph) -> FilterIndex:
        """Applies every combination of filters to the scene."""
        masks = {(): graph.everything}
        for attribute, having in graph.having.items():
            masks.update(
                {
                    (*filters, (attribute, value)): mask & fits
                    for filters, mask in masks.items()
                    for value, fits in having.items()
                }
            )
        fitting = [
            [filters for filters, mask in masks.items() if mask >> item & 1]
            for item in range(len(graph.objects))
        ]
        return cls(graph, masks, fitting)


class Slot(NamedTuple):
    """A noun's slot in a sketch.

    Attributes:
      name: the letter it has in the wordings.
      allowed: the filters it may take.
      by_length: the same, grouped by how many attributes they name.
    """

    name: str
    allowed: frozenset[Filters]
    by_length: dict[int, list[Filters]]

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
        return cls(name, frozenset(chain.from_iterable(by_length.values())), dict(by_length))
