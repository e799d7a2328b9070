"""Laws of the camera, checked against its own inverse and against real CLEVR scenes."""

import json

import numpy as np
import pytest

from lnmn_tf.world.camera import Camera
from lnmn_tf.world.scenes import CAMERA_JITTER, CAMERA_POSITION

WIDTH, HEIGHT = 131, 97


def test_axes_are_orthonormal_and_the_horizon_is_level():
    right, up, forward = Camera((7.1, -6.3, 5.2)).axes()
    axes = np.stack([right, up, forward])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert right[2] == 0
    np.testing.assert_allclose(np.cross(right, forward), up, atol=1e-12)


def test_the_origin_is_in_the_middle_of_the_picture():
    column, row, depth = Camera((3.0, -4.0, 12.0)).project(np.zeros(3), WIDTH, HEIGHT)
    assert (column, row) == pytest.approx((WIDTH / 2, HEIGHT / 2))
    assert depth == pytest.approx(13.0)


def test_a_ray_through_a_projected_point_meets_the_point():
    camera = Camera((7.4, -6.6, 5.1))
    point = np.array([1.3, -2.1, 0.35])
    column, row, depth = camera.project(point, WIDTH, HEIGHT)
    ray = camera.rays([column], [row], WIDTH, HEIGHT).directions()[:, 0, 0]
    np.testing.assert_allclose(np.array(camera.position) + depth * ray, point, atol=1e-4)


def test_the_lens_is_the_one_of_real_clevr(clevr_sample):
    """A camera found from the objects' pixels stands where CLEVR's can, and explains them all."""
    path = clevr_sample / "scenes/CLEVR_val_scenes.json"
    scenes = json.loads(path.read_text())["scenes"]
    for scene in [scene for scene in scenes if len(scene["objects"]) >= 7][:5]:
        points = np.array([thing["3d_coords"] for thing in scene["objects"]])
        pixels = np.array([thing["pixel_coords"] for thing in scene["objects"]])

        def errors(position, points=points, pixels=pixels):
            return (Camera(tuple(position)).project(points, 320, 240) - pixels).ravel()

        position = np.array(CAMERA_POSITION)
        for _ in range(9):  # Gauss-Newton with numerical derivatives
            now = errors(position)
            slopes = [(errors(position + 1e-5 * axis) - now) / 1e-5 for axis in np.eye(3)]
            position -= np.linalg.lstsq(np.stack(slopes, axis=1), now, rcond=None)[0]
        assert np.abs(errors(position)).max() < 1.1
        assert np.abs(position - CAMERA_POSITION).max() < CAMERA_JITTER + 0.1
