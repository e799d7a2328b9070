"""Many scenes as arrays, so that thousands of questions can be walked at once.

A set of objects is a mask as in `programs.SceneGraph`: bit i stands for object i. A combination of
filters has a number, its id; id 0 filters nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.errors import InputError
from lnmn_tf.world.filters import Filters
from lnmn_tf.world.programs import DIRECTIONS
from lnmn_tf.world.scenes import MAX_OBJECTS

# digits[id] says for each attribute which value is asked for, from 1; 0 asks for none.
DIGITS = np.array(list(product(*(range(len(v) + 1) for v in ATTRIBUTES.values()))), np.int8)
FILTERS: tuple[Filters, ...] = tuple(
    tuple(
        (attribute, values[digit - 1])
        for (attribute, values), digit in zip(ATTRIBUTES.items(), digits)
        if digit
    )
    for digits in DIGITS.tolist()
)
NUM_NAMED = (DIGITS > 0).sum(1)  # how many attributes each id names
# Which attributes are named by each of the 16 ways to describe one object.
SUBSETS = np.array(list(product((0, 1), repeat=len(ATTRIBUTES))), np.int8)
BITS = (1 << np.arange(MAX_OBJECTS)).astype(np.int16)
_STRIDES = np.array([np.prod(DIGITS.max(0)[k + 1 :].astype(int) + 1) for k in range(4)])


class SceneTable:
    """S scenes.

    Args:
        scenes: in CLEVR's JSON form, with `objects` and `relationships`; about 1.3 kB are kept of each.

    Attributes:
        everything: int16 [S], the mask of all objects.
        values: int8 [S, 10, 4], which value each object has of each attribute, from 0.
        related: int16 [S, 4, 10], the mask of the objects in each direction of each object.
        masks: int16 [S, ids], the objects that pass each combination of filters.
        fitting: int16 [S, 10, 16], the ids of the combinations that each object passes.

    Raises:
        InputError: a scene has more than ten objects, or an attribute's value is none of CLEVR's.
    """

    def __init__(self, scenes: Sequence[Mapping[str, Any]]):
        count = len(scenes)
        self.everything = np.zeros(count, np.int16)
        self.values = np.zeros([count, MAX_OBJECTS, len(ATTRIBUTES)], np.int8)
        self.related = np.zeros([count, len(DIRECTIONS), MAX_OBJECTS], np.int16)
        for row, scene in enumerate(scenes):
            self._fill(row, scene)
        self.masks = self._masks()
        self.fitting = ((self.values + 1) @ (SUBSETS * _STRIDES).T).astype(np.int16)

    def __len__(self) -> int:
        return len(self.everything)

    def _fill(self, row: int, scene: Mapping[str, Any]) -> None:
        objects = scene["objects"]
        if len(objects) > MAX_OBJECTS:
            raise InputError(
                f"scene {scene.get('image_filename', row)} has {len(objects)} objects; expected at "
                f"most {MAX_OBJECTS}"
            )
        try:
            self.values[row, : len(objects)] = [
                [values.index(item[name]) for name, values in ATTRIBUTES.items()]
                for item in objects
            ]
        except ValueError as error:
            name = scene.get("image_filename", row)
            raise InputError(f"scene {name}: {error}; expected CLEVR's values") from None
        self.everything[row] = (1 << len(objects)) - 1
        for number, direction in enumerate(DIRECTIONS):
            for item, related in enumerate(scene["relationships"][direction]):
                self.related[row, number, item] = sum(1 << other for other in related)

    def _masks(self) -> np.ndarray:
        present = (self.everything[:, None] & BITS) != 0
        masks = np.repeat(self.everything[:, None], len(DIGITS), axis=1)
        for attribute in range(len(ATTRIBUTES)):
            for value in range(DIGITS[:, attribute].max()):
                having = ((self.values[:, :, attribute] == value) & present) @ BITS
                asked = DIGITS[:, attribute] == value + 1
                masks[:, asked] &= having.astype(np.int16)[:, None]
        return masks
