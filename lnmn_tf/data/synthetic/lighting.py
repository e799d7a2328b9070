"""Light in the synthetic world: four lamps and a gray surround.

Colours are linear, and 1 is the white of the picture. Light is counted as the radiance that a
white matt surface sends back, which spares all factors of pi. The strengths were fitted by least
squares to pictures of CLEVR's original generator: bare ground and matt objects.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lnmn_tf.data.synthetic.raycast import dot, spread
from lnmn_tf.data.synthetic.scenes import Lights

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


def lamps(lights: Lights) -> list[Lamp]:
    """Returns the scene's lamps, and the fixed one that all scenes share."""
    movable = [
        Lamp(
            np.asarray(position, np.float32),
            np.asarray(color, np.float32),
            _LAMP_RADIUS,
            _LAMP_SHARPNESS,
        )
        for position, color in zip(lights, _LAMP_COLORS)
    ]
    return [*movable, _SKYLIGHT]


class Beam(NamedTuple):
    """A lamp's light on its way to surface points.

    Attributes:
      towards: vectors from the points to the lamp, float32 [3, ...], world units.
      squared: their squared lengths, float32 [...].
      strength: what multiplies the scalar product of a unit normal and `towards` to give the
        light that arrives, as a share of the lamp's colour, float32 [...]. Two cosines over the
        squared distance, of which the one at the lamp is already in it.
    """

    towards: np.ndarray
    squared: np.ndarray
    strength: np.ndarray


def beam(lamp: Lamp, points: np.ndarray) -> Beam:
    """Returns the light that one lamp sends to points, float32 [3, ...]."""
    towards = spread(lamp.position, points) - points
    squared = dot(towards, towards)
    ahead = lamp.position / np.float32(math.hypot(*lamp.position.tolist()))
    return Beam(towards, squared, np.maximum(dot(ahead, towards), 0) / (squared * squared))


def mirror_image(lamp: Lamp, light: Beam, reflected: np.ndarray) -> np.ndarray:
    """How bright the lamp is in a slightly rough mirror, as a share of its colour, float32 [count].

    (n + 1) / 2 cos^n of the angle between the reflected ray and the lamp: a lobe that sends on as
    much light as arrives.

    Args:
      lamp: the lamp.
      light: its beam to the mirror's points.
      reflected: unit directions that the mirror shows, float32 [3, count].
    """
    distance = np.sqrt(light.squared)
    cosine = dot(light.towards, reflected) / distance
    lobe = np.exp(np.float32(lamp.sharpness) * (cosine - 1))  # cos^n where it is not negligible
    return np.float32((lamp.sharpness + 1) / 2) * lobe * light.strength * distance


def haze(ground: np.ndarray) -> np.ndarray:
    """What the far backdrop adds to the ground's radiance, float32 [...], at points [3, ...]."""
    distance = np.sqrt(dot(ground[:2], ground[:2]))
    share = (distance - _HAZE_START) / (_HAZE_END - _HAZE_START)
    return _HAZE * np.minimum(np.maximum(share, 0), 1)


def bare_ground(points: np.ndarray, lights: Lights) -> np.ndarray:
    """Returns the radiance of the empty ground, float32 [3, ...], at its points, [3, ...]."""
    light_received = np.full(points.shape, SURROUND, np.float32)
    for lamp in lamps(lights):
        light = beam(lamp, points)
        brightness = light.towards[2] * light.strength
        for channel in range(3):
            light_received[channel] += lamp.color[channel] * brightness
    return np.float32(GROUND_ALBEDO) * light_received + haze(points)
