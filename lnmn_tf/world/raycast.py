"""Where camera rays meet the objects: the geometry under the renderer and the visibility test."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lnmn_tf.world.camera import Camera, Rays
from lnmn_tf.world.objects import SceneObject

GROUND = -1
# The radius of rounded edges, as a fraction of the object's radius.
BEVEL = 0.12
_RIM_POINTS = 12
_NO_DIVISION_BY_ZERO = np.float32(1e-9)


class Box(NamedTuple):
    """A rectangle of whole pixels."""

    rows: slice
    columns: slice


def draw_order(objects: Sequence[SceneObject], camera: Camera) -> list[int]:
    """Returns the objects' indices from the farthest to the nearest, in painter's order.

    Footprints are disjoint discs, and the line on which two discs have the same power (squared
    distance less squared radius) separates them. So the object of the smaller power of the
    camera's position can hide the other one, never the other way round.
    """
    eye_x, eye_y, _ = camera.position

    def power(index: int) -> float:
        x, y, _ = objects[index].position
        return (x - eye_x) ** 2 + (y - eye_y) ** 2 - objects[index].footprint ** 2

    return sorted(range(len(objects)), key=power, reverse=True)


def bounding_boxes(
    objects: Sequence[SceneObject], camera: Camera, width: int, height: int
) -> list[Box]:
    """Returns, per object, the pixels that can show it, cut to the image (possibly none)."""
    positions = np.array([thing.position for thing in objects])
    # A regular polygon around the footprint, except for cubes, whose corners are known.
    turns = np.arange(_RIM_POINTS) * (2 * np.pi / _RIM_POINTS)
    offsets = [math.radians(thing.rotation + 45.0) for thing in objects]
    reaches = [
        thing.footprint / (1.0 if thing.shape == "cube" else math.cos(math.pi / _RIM_POINTS))
        for thing in objects
    ]
    angles = np.array(offsets)[:, None] + turns  # [objects, rim]
    reach = np.array(reaches)[:, None]
    outlines = np.empty((len(objects), 2, _RIM_POINTS, 3))
    outlines[..., 0] = (positions[:, :1] + reach * np.cos(angles))[:, None]
    outlines[..., 1] = (positions[:, 1:2] + reach * np.sin(angles))[:, None]
    outlines[:, 0, :, 2] = 0.0
    outlines[:, 1, :, 2] = 2 * positions[:, 2:]
    pixels = camera.project(outlines, width, height)[..., :2]  # [objects, 2, rim, 2]
    return boxes_around(pixels.reshape(len(objects), -1, 2), width, height)


def boxes_around(pixels: np.ndarray, width: int, height: int) -> list[Box]:
    """Returns the boxes that hold groups of positions, [groups, positions, (column, row)]."""
    size = (width, height)
    first = np.clip(np.floor(pixels.min(axis=1)), 0, size).astype(int).tolist()
    last = np.clip(np.ceil(pixels.max(axis=1)), 0, size).astype(int).tolist()
    return [
        Box(slice(top, bottom), slice(left, right))
        for (left, top), (right, bottom) in zip(first, last)
    ]


def _turned(vectors: np.ndarray, degrees: float) -> np.ndarray:
    """Turns vectors, [3, ...], clockwise around the vertical axis: from world to object."""
    cosine = np.float32(math.cos(math.radians(degrees)))
    sine = np.float32(math.sin(math.radians(degrees)))
    x, y, z = vectors
    return np.stack([cosine * x + sine * y, cosine * y - sine * x, z])


def _slab(origin: float, direction: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave the slab |x| <= half, along one axis."""
    inverse = 1 / np.where(direction == 0, _NO_DIVISION_BY_ZERO, direction)
    centre, reach = -origin * inverse, np.abs(half * inverse)
    return centre - reach, centre + reach


