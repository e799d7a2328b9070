"""Soft shadows: under the objects, across the ground, and from one object on another."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lnmn_tf.world.camera import Camera
from lnmn_tf.world.lighting import Lamp
from lnmn_tf.world.objects import SceneObject
from lnmn_tf.world.raycast import Box, boxes_around, dot

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
    """The pixels of the ground that `cast_shadows` can darken, for each lamp and object."""
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


def cast_shadows(
    things: Sequence[SceneObject], lamp: Lamp, grounds: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Returns the share of a lamp's light that each object hides from the ground, float32 [...].

    A ground point is in shadow when its ray to the lamp, as far as it is below the object's top,
    passes the object's upright axis within the radius; spheres are balls.

    Args:
        things: the objects.
        lamp: the lamp.
        grounds: for each object, the ground points to look at, float32 [3, ...].
    """
    shares: list[np.ndarray] = [ground[0] for ground in grounds]
    for cubes in (True, False):
        chosen = [i for i, thing in enumerate(things) if (thing.shape == "cube") == cubes]
        bodies = [_Body.on_ground(things[i], lamp) for i in chosen]
        for index, share in zip(chosen, _hidden(bodies, lamp, [grounds[i] for i in chosen], cubes)):
            shares[index] = share
    return shares


def ball_shadows(
    things: Sequence[SceneObject], lamp: Lamp, points: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Returns the share of a lamp's light that a ball of each object's radius hides, float32 [...].

    Exact for spheres; what other shapes throw on their neighbours is small enough to be round.

    Args:
        things: the objects that throw the shadows.
        lamp: the lamp.
        points: for each object, surface points to look at, float32 [3, ...].
    """
    return _hidden([_Body.ball(thing, lamp) for thing in things], lamp, points)


class _Body(NamedTuple):
    """What throws a shadow: a ball, or an upright tube, which has no height.

    Attributes:
        x, y, z: its centre; z is 0 for a tube, whose points and lamp are seen from above.
        lamp_x, lamp_y, lamp_z: the lamp, seen from the centre and along the body's own sides.
        reach: how far ways to the lamp can be hidden, as a share of them.
        radius: in world units.
        cosine, sine: of the turn of a cube.
    """

    x: float
    y: float
    z: float
    lamp_x: float
    lamp_y: float
    lamp_z: float
    reach: float
    radius: float
    cosine: float = 1.0
    sine: float = 0.0

    @classmethod
    def ball(cls, thing: SceneObject, lamp: Lamp) -> _Body:
        """The ball of an object's radius."""
        (x, y, z), to_lamp = thing.position, (lamp.position - thing.position).tolist()
        return cls(x, y, z, *to_lamp, math.inf, thing.radius)  # type: ignore[call-arg]  # six numbers

    @classmethod
    def on_ground(cls, thing: SceneObject, lamp: Lamp) -> _Body:
        """What throws an object's shadow on the ground."""
        if thing.shape == "sphere":
            return cls.ball(thing, lamp)
        x, y, _ = thing.position
        lamp_x, lamp_y, height = lamp.position.tolist()
        lamp_x, lamp_y = lamp_x - x, lamp_y - y
        cosine, sine = 1.0, 0.0
        if thing.shape == "cube":
            angle = math.radians(thing.rotation)
            cosine, sine = math.cos(angle), math.sin(angle)
            lamp_x, lamp_y = cosine * lamp_x + sine * lamp_y, cosine * lamp_y - sine * lamp_x
        below_top = 2 * thing.radius / height
        return cls(x, y, 0.0, lamp_x, lamp_y, 0.0, below_top, thing.radius, cosine, sine)


def _hidden(
    bodies: Sequence[_Body], lamp: Lamp, points: Sequence[np.ndarray], cubes: bool = False
) -> list[np.ndarray]:
    """Returns the shares of a lamp's light that bodies, all cubes or all round, hide, float32 [...].

    They are worked out together: numpy's price is per call, not per point.
    """
    if not bodies:
        return []
    shapes = [part.shape[1:] for part in points]
    counts = [math.prod(shape) for shape in shapes]
    x, y, z, lamp_x, lamp_y, lamp_z, reach, radius, cosine, sine = np.repeat(
        np.array(bodies, np.float32).T, counts, axis=1
    )
    offsets = np.concatenate([part.reshape(3, -1) for part in points], axis=1)
    offsets -= (x, y, z)
    if cubes:
        offsets[:2] = (
            cosine * offsets[0] + sine * offsets[1],
            cosine * offsets[1] - sine * offsets[0],
        )
    to_lamp = (lamp_x, lamp_y, lamp_z)
    squared = dot(offsets, offsets)
    along = squared - sum(map(np.multiply, offsets, to_lamp))  # way to the centre . way to the lamp
    lamp_squared = sum(map(np.multiply, to_lamp, to_lamp))
    way_squared = np.maximum(2 * along - squared + lamp_squared, _NEARLY_ZERO)
    # Where the way comes nearest to the centre, as a share of it, and how near.
    passing = np.minimum(np.maximum(along / way_squared, 0), reach)
    distance = np.sqrt(np.maximum(squared - passing * (2 * along - passing * way_squared), 0))
    if cubes:
        sides = [np.abs(own + passing * (other - own)) for own, other in zip(offsets[:2], to_lamp)]
        behind = along / np.sqrt(way_squared)
        radius = radius * _widening(sides, distance, behind / radius)
    shares = _soft_edge(radius - distance, passing, lamp)
    parts = np.split(shares, np.cumsum(counts)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes)]


def _widening(sides: Sequence[np.ndarray], distance: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """How far a cube reaches from its axis towards rays that pass it, in half sides, float32 [...].

    From well behind the cube, a ray on its way to the lamp grazes the outermost corner; from beside
    the base, only the base's own side is in the way.

    Args:
        sides: from the axis to the ray, where it is nearest, along each of the cube's sides; without
            the sign, each float32 [...].
        distance: the length of the two.
        behind: how far the ground point lies behind the axis, as the lamp sees it, in half sides.
    """
    first, second = sides
    distance = np.maximum(distance, _NEARLY_ZERO)
    side = distance / np.maximum(np.maximum(first, second), _NEARLY_ZERO)
    corner = (first + second) / distance
    return side + np.minimum(np.maximum(behind, 0), 1) * (corner - side)


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
