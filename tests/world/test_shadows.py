"""Laws of the shadows, checked by following rays from the ground to the lamp."""

import numpy as np
import pytest

from lnmn_tf.world import shadows
from lnmn_tf.world.camera import Camera
from lnmn_tf.world.lighting import lamps
from lnmn_tf.world.objects import SHAPES, SceneObject
from lnmn_tf.world.scenes import Lights

KEY = lamps(Lights())[0]


def _thing(shape, size="large"):
    return SceneObject(shape, size, "metal", "cyan", (0.3, -0.2, 0.7), 23.0)


def _ground(count=61):
    x, y = np.meshgrid(np.linspace(-3, 2, count), np.linspace(-2, 2.5, count))
    return np.stack([x, y, np.zeros_like(x)]).astype(np.float32)


def _blocked(thing, ground, lamp):
    """Whether the straight way to the lamp's centre leads through the body, by small steps."""
    steps = np.linspace(0, 0.4, 201)[:, None, None, None]
    ways = ground + steps * (lamp.position[:, None, None] - ground)  # [steps, 3, ...]
    x, y, z = (ways[:, axis] - thing.position[axis] for axis in range(3))
    if thing.shape == "sphere":
        inside = x * x + y * y + z * z < thing.radius**2
    elif thing.shape == "cylinder":
        inside = (x * x + y * y < thing.radius**2) & (np.abs(z) < thing.radius)
    else:
        turned = (x + 1j * y) * np.exp(-1j * np.radians(thing.rotation))
        inside = np.maximum.reduce([abs(turned.real), abs(turned.imag), abs(z)]) < thing.radius
    return inside.any(axis=0)


@pytest.mark.parametrize(("shape", "agreement"), [("sphere", 1), ("cylinder", 1), ("cube", 0.97)])
def test_the_half_shadow_line_of_a_lamp_is_the_outline_of_the_body(shape, agreement):
    thing, ground = _thing(shape), _ground()
    dark = shadows.cast_shadows([thing], KEY._replace(radius=0.0), [ground])[0] > 0.5
    expected = _blocked(thing, ground, KEY)
    assert 0.05 < expected.mean() < 0.5
    assert (dark == expected).mean() >= agreement - 0.005


@pytest.mark.parametrize("shape", SHAPES)
def test_shadows_are_shares_and_end_at_their_boxes(shape):
    thing, camera = _thing(shape), Camera((7.48, -6.51, 5.34))
    columns, rows = np.arange(61) + 0.5, np.arange(47) + 0.5
    rays = camera.rays(columns, rows, 61, 47).directions()
    ground = np.array(camera.position, np.float32)[:, None, None] - rays * (
        camera.position[2] / rays[2]
    )
    for shade, boxes in (
        (shadows.contact_shadow(thing, ground), shadows.contact_boxes([thing], camera, 61, 47)),
        (
            shadows.cast_shadows([thing], KEY, [ground])[0],
            shadows.cast_boxes([thing], [KEY], camera, 61, 47)[0],
        ),
    ):
        assert shade.min() >= 0
        assert 0.4 < shade.max() <= 1
        beyond = shade.copy()
        beyond[boxes[0]] = 0
        assert beyond.max() < 0.05


def test_a_shadow_falls_on_a_neighbour_only_when_the_lamp_is_behind_the_caster():
    lamp = KEY._replace(position=np.array([6.0, 0.0, 3.0], np.float32))
    near, far = _thing("sphere"), _thing("sphere")
    near, far = near._replace(position=(1.8, 0, 0.7)), far._replace(position=(0.0, 0, 0.7))
    aside = near._replace(position=(0.0, 2.8, 0.7))
    assert shadows.shading_pairs([near, far, aside], [lamp]) == [(0, 0, 1)]


def test_a_wider_lamp_makes_a_softer_shadow():
    thing, ground = _thing("cylinder"), _ground()
    partial = [
        ((shade > 0.1) & (shade < 0.9)).mean()
        for shade in (
            shadows.cast_shadows([thing], KEY._replace(radius=radius), [ground])[0]
            for radius in (0.1, 0.9)
        )
    ]
    assert partial[1] > 2 * partial[0]
