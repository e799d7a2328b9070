"""Laws of the ray caster, checked against brute force."""

import numpy as np
import pytest

from lnmn_tf.world import raycast
from lnmn_tf.world.camera import Camera
from lnmn_tf.world.objects import SHAPES, SceneObject
from lnmn_tf.world.scenes import sample_scene

CAMERA = Camera((7.3, -6.4, 5.5))
WIDTH, HEIGHT = 37, 29


def _thing(shape):
    return SceneObject(shape, "large", "rubber", "red", (0.4, -0.9, 0.7), 23.0)


def _inside(thing, points):
    """Whether points, [..., 3], are inside the body, from its definition."""
    offsets = points - np.array(thing.position)
    if thing.shape == "sphere":
        return np.linalg.norm(offsets, axis=-1) < thing.radius
    if thing.shape == "cylinder":
        from_axis = np.hypot(offsets[..., 0], offsets[..., 1])
        return (from_axis < thing.radius) & (np.abs(offsets[..., 2]) < thing.radius)
    turn = np.exp(-1j * np.radians(thing.rotation))
    ground = (offsets[..., 0] + 1j * offsets[..., 1]) * turn
    sides = np.stack([ground.real, ground.imag, offsets[..., 2]])
    return (np.abs(sides) < thing.radius).all(axis=0)


def _all_depths(thing):
    columns, rows = np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5
    rays = CAMERA.rays(columns, rows, WIDTH, HEIGHT)
    return rays.directions(), raycast.depths(thing, CAMERA, rays)


@pytest.mark.parametrize("shape", SHAPES)
def test_depth_is_where_a_marching_ray_first_enters_the_body(shape):
    thing = _thing(shape)
    rays, depths = _all_depths(thing)
    marks = np.linspace(6.0, 16.0, 2001)
    eye = np.array(CAMERA.position)
    entered = _inside(thing, eye + marks[:, None, None, None] * rays.transpose(1, 2, 0))
    hit, expected = entered.any(axis=0), marks[entered.argmax(axis=0)]
    assert hit.sum() > 20
    assert np.isfinite(depths[hit]).all()
    np.testing.assert_allclose(depths[hit], expected[hit], atol=0.006)
    stepped_over = np.isfinite(depths) & ~hit  # corners thinner than a step
    assert stepped_over.sum() <= 2


@pytest.mark.parametrize("shape", SHAPES)
def test_bounding_box_holds_every_hit(shape):
    thing = _thing(shape)
    hit = np.isfinite(_all_depths(thing)[1])
    (rows, columns), *_ = raycast.bounding_boxes([thing], CAMERA, WIDTH, HEIGHT)
    assert hit[rows, columns].sum() == hit.sum()
    assert hit[rows, columns].mean() > 0.4


@pytest.mark.parametrize("shape", SHAPES)
def test_surface_points_lie_on_the_body_and_normals_point_out_of_it(shape):
    thing = _thing(shape)
    rays, depths = _all_depths(thing)
    hit = np.isfinite(depths)
    points = np.array(CAMERA.position)[:, None] + depths[hit] * rays[:, hit]
    moved, normals = raycast.surface(thing, points.astype(np.float32) * 1.001, pixel_size=0.01)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=0), 1, atol=1e-5)
    assert not _inside(thing, (moved + 0.02 * normals).T).any()
    assert _inside(thing, (moved - 0.02 * normals).T).all()


def test_painters_order_equals_the_nearest_depth_at_every_pixel():
    rng = np.random.default_rng(5)
    for index in range(7):
        scene = sample_scene(rng, index, "train", 7, 10)
        columns, rows = np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5
        rays = scene.camera.rays(columns, rows, WIDTH, HEIGHT)
        depths = np.stack([raycast.depths(thing, scene.camera, rays) for thing in scene.objects])
        nearest = np.where(np.isfinite(depths).any(axis=0), depths.argmin(axis=0), raycast.GROUND)
        owners = raycast.index_map(scene.objects, scene.camera, WIDTH, HEIGHT)
        np.testing.assert_array_equal(owners, nearest)


def test_an_object_outside_the_picture_has_an_empty_box():
    beside = _thing("cube")._replace(position=(9.0, 9.0, 0.7))
    (rows, columns), *_ = raycast.bounding_boxes([beside], CAMERA, WIDTH, HEIGHT)
    assert rows.stop == rows.start or columns.stop == columns.start
    assert (raycast.index_map([beside], CAMERA, WIDTH, HEIGHT) == raycast.GROUND).all()
