"""What rubber and metal look like: matt and mirror-like surfaces under the world's light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lnmn_tf.data.synthetic import lighting, shadows
from lnmn_tf.data.synthetic.objects import COLORS, SceneObject
from lnmn_tf.data.synthetic.raycast import dot
from lnmn_tf.data.synthetic.scenes import Scene

# What a mirror sees above the ground; the haze ends about ten degrees up.
_SKY, _WALL, _HAZE_HEIGHT = np.float32(0.03), np.float32(0.13), 0.12
# The light that a mirrored neighbour reflects, at the height of its centre.
_NEIGHBOUR_LIGHT = np.float32(0.2)
_NO_DIVISION_BY_ZERO = np.float32(1e-9)
_FLATTEST_RAY = np.float32(-0.02)
_METAL_REFLECTANCE = np.float32(0.95)


class Surface(NamedTuple):
    """Surface points, with `count` of them.

    Attributes:
      points: float32 [3, count], world coordinates.
      normals: unit vectors outwards, float32 [3, count].
      views: unit vectors from the camera to the points, float32 [3, count].
    """

    points: np.ndarray
    normals: np.ndarray
    views: np.ndarray


def radiances(scene: Scene, surfaces: Sequence[Surface]) -> list[np.ndarray]:
    """Returns what each object's surface sends to the camera, float32 [3, count] per object.

    Objects of one material are shaded together: numpy's price is per call, not per point.
    """
    results: list[np.ndarray] = [surface.points for surface in surfaces]
    for material, shade in (("rubber", _rubber), ("metal", _metal)):
        chosen = [i for i, thing in enumerate(scene.objects) if thing.material == material]
        if not chosen:
            continue
        counts = [surfaces[i].points.shape[1] for i in chosen]
        together = Surface(
            *(np.concatenate(parts, axis=1) for parts in zip(*(surfaces[i] for i in chosen)))
        )
        light = shade(scene, together, np.repeat(chosen, counts))
        parts = np.split(light, np.cumsum(counts)[:-1], axis=1)
        for index, part in zip(chosen, parts):
            results[index] = reflectance(scene.objects[index])[:, None] * part
    return results


def reflectance(thing: SceneObject) -> np.ndarray:
    """The linear reflectance, float32 [3]. CLEVR, too, takes its sRGB palette for linear."""
    return np.asarray(COLORS[thing.color], np.float32) / np.float32(255)


def _facing_camera(surface: Surface) -> np.ndarray:
    """The normals, float32 [3, count], bent to the silhouette where they would be out of sight.

    A pixel on an outline lies half beside the object; what it shows still faces the camera.
    """
    away = np.maximum(dot(surface.normals, surface.views), 0)
    bent = surface.normals - away * surface.views
    return bent / np.sqrt(np.maximum(dot(bent, bent), _NO_DIVISION_BY_ZERO))


def _rubber(scene: Scene, surface: Surface, owners: np.ndarray) -> np.ndarray:
    """Lambert's law under all lamps, with shadows from the other objects."""
    points, normals = surface.points, _facing_camera(surface)
    radiance = np.full(points.shape, lighting.SURROUND, np.float32)
    for lamp in lighting.lamps(scene.lights):
        light = lighting.beam(lamp, points)
        brightness = np.maximum(dot(light.towards, normals), 0) * light.strength
        for caster, receiver in shadows.shading_pairs(scene.objects, lamp):
            first, last = np.searchsorted(owners, (receiver, receiver + 1)).tolist()
            if first < last:
                shadow = shadows.ball_shadow(scene.objects[caster], lamp, points[:, first:last])
                brightness[first:last] *= 1 - shadow
        radiance += lamp.color[:, None] * brightness
    return radiance


def _metal(scene: Scene, surface: Surface, owners: np.ndarray) -> np.ndarray:
    """A mirror of the ground, the backdrop, the lamps and the other objects."""
    points, normals = surface.points, _facing_camera(surface)
    reflected = surface.views - 2 * dot(surface.views, normals) * normals
    fall = np.minimum(reflected[2], _FLATTEST_RAY)
    seen = lighting.bare_ground(points - reflected * (points[2] / fall), scene.lights)
    seen = np.where(reflected[2] < _FLATTEST_RAY, seen, _backdrop(scene, reflected))
    for lamp in lighting.lamps(scene.lights):
        light = lighting.beam(lamp, points)
        seen += lamp.color[:, None] * lighting.mirror_image(lamp, light, reflected)
    _add_neighbours(scene, points, reflected, owners, seen)
    return _METAL_REFLECTANCE * seen


def _backdrop(scene: Scene, directions: np.ndarray) -> np.ndarray:
    """What is above the ground: dark, but for a haze low down and a pale wall behind the objects."""
    x, y, _ = scene.camera.position
    away = np.float32(-1 / math.hypot(x, y)) * (
        np.float32(x) * directions[0] + np.float32(y) * directions[1]
    )
    haze = np.exp(directions[2] / np.float32(-_HAZE_HEIGHT))
    return _SKY + _WALL * np.maximum(np.maximum(away, 0), haze)


def _add_neighbours(
    scene: Scene,
    points: np.ndarray,
    reflected: np.ndarray,
    owners: np.ndarray,
    seen: np.ndarray,
) -> None:
    """Paints the other objects, as matt balls, over what a mirror sees, float32 [3, count]."""
    nearest = np.full(points.shape[1], np.inf, np.float32)
    for index, thing in enumerate(scene.objects):
        offset = np.asarray(thing.position, np.float32)[:, None] - points
        along = dot(offset, reflected)
        room = np.float32(thing.radius**2) - dot(offset, offset) + along * along
        hit = np.flatnonzero((room > 0) & (along > 0) & (owners != index))
        distance = along[hit] - np.sqrt(room[hit])
        closer = distance < nearest[hit]
        hit, distance = hit[closer], distance[closer]
        nearest[hit] = distance
        upwards = (distance * reflected[2, hit] - offset[2, hit]) / np.float32(thing.radius)
        light = _NEIGHBOUR_LIGHT * (1 + np.float32(0.5) * upwards)
        # Roughness blurs the outline.
        weight = np.minimum(room[hit] * np.float32(2 / thing.radius**2), 1)
        seen[:, hit] *= 1 - weight
        seen[:, hit] += reflectance(thing)[:, None] * (weight * light)
