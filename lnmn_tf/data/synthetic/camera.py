"""The pinhole camera of the synthetic world: where it stands, what it projects, which rays it casts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

# CLEVR's lens: 35 mm before a sensor whose longer side measures 32 mm.
FOCAL_LENGTH = 35.0 / 32.0


class CameraAxes(NamedTuple):
    """Orthonormal world directions, each [3]: right and up in the image, forward into the scene."""

    right: np.ndarray
    up: np.ndarray
    forward: np.ndarray


class Camera(NamedTuple):
    """A camera that looks at the world's origin with its horizon level.

    Attributes:
      position: x, y, z in world units; z points away from the ground.
    """

    position: tuple[float, float, float]

    def axes(self) -> CameraAxes:
        """Returns the camera's axes in world coordinates."""
        x, y, z = self.position
        ground_distance = math.hypot(x, y)
        right = (-y / ground_distance, x / ground_distance, 0.0)
        distance = math.hypot(ground_distance, z)
        rise, level = z / distance, ground_distance / distance
        return CameraAxes(
            np.array(right),
            np.array((right[1] * -rise, right[0] * rise, level)),
            np.array((-x / distance, -y / distance, -rise)),
        )

    def project(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """Projects world points, [..., 3], to (column, row, depth), [..., 3].

        Columns and rows are in pixels from the image's upper left corner; depth is the distance
        along the viewing direction, in world units.
        """
        right, up, forward = self.axes()
        offsets = np.asarray(points) - np.asarray(self.position)
        depth = offsets @ forward
        focal = FOCAL_LENGTH * max(width, height)
        return np.stack(
            [
                width / 2 + focal * (offsets @ right) / depth,
                height / 2 - focal * (offsets @ up) / depth,
                depth,
            ],
            axis=-1,
        )

    def pixel_sizes(self, points: np.ndarray, width: int, height: int) -> np.ndarray:
        """Returns how wide a pixel is at world points, [..., 3], in world units, [...]."""
        return self.project(points, width, height)[..., 2] / (FOCAL_LENGTH * max(width, height))

    def rays(self, columns: np.ndarray, rows: np.ndarray, width: int, height: int) -> np.ndarray:
        """Returns the ray directions through image positions, float32 [3, rows, columns].

        Directions are scaled so that a step of one unit is one unit of depth.

        Args:
          columns, rows: positions in pixels from the upper left corner, 1-D (not only whole ones).
          width, height: size of the image in pixels.
        """
        right, up, forward = (axis.astype(np.float32) for axis in self.axes())
        focal = np.float32(FOCAL_LENGTH * max(width, height))
        across = (np.asarray(columns, np.float32) - np.float32(width / 2)) / focal
        down = (np.asarray(rows, np.float32) - np.float32(height / 2)) / focal
        upright = forward[:, None] - up[:, None] * down  # [3, rows]
        return upright[:, :, None] + right[:, None, None] * across
