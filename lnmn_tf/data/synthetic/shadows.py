"""Soft shadows: under the objects, across the ground, and from one object on another."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from lnmn_tf.data.synthetic.camera import Camera
from lnmn_tf.data.synthetic.lighting import Lamp
from lnmn_tf.data.synthetic.objects import SceneObject
from lnmn_tf.data.synthetic.raycast import Box, boxes_around, dot, spread

# The share of the surround that an object takes from the ground right beside it, and how far that
# reaches, in radii.
_CONTACT_STRENGTH = np.float32(0.75)
_CONTACT_REACH = 2.5
# Half the width of the sharpest shadow edge, in world units.
_LEAST_BLUR = np.float32(0.06)
_LEAST_DEPTH = 0.1
_NEARLY_ZERO = np.float32(1e-6)
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
    x = (ground[0] - np.float32(thing.position[0])) / np.float32(thing.radius)
    y = (ground[1] - np.float32(thing.position[1])) / np.float32(thing.radius)
    distance = np.sqrt(x * x + y * y)
    if thing.shape == "sphere":
        # The solid angle of a ball that rests on the ground, times the cosine of its direction.
        slant = distance * distance + 1
        hidden = 1 / (slant * np.sqrt(slant))
    else:
        hidden = np.float32(0.6) * np.exp(np.float32(-2.2) * np.maximum(distance - 1, 0))
    fade = np.minimum(np.maximum(np.float32(_CONTACT_REACH) - distance, 0), 1)
    return _CONTACT_STRENGTH * hidden * fade


def cast_boxes(
    objects: Sequence[SceneObject], lamp: Lamp, camera: Camera, width: int, height: int
) -> list[Box]:
    """The pixels of the ground that `cast_shadow` can darken, for each object."""
    positions, radii, footprints = _figures(tuple(objects))
    shares = (2 * radii / lamp.position[2])[:, None, None]
    base = positions[:, None, :2] + footprints[:, None, None] * _SQUARE
    top = (base + lamp.radius * shares * _SQUARE - shares * lamp.position[:2]) / (1 - shares)
    return _ground_boxes(np.concatenate([base, top], axis=1), camera, width, height)


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
    ground = ground[:2]
    offsets = spread(thing.position[:2], ground) - ground
    rays = spread(lamp.position[:2], ground) - ground
    along = dot(offsets, rays)
    squared = np.maximum(dot(rays, rays), _NEARLY_ZERO)
    share = np.float32(2 * thing.radius / lamp.position[2])  # of the way: below the object's top
    passing = np.minimum(np.maximum(along / squared, 0), share)
    gaps = offsets - passing * rays
    distance = np.sqrt(dot(gaps, gaps))
    if thing.shape == "cube":
        depth = _half_width(thing, gaps, distance, along / np.sqrt(squared)) - distance
    else:
        depth = np.float32(thing.radius) - distance
    return _soft_edge(depth, passing, lamp)


def _half_width(
    thing: SceneObject, gaps: np.ndarray, distance: np.ndarray, behind: np.ndarray
) -> np.ndarray:
    """How far a cube reaches from its axis towards rays that pass it, float32 [...].

    From well behind the cube, a ray on its way to the lamp grazes the outermost corner; from beside
    the base, only the base's own side is in the way.

    Args:
      thing: the cube.
      gaps: from the ray to the axis, where the ray is nearest to it, float32 [2, ...].
      distance: their length.
      behind: how far the ground point lies behind the axis, as the lamp sees it.
    """
    cosine = np.float32(math.cos(math.radians(thing.rotation)))
    sine = np.float32(math.sin(math.radians(thing.rotation)))
    first = np.abs(cosine * gaps[0] + sine * gaps[1])
    second = np.abs(cosine * gaps[1] - sine * gaps[0])
    distance = np.maximum(distance, _NEARLY_ZERO)
    side = distance / np.maximum(np.maximum(first, second), _NEARLY_ZERO)
    corner = (first + second) / distance
    blend = np.minimum(np.maximum(behind / np.float32(thing.radius), 0), 1)
    return np.float32(thing.radius) * (side + blend * (corner - side))


def ball_shadow(thing: SceneObject, lamp: Lamp, points: np.ndarray) -> np.ndarray:
    """Returns the share of the lamp's light that a ball of the object's radius hides.

    Exact for spheres; what other shapes throw on their neighbours is small enough to be round.

    Args:
      thing: the object that throws the shadow.
      lamp: the lamp.
      points: surface points, float32 [3, ...].
    """
    offsets = spread(thing.position, points) - points
    rays = spread(lamp.position, points) - points
    passing = np.maximum(dot(offsets, rays) / dot(rays, rays), 0)
    gaps = offsets - passing * rays
    depth = np.float32(thing.radius) - np.sqrt(dot(gaps, gaps))
    return _soft_edge(depth, passing, lamp)


def shading_pairs(objects: Sequence[SceneObject], lamp: Lamp) -> list[tuple[int, int]]:
    """Returns (caster, receiver) for all objects whose shadow may reach another one."""
    positions, radii, footprints = _figures(tuple(objects))
    offsets = positions[:, None] - positions[None]  # [casters, receivers, 3]
    rays = lamp.position - positions
    passing = np.einsum("cri,ri->cr", offsets, rays) / np.einsum("ri,ri->r", rays, rays)
    gaps = np.linalg.norm(offsets - passing[..., None] * rays, axis=2)
    reaches = radii[:, None] + footprints[None] + lamp.radius * passing
    near = (passing > 0) & (gaps < reaches)
    np.fill_diagonal(near, False)
    return [(caster, receiver) for caster, receiver in np.argwhere(near).tolist()]


def _soft_edge(depth: np.ndarray, passing: np.ndarray, lamp: Lamp) -> np.ndarray:
    """How much of the lamp's disc is hidden from where a ray is `depth` within the shadow.

    Args:
      depth: how far inside the object's outline the ray passes, negative outside, world units.
      passing: where it does so, as a share of the way to the lamp.
      lamp: the disc, which at that place looks `passing` times its size.
    """
    ramp = depth / (np.float32(lamp.radius) * passing + _LEAST_BLUR)
    np.minimum(np.maximum(ramp, -1, out=ramp), 1, out=ramp)
    return np.float32(0.5) + ramp * (np.float32(0.75) - np.float32(0.25) * ramp * ramp)


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
