"""What rubber and metal look like: matt and mirror-like surfaces under the world's light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lnmn_tf.world import lighting, shadows
from lnmn_tf.world.objects import COLORS, SceneObject
from lnmn_tf.world.raycast import dot
from lnmn_tf.world.scenes import Scene

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
        ends = np.cumsum([surfaces[i].points.shape[1] for i in chosen]).tolist()
        spans = {i: slice(*ends) for i, *ends in zip(chosen, [0, *ends], ends)}
        together = Surface(
            *(np.concatenate(parts, axis=1) for parts in zip(*(surfaces[i] for i in chosen)))
        )
        light = shade(scene, together, spans)
        for index, span in spans.items():
            results[index] = reflectance(scene.objects[index])[:, None] * light[:, span]
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


def _rubber(scene: Scene, surface: Surface, spans: dict[int, slice]) -> np.ndarray:
    """Lambert's law under all lamps, with shadows from the other objects, float32 [3, count].

    Args:
        scene: the scene.
        surface: of all rubber objects.
        spans: object -> where its points are.
    """
    shining = lighting.lamps(scene.lights)
    light = lighting.light_on(surface.points, shining)
    brightness = np.maximum(light.towards(_facing_camera(surface)), 0) * light.strength
    pairs = [pair for pair in shadows.shading_pairs(scene.objects, shining) if pair[2] in spans]
    for index, lamp in enumerate(shining):
        casters = [scene.objects[caster] for i, caster, _ in pairs if i == index]
        receivers = [spans[receiver] for i, _, receiver in pairs if i == index]
        points = [surface.points[:, span] for span in receivers]
        for span, shade in zip(receivers, shadows.ball_shadows(casters, lamp, points)):
            brightness[index, span] *= 1 - shade
    return lighting.SURROUND + lighting.colored(brightness, shining)


def _metal(scene: Scene, surface: Surface, spans: dict[int, slice]) -> np.ndarray:
    """A mirror of the ground, the backdrop, the lamps and the other objects, float32 [3, count].

    Args:
        scene: the scene.
        surface: of all metal objects.
        spans: object -> where its points are.
    """
    points, normals = surface.points, _facing_camera(surface)
    shining = lighting.lamps(scene.lights)
    reflected = surface.views - 2 * dot(surface.views, normals) * normals
    ground = points - reflected * (points[2] / np.minimum(reflected[2], _FLATTEST_RAY))
    ground[2] = 0
    direct = lighting.colored(lighting.ground_brightness(ground, shining), shining)
    seen = lighting.ground_radiance(ground, lighting.SURROUND, direct)
    seen = np.where(reflected[2] < _FLATTEST_RAY, seen, _backdrop(scene, reflected))
    light = lighting.light_on(points, shining)
    seen += lighting.colored(lighting.mirror_images(light, reflected, shining), shining)
    _add_neighbours(scene, points, reflected, spans, seen)
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
    spans: dict[int, slice],
    seen: np.ndarray,
) -> None:
    """Paints the other objects, as matt balls, over what a mirror sees, float32 [3, count]."""
    centres = np.array([thing.position for thing in scene.objects], np.float32)
    radii = np.array([[thing.radius] for thing in scene.objects], np.float32)
    along = np.einsum("oi,ic->oc", centres, reflected) - dot(points, reflected)
    squared = dot(centres.T, centres.T)[:, None] + dot(points, points)
    squared -= 2 * np.einsum("oi,ic->oc", centres, points)
    room = radii * radii - squared + along * along
    met = (room > 0) & (along > 0)  # [objects, count]
    for index, span in spans.items():
        met[index, span] = False
    nearest = np.full(points.shape[1], np.inf, np.float32)
    for index in np.flatnonzero(met.any(axis=1)).tolist():
        thing, hit = scene.objects[index], np.flatnonzero(met[index])
        distance = along[index, hit] - np.sqrt(room[index, hit])
        closer = distance < nearest[hit]
        hit, distance = hit[closer], distance[closer]
        nearest[hit] = distance
        upwards = distance * reflected[2, hit] + points[2, hit] - thing.position[2]
        light = _NEIGHBOUR_LIGHT * (1 + upwards / (2 * thing.radius))
        # Roughness blurs the outline.
        weight = np.minimum(room[index, hit] * (2 / thing.radius**2), 1)
        seen[:, hit] *= 1 - weight
        seen[:, hit] += reflectance(thing)[:, None] * (weight * light)
