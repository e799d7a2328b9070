"""The objects of CLEVR's universe: what they can be, and how large they are."""

from __future__ import annotations

import math
from typing import NamedTuple

from lnmn_tf.data.attributes import ATTRIBUTES

SHAPES = ATTRIBUTES["shape"]
MATERIALS = ATTRIBUTES["material"]
# Radius in world units; an object stands on the ground, its centre one radius above it.
SIZES = {"large": 0.7, "small": 0.35}
# CLEVR's palette, sRGB in [0, 255].
COLORS = {
    "gray": (87, 87, 87),
    "red": (173, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 105, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}


class SceneObject(NamedTuple):
    """One object, described by CLEVR's own attributes.

    Attributes:
        shape: one of SHAPES.
        size: a key of SIZES.
        material: one of MATERIALS.
        color: a key of COLORS.
        position: the centre, x, y, z in world units.
        rotation: the turn around the vertical axis, in degrees within [0, 360).
    """

    shape: str
    size: str
    material: str
    color: str
    position: tuple[float, float, float]
    rotation: float

    @property
    def radius(self) -> float:
        """Half the object's height, and half its width along its own axes, in world units."""
        return SIZES[self.size]

    @property
    def footprint(self) -> float:
        """The radius of the smallest upright tube around the object, in world units."""
        return self.radius * (math.sqrt(2.0) if self.shape == "cube" else 1.0)
