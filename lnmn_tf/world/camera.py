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


class Rays(NamedTuple):
    """Ray directions through a lattice of image positions; a step of one unit is one of depth.

    The direction at (row, column) is `upright[:, row] + across[column] * right`. The two parts are
    at right angles, and `right` is level; so whatever is linear in the direction, and its squared
    length, is the sum of a row's and a column's share, and its height is the row's alone.

    Attributes:
        right: the camera's, float32 [3].
        across: float32 [columns].
        upright: float32 [3, rows].
    """

    right: np.ndarray
    across: np.ndarray
    upright: np.ndarray

    def cut(self, rows: slice, columns: slice) -> Rays:
        """Returns the rays of a rectangle."""
        return Rays(self.right, self.across[columns], self.upright[:, rows])

    def along(self, x: float, y: float, z: float) -> np.ndarray:
        """Returns the scalar products with one vector, float32 [rows, columns]."""
        of_rows = x * self.upright[0] + y * self.upright[1] + z * self.upright[2]
        return of_rows[:, None] + (x * self.right[0] + y * self.right[1]) * self.across

    def squared(self, axes: int = 3) -> np.ndarray:
        """Returns the squared lengths, on the ground if `axes` is 2, float32 [rows, columns]."""
        upright = self.upright[:axes]
        return (upright * upright).sum(axis=0)[:, None] + self.across * self.across

    def directions(self) -> np.ndarray:
        """Returns the directions, float32 [3, rows, columns]."""
        return self.upright[:, :, None] + self.right[:, None, None] * self.across


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

    def rays(self, columns: np.ndarray, rows: np.ndarray, width: int, height: int) -> Rays:
        """Returns the rays through image positions.

        Args:
            columns, rows: positions in pixels from the upper left corner, 1-D (not only whole ones).
            width, height: size of the image in pixels.
        """
        right, up, forward = (axis.astype(np.float32) for axis in self.axes())
        focal = np.float32(FOCAL_LENGTH * max(width, height))
        across = (np.asarray(columns, np.float32) - np.float32(width / 2)) / focal
        down = (np.asarray(rows, np.float32) - np.float32(height / 2)) / focal
        return Rays(right, across, forward[:, None] - up[:, None] * down)