def _ball(origin: Sequence[float], rays: Rays, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave a ball (with two axes: an upright tube) around the origin.

    A ray that misses enters after it leaves.
    """
    squared = rays.squared(len(origin))
    along = rays.along(*origin, *[0.0] * (3 - len(origin)))
    discriminant = along * along - squared * (math.hypot(*origin) ** 2 - radius**2)
    root = np.sqrt(np.maximum(discriminant, 0))
    root[discriminant <= 0] = -1
    return (-along - root) / squared, (root - along) / squared


def dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The scalar product over the leading axis: [axes, ...] or [axes] -> [...]."""
    return np.einsum("i...,i...->...", first, second)


def spread(vector: Sequence[float], points: np.ndarray) -> np.ndarray:
    """Shapes one vector, [axes], so that it meets each of the points, [axes, ...]."""
    return np.asarray(vector, np.float32).reshape(-1, *[1] * (points.ndim - 1))


def depths(thing: SceneObject, camera: Camera, rays: Rays) -> np.ndarray:
    """Returns the depth at which each ray meets the object, infinite where it does not.

    Args:
        thing: the object.
        camera: where the rays start.
        rays: the rays.

    Returns:
        float32 [rows, columns].
    """
    radius = thing.radius
    x, y, z = (eye - centre for eye, centre in zip(camera.position, thing.position))
    if thing.shape == "sphere":
        enter, leave = _ball((x, y, z), rays, radius)
        return np.where(enter < leave, enter, np.float32(np.inf))
    top, bottom = (side[:, None] for side in _slab(z, rays.upright[2], radius))
    if thing.shape == "cylinder":
        spans = [_ball((x, y), rays, radius)]
    else:
        cosine, sine = (turn(math.radians(thing.rotation)) for turn in (math.cos, math.sin))
        spans = [
            _slab(across * x + away * y, rays.along(across, away, 0.0), radius)
            for across, away in ((cosine, sine), (-sine, cosine))
        ]
    enter = functools.reduce(np.maximum, [first for first, _ in spans], top)
    leave = functools.reduce(np.minimum, [last for _, last in spans], bottom)
    return np.where(enter < leave, enter, np.float32(np.inf))


def surface(
    thing: SceneObject, points: np.ndarray, pixel_size: float
) -> tuple[np.ndarray, np.ndarray]:
    """Moves points onto the surface, along lines from the object's centre; adds unit normals.

    Normals are rounded along all but the
    lowest edges: a rounded body is a smaller body (the core) inflated by the bevel, and its normal
    points from the nearest point of the core to the surface.

    Args:
        thing: the object.
        points: near the surface, float32 [3, count], world coordinates.
        pixel_size: of a pixel at the object, in world units; rounding is never narrower, so that
            an edge is a smooth line at every resolution.

    Returns:
        Points and normals, each float32 [3, count].
    """
    centre = np.asarray(thing.position, np.float32)[:, None]
    radius = np.float32(thing.radius)
    core = np.float32(thing.radius - max(BEVEL * thing.radius, pixel_size))
    offsets = points - centre
    if thing.shape == "sphere":
        normals = offsets / np.sqrt(dot(offsets, offsets))
        return centre + radius * normals, normals
    if thing.shape == "cube":
        local = _turned(offsets, thing.rotation)
        local *= radius / np.abs(local).max(axis=0)
        beyond = np.sign(local) * np.maximum(np.abs(local) - core, 0)
    else:
        from_axis = np.sqrt(dot(offsets[:2], offsets[:2]))
        scale = radius / np.maximum(from_axis, np.abs(offsets[2]))
        local = offsets * scale
        from_axis *= scale
        beyond = local * np.maximum(1 - core / np.maximum(from_axis, core), 0)
        beyond[2] = np.maximum(local[2] - core, 0)
    if thing.shape == "cube":
        beyond[2] = np.maximum(beyond[2], 0)
        local, beyond = _turned(local, -thing.rotation), _turned(beyond, -thing.rotation)
    return centre + local, beyond / np.sqrt(np.maximum(dot(beyond, beyond), _NO_DIVISION_BY_ZERO))


def index_map(
    objects: Sequence[SceneObject], camera: Camera, width: int, height: int
) -> np.ndarray:
    """Returns which object each pixel's centre shows, int32 [height, width]; -1 is the ground."""
    owners = np.full((height, width), GROUND, np.int32)
    boxes = bounding_boxes(objects, camera, width, height)
    rays = camera.rays(np.arange(width) + 0.5, np.arange(height) + 0.5, width, height)
    for index in draw_order(objects, camera):
        rows, columns = boxes[index]
        hit = np.isfinite(depths(objects[index], camera, rays.cut(rows, columns)))
        owners[rows, columns][hit] = index
    return owners
