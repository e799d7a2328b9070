"""Soft shadows: under the objects, across the ground, and from one object on another."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lnmn_tf.data.synthetic.camera import Camera
from lnmn_tf.data.synthetic.lighting import Lamp
from lnmn_tf.data.synthetic.objects import SceneObject
from lnmn_tf.data.synthetic.raycast import Box, boxes_around

# The share of the surround that an object takes from the ground right beside it, and how far that
# reaches, in radii.
_CONTACT_STRENGTH = 0.75
_CONTACT_REACH = 2.5
# Half the width of the sharpest shadow edge, in world units.
_LEAST_BLUR = 0.06
_LEAST_DEPTH = 0.1
_NEARLY_ZERO = 1e-6
_SQUARE = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])


def contact_boxes(
    objects: Sequence[SceneObject], camera: Camera, width: int, height: int
) -> list[Box]:
    """The pixels of the ground that `contact_shadow` can darken, for each object."""
    positions, radii, _ = _figures(tuple(objects))
    outlines = positions[:, None, :2] + _CONTACT_REACH * radii[:, None, None] * _SQUARE
    return _ground_boxes(outlines, camera, width, height)


def contact_shadow(thing: SceneObject, ground: np.ndarray) -> np.ndarray:
    """Returns the share of the surround that the object hides, float32 [...].

    Args:
      thing: the object.
      ground: x and y of ground points, float32 [2 or 3, ...].
    """
    x = (ground[0] - thing.position[0]) / thing.radius
    y = (ground[1] - thing.position[1]) / thing.radius
    squared = x * x + y * y
    distance = np.sqrt(squared)
    if thing.shape == "sphere":
        # The solid angle of a ball that rests on the ground, times the cosine of its direction.
        slant = squared + 1
        hidden = 1 / (slant * np.sqrt(slant))
    else:
        hidden = 0.6 * np.exp(-2.2 * np.maximum(distance - 1, 0))
    fade = np.minimum(np.maximum(_CONTACT_REACH - distance, 0), 1)
    return _CONTACT_STRENGTH * hidden * fade


def cast_boxes(
    objects: Sequence[SceneObject], shining: Sequence[Lamp], camera: Camera, width: int, height: int
) -> list[list[Box]]:
    """The pixels of the ground that `cast_shadow` can darken, for each lamp and object."""
    positions, radii, footprints = _figures(tuple(objects))
    base = positions[:, None, :2] + footprints[:, None, None] * _SQUARE
    outlines = []
    for lamp in shining:
        shares = (2 * radii / lamp.position[2])[:, None, None]
        top = (base + lamp.radius * shares * _SQUARE - shares * lamp.position[:2]) / (1 - shares)
        outlines.append(np.concatenate([base, top], axis=1))
    boxes = _ground_boxes(np.concatenate(outlines), camera, width, height)
    count = len(objects)
    return [boxes[first : first + count] for first in range(0, len(boxes), count)]


class _Approach(NamedTuple):
    """Where straight ways from points to a lamp come nearest to a place.

    Attributes:
      passing: there, as a share of the way, float32 [...].
      distance: from there to the place, in world units, float32 [...].
      along: scalar product of the ways from the point to the place and to the lamp, float32 [...].
      squared: squared length of the way to the lamp, float32 [...].
    """

    passing: np.ndarray
    distance: np.ndarray
    along: np.ndarray
    squared: np.ndarray


def _approach(
    offsets: Sequence[np.ndarray], lamp_offset: Sequence[float], last: float | None = None
) -> _Approach:
    """Follows the ways from points to a lamp, both seen from the place, up to a share of them.

    Args:
      offsets: of the points from the place, one array for each axis, float32 [...].
      lamp_offset: of the lamp.
      last: the share of the way at which it ends; None follows it wherever it leads.
    """
    own = sum(offset * offset for offset in offsets)
    along = own - sum(offset * lamp for offset, lamp in zip(offsets, lamp_offset))
    squared = 2 * along
    squared -= own
    squared += math.hypot(*lamp_offset) ** 2
    np.maximum(squared, _NEARLY_ZERO, out=squared)
    passing = np.maximum(along / squared, 0)
    if last is not None:
        np.minimum(passing, last, out=passing)
    own -= passing * (2 * along - passing * squared)
    distance = np.sqrt(np.maximum(own, 0, out=own), out=own)
    return _Approach(passing, distance, along, squared)


def cast_shadow(thing: SceneObject, lamp: Lamp, ground: np.ndarray) -> np.ndarray:
    """Returns the share of the lamp's light that the object hides, float32 [...].

    A ground point is in shadow when its ray to the lamp, as far as it is below the object's top,
    passes the object's upright axis within the radius.

    Args:
      thing: the object.
      lamp: the lamp.
      ground: ground points, float32 [3, ...].
    """
    if thing.shape == "sphere":
        return ball_shadow(thing, lamp, ground)
    share = 2 * thing.radius / float(lamp.position[2])  # of the way: below the object's top
    offsets = [ground[axis] - thing.position[axis] for axis in range(2)]
    to_lamp = [float(lamp.position[axis]) - thing.position[axis] for axis in range(2)]
    if thing.shape == "cylinder":
        way = _approach(offsets, to_lamp, share)
        return _soft_edge(thing.radius - way.distance, way.passing, lamp)
    offsets, to_lamp = _turned(thing, *offsets), _turned(thing, *to_lamp)
    way = _approach(offsets, to_lamp, share)
    reach = _half_width(thing, offsets, to_lamp, way)
    return _soft_edge(reach - way.distance, way.passing, lamp)


def _turned(thing: SceneObject, x: float | np.ndarray, y: float | np.ndarray) -> tuple:
    """Offsets from an object along its own sides."""
    angle = math.radians(thing.rotation)
    cosine, sine = math.cos(angle), math.sin(angle)
    return cosine * x + sine * y, cosine * y - sine * x


def _half_width(
    thing: SceneObject, offsets: Sequence[np.ndarray], to_lamp: Sequence[float], way: _Approach
) -> np.ndarray:
    """How far a cube reaches from its axis towards rays that pass it, float32 [...].

    From well behind the cube, a ray on its way to the lamp grazes the outermost corner; from beside
    the base, only the base's own side is in the way.

    Args:
      thing: the cube.
      offsets: of the ground points from its axis, along its own sides, each float32 [...].
      to_lamp: that of the lamp.
      way: from the points to the lamp.
    """
    first, second = (
        np.abs(offset + way.passing * (lamp - offset)) for offset, lamp in zip(offsets, to_lamp)
    )
    distance = np.maximum(way.distance, _NEARLY_ZERO)
    side = distance / np.maximum(np.maximum(first, second), _NEARLY_ZERO)
    corner = (first + second) / distance
    behind = way.along / np.sqrt(way.squared)
    blend = np.minimum(np.maximum(behind / thing.radius, 0), 1)
    return thing.radius * (side + blend * (corner - side))


def ball_shadow(thing: SceneObject, lamp: Lamp, points: np.ndarray) -> np.ndarray:
    """Returns the share of the lamp's light that a ball of the object's radius hides.

    Exact for spheres; what other shapes throw on their neighbours is small enough to be round.

    Args:
      thing: the object that throws the shadow.
      lamp: the lamp.
      points: surface points, float32 [3, ...].
    """
    offsets = [points[axis] - thing.position[axis] for axis in range(3)]
    to_lamp = [float(lamp.position[axis]) - thing.position[axis] for axis in range(3)]
    way = _approach(offsets, to_lamp)
    return _soft_edge(thing.radius - way.distance, way.passing, lamp)


def shading_pairs(
    objects: Sequence[SceneObject], shining: Sequence[Lamp]
) -> list[tuple[int, int, int]]:
    """Returns (lamp, caster, receiver) for all objects whose shadow may reach another one."""
    positions, radii, footprints = _figures(tuple(objects))
    offsets = positions[:, None] - positions[None]  # [casters, receivers, 3]
    rays = np.stack([lamp.position for lamp in shining])[:, None] - positions  # [lamps, objects, 3]
    lengths = np.einsum("lri,lri->lr", rays, rays)[:, None]
    passing = np.einsum("cri,lri->lcr", offsets, rays) / lengths
    gaps = np.linalg.norm(offsets - passing[..., None] * rays[:, None], axis=3)
    widths = np.array([lamp.radius for lamp in shining])[:, None, None]
    near = (passing > 0) & (gaps < radii[:, None] + footprints + widths * passing)
    near &= ~np.eye(len(objects), dtype=bool)
    return [tuple(pair) for pair in np.argwhere(near).tolist()]


def _soft_edge(depth: np.ndarray, passing: np.ndarray, lamp: Lamp) -> np.ndarray:
    """How much of the lamp's disc is hidden from where a ray is `depth` within the shadow.

    Args:
      depth: how far inside the object's outline the ray passes, negative outside, world units;
        overwritten.
      passing: where it does so, as a share of the way to the lamp.
      lamp: the disc, which at that place looks `passing` times its size.
    """
    depth /= lamp.radius * passing + _LEAST_BLUR
    ramp = np.minimum(np.maximum(depth, -1, out=depth), 1, out=depth)
    return 0.5 + ramp * (0.75 - 0.25 * ramp * ramp)


@functools.lru_cache(maxsize=1)  # one scene at a time asks for them, once for each lamp
def _figures(objects: tuple[SceneObject, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns positions, [objects, 3], radii and footprints, [objects], in world units."""
    return (
        np.array([thing.position for thing in objects]),
        np.array([thing.radius for thing in objects]),
        np.array([thing.footprint for thing in objects]),
    )


def _ground_boxes(outlines: np.ndarray, camera: Camera, width: int, height: int) -> list[Box]:
    """The pixels that ground outlines, [outlines, corners, 2], can cover."""
    corners = np.zeros((*outlines.shape[:2], 3))
    corners[..., :2] = outlines
    pixels = camera.project(corners, width, height)
    # Beside or behind the camera there is no projection: the outline may then cover anything.
    pixels[pixels[..., 2].min(axis=1) <= _LEAST_DEPTH, :2, :2] = [(0, 0), (width, height)]
    return boxes_around(pixels[..., :2], width, height)
