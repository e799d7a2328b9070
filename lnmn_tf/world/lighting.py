"""Light in the synthetic world: four lamps and a gray surround.

Colours are linear, and 1 is the white of the picture. Light is counted as the radiance that a
white matt surface sends back, which spares all factors of pi. The strengths were fitted by least
squares to pictures of CLEVR's original generator: bare ground and matt objects.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lnmn_tf.world.raycast import dot
from lnmn_tf.world.scenes import Lights

# What reaches every surface from everywhere.
SURROUND = 0.1
GROUND_ALBEDO = 0.75
# The far ground is evenly pale: what is added to it, from and up to which distance.
_HAZE, _HAZE_START, _HAZE_END = np.float32(0.04), np.float32(8), np.float32(16)


class Lamp(NamedTuple):
    """A disc of light that faces the origin.

    Attributes:
        position: float32 [3], world units.
        color: its light at unit distance, straight before it, float32 [3].
        radius: of the disc, in world units; it softens shadows.
        sharpness: the exponent of the cosine lobe that is its image in metal.
    """

    position: np.ndarray
    color: np.ndarray
    radius: float
    sharpness: float


_LAMP_COLORS = Lights(key=(7.2, 6.7, 5.75), fill=(1.7, 1.85, 2.35), back=(3.3, 3.3, 3.2))
_LAMP_RADIUS, _LAMP_SHARPNESS = 0.5, 150.0
# A wide lamp far above the camera; it never moves.
_SKYLIGHT = Lamp(
    np.array((11.66, -6.63, 25.82), np.float32), np.full(3, 95.0, np.float32), 5.0, 40.0
)


@functools.lru_cache(maxsize=1)  # one scene at a time asks for them
def lamps(lights: Lights) -> tuple[Lamp, ...]:
    """Returns the scene's lamps, and the fixed one that all scenes share."""
    movable = (
        Lamp(
            np.asarray(position, np.float32),
            np.asarray(color, np.float32),
            _LAMP_RADIUS,
            _LAMP_SHARPNESS,
        )
        for position, color in zip(lights, _LAMP_COLORS)
    )
    return (*movable, _SKYLIGHT)


class Light(NamedTuple):
    """The light of some lamps on its way to surface points.

    Attributes:
        positions: of the lamps, float32 [lamps, 3].
        points: float32 [3, count].
        squared: squared distances, float32 [lamps, count].
        strength: what multiplies the scalar product of a unit normal and the way to the lamp to give
            the light that arrives, as a share of the lamp's colour, float32 [lamps, count]. Two cosines
            over the squared distance, of which the one at the lamp is already in it.
    """

    positions: np.ndarray
    points: np.ndarray
    squared: np.ndarray
    strength: np.ndarray

    def towards(self, directions: np.ndarray) -> np.ndarray:
        """Scalar products of the ways to the lamps and directions, [3, count]: [lamps, count]."""
        return _products(self.positions, directions) - dot(self.points, directions)


def _products(vectors: np.ndarray, points: np.ndarray) -> np.ndarray:
    """All scalar products, [vectors, count]; not by BLAS, whose rounding depends on its threads."""
    return np.einsum("vi,ic->vc", vectors, points)


def light_on(points: np.ndarray, shining: Sequence[Lamp]) -> Light:
    """Returns the light that lamps send to points, float32 [3, count]."""
    positions = np.stack([lamp.position for lamp in shining])
    reach = dot(positions.T, positions.T)[:, None]  # squared distance to the origin
    facing = reach - _products(positions, points)  # way to the lamp . way from the origin to it
    squared = dot(points, points) - reach
    squared = np.multiply(facing, 2) + squared  # |l - p|^2 = 2 l.(l - p) + p.p - l.l
    strength = np.maximum(facing, 0, out=facing)
    strength /= squared
    strength /= squared
    strength /= np.sqrt(reach)
    return Light(positions, points, squared, strength)


def colored(brightness: np.ndarray, shining: Sequence[Lamp]) -> np.ndarray:
    """Adds up the lamps' colours, each times its brightness, [lamps, count]: float32 [3, count]."""
    return _products(np.stack([lamp.color for lamp in shining], axis=1), brightness)


def mirror_images(light: Light, reflected: np.ndarray, shining: Sequence[Lamp]) -> np.ndarray:
    """How bright the lamps are in a slightly rough mirror, as shares of their colours.

    (n + 1) / 2 cos^n of the angle between the reflected ray and the lamp: a lobe that sends on as
    much light as arrives.

    Args:
        light: that of the lamps on the mirror's points.
        reflected: unit directions that the mirror shows, float32 [3, count].
        shining: the lamps.

    Returns:
        float32 [lamps, count].
    """
    sharpness = np.array([[lamp.sharpness] for lamp in shining], np.float32)
    distance = np.sqrt(light.squared)
    cosine = light.towards(reflected) / distance
    lobe = np.exp(sharpness * (cosine - 1))  # cos^n where it is not negligible
    return (sharpness + 1) / 2 * lobe * light.strength * distance


def haze(ground: np.ndarray) -> np.ndarray:
    """What the far backdrop adds to the ground's radiance, float32 [...], at points [3, ...]."""
    distance = np.sqrt(dot(ground[:2], ground[:2]))
    share = (distance - _HAZE_START) / (_HAZE_END - _HAZE_START)
    return _HAZE * np.minimum(np.maximum(share, 0), 1)


def ground_brightness(points: np.ndarray, shining: Sequence[Lamp]) -> np.ndarray:
    """How bright each lamp makes the ground, as a share of its colour, float32 [lamps, count].

    Args:
        points: on the ground, float32 [3, count].
        shining: the lamps.
    """
    heights = np.array([lamp.position[2:] for lamp in shining])
    return heights * light_on(points, shining).strength


def ground_radiance(points: np.ndarray, surround: np.ndarray, direct: np.ndarray) -> np.ndarray:
    """Returns the ground's radiance, float32 [3, count].

    Args:
        points: on the ground, float32 [3, count].
        surround: the light from everywhere, float32 [count] or a number.
        direct: the lamps' light, float32 [3, count].
    """
    return np.float32(GROUND_ALBEDO) * (direct + surround) + haze(points)
