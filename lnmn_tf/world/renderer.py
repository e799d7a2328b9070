"""Pictures of scenes, ray-cast in numpy: CLEVR's look at a hundred pictures a second."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lnmn_tf.world import lighting, materials, raycast, shadows
from lnmn_tf.world.scenes import Scene

# An object's outline is sampled by 2 x 2 rays a pixel, its light once.
_SAMPLES = 2
# Flatter rays than this meet the ground far away, where it is evenly gray.
_FLATTEST_RAY = np.float32(-0.02)
_SRGB_STEPS = 4095


def object_index_map(scene: Scene, width: int, height: int) -> np.ndarray:
    """Returns which object each pixel's centre shows, int32 [height, width]; -1 is the ground."""
    return raycast.index_map(scene.objects, scene.camera, width, height)


def render(scene: Scene, width: int, height: int) -> np.ndarray:
    """Renders a scene; the same scene always gives the same picture.

    Args:
        scene: what to draw.
        width, height: size of the picture in pixels.

    Returns:
        sRGB picture, uint8 [height, width, 3].
    """
    canvas = _ground(scene, width, height)
    sprites = _sprites(scene, width, height)
    for index in raycast.draw_order(scene.objects, scene.camera):
        (rows, columns), color, coverage = sprites[index]
        canvas[:, rows, columns] *= 1 - coverage
        canvas[:, rows, columns] += color
    return _srgb(canvas)


class Sprite(NamedTuple):
    """The picture of one object.

    Attributes:
        box: the pixels it lies in.
        color: the object's radiance times its coverage, float32 [3, rows, columns].
        coverage: the share of each pixel that it covers, float32 [rows, columns].
    """

    box: raycast.Box
    color: np.ndarray
    coverage: np.ndarray


def _ground(scene: Scene, width: int, height: int) -> np.ndarray:
    """Returns the ground's radiance with all shadows, float32 [3, height, width]."""
    rays = scene.camera.rays(np.arange(width) + 0.5, np.arange(height) + 0.5, width, height)
    steps = np.float32(-scene.camera.position[2]) / np.minimum(rays.upright[2], _FLATTEST_RAY)
    points = rays.directions() * steps[:, None]
    points += np.asarray(scene.camera.position, np.float32)[:, None, None]
    points[2] = 0
    surround = np.full((height, width), lighting.SURROUND, np.float32)
    contacts = shadows.contact_boxes(scene.objects, scene.camera, width, height)
    for thing, (rows, columns) in zip(scene.objects, contacts):
        surround[rows, columns] *= 1 - shadows.contact_shadow(thing, points[:, rows, columns])
    flat = points.reshape(3, -1)
    shining = lighting.lamps(scene.lights)
    brightness = lighting.ground_brightness(flat, shining).reshape(-1, height, width)
    boxes = shadows.cast_boxes(scene.objects, shining, scene.camera, width, height)
    for lamp, lit, boxes_of_lamp in zip(shining, brightness, boxes):
        grounds = [points[:, rows, columns] for rows, columns in boxes_of_lamp]
        shades = shadows.cast_shadows(scene.objects, lamp, grounds)
        for box, shade in zip(boxes_of_lamp, shades):
            lit[box] *= 1 - shade
    direct = lighting.colored(brightness.reshape(len(shining), -1), shining)
    radiance = lighting.ground_radiance(flat, surround.ravel(), direct)
    return radiance.reshape(3, height, width)


def _sprites(scene: Scene, width: int, height: int) -> list[Sprite]:
    """Draws all objects, each in its own box; the light is computed for all of them at once."""
    camera = scene.camera
    rays = camera.rays(np.arange(width) + 0.5, np.arange(height) + 0.5, width, height)
    fine_rays = camera.rays(_sample_positions(width), _sample_positions(height), width, height)
    directions = rays.directions()
    lengths = np.sqrt(rays.squared())
    eye = np.asarray(camera.position, np.float32)[:, None]
    boxes = raycast.bounding_boxes(scene.objects, camera, width, height)
    coverages, surfaces = [], []
    positions = np.array([thing.position for thing in scene.objects])
    pixel_sizes = camera.pixel_sizes(positions, width, height)
    for thing, box, pixel_size in zip(scene.objects, boxes, pixel_sizes.tolist()):
        depth = raycast.depths(thing, camera, fine_rays.cut(*map(_samples, box)))
        hit = np.isfinite(depth)
        depth[~hit] = 0
        hits = _sum_of_samples(hit.view(np.int8))
        shown = np.nonzero(hits)
        mean_depth = _sum_of_samples(depth)[shown] / hits[shown]
        towards = directions[:, box.rows, box.columns][(slice(None), *shown)]
        points, normals = raycast.surface(thing, eye + mean_depth * towards, pixel_size)
        coverages.append(hits * np.float32(1 / _SAMPLES**2))
        views = towards / lengths[box][shown]
        surfaces.append(materials.Surface(points, normals, views))
    colors = materials.radiances(scene, surfaces)
    return [_sprite(*parts) for parts in zip(boxes, coverages, colors)]


def _sum_of_samples(samples: np.ndarray) -> np.ndarray:
    """Adds up the samples of each pixel."""
    rows = sum(samples[row::_SAMPLES] for row in range(_SAMPLES))
    return sum(rows[:, column::_SAMPLES] for column in range(_SAMPLES))


def _sprite(box: raycast.Box, coverage: np.ndarray, colors: np.ndarray) -> Sprite:
    shown = coverage > 0
    color = np.zeros((3, *coverage.shape), np.float32)
    color[:, shown] = np.minimum(colors, 1) * coverage[shown]
    return Sprite(box, color, coverage)


def _sample_positions(pixels: int) -> np.ndarray:
    """Where the samples of a row or column of pixels lie, in pixels."""
    return (np.arange(pixels * _SAMPLES) + 0.5) / _SAMPLES


def _samples(pixels: slice) -> slice:
    """The samples of some pixels of a row or column."""
    return slice(pixels.start * _SAMPLES, pixels.stop * _SAMPLES)


def _srgb_table() -> np.ndarray:
    linear = np.linspace(0, 1, _SRGB_STEPS + 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)


_SRGB = _srgb_table()


def _srgb(radiance: np.ndarray) -> np.ndarray:
    """Encodes linear radiance, [3, height, width], as sRGB, uint8 [height, width, 3]."""
    steps = np.minimum(radiance * np.float32(_SRGB_STEPS) + np.float32(0.5), _SRGB_STEPS)
    return np.ascontiguousarray(_SRGB[steps.astype(np.int16)].transpose(1, 2, 0))
