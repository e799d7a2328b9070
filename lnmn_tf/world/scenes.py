"""Random scenes of CLEVR's universe, and their description in CLEVR v1.0's own JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lnmn_tf.errors import InputError
from lnmn_tf.world import raycast
from lnmn_tf.world.camera import Camera
from lnmn_tf.world.objects import COLORS, MATERIALS, SHAPES, SIZES, SceneObject

# CLEVR's generator settings, in world units.
CAMERA_POSITION = (7.48, -6.51, 5.34)
CAMERA_JITTER = 0.5
LIGHT_JITTER = 1.0
GROUND_REACH = 3.0
MIN_DISTANCE = 0.25
MIN_MARGIN = 0.4
RELATION_EPSILON = 0.2
MAX_OBJECTS = 10
# An object must show at least 200 pixels of CLEVR's 480 x 320; this is asked of a smaller picture.
_PROBE_WIDTH, _PROBE_HEIGHT = 120, 80
_MIN_PROBE_PIXELS = 200 * (_PROBE_WIDTH * _PROBE_HEIGHT) / (480 * 320)
_PLACEMENT_TRIALS = 50


class Lights(NamedTuple):
    """The positions of the three lamps, each x, y, z in world units (CLEVR's base scene).

    Attributes:
        key: warm and strong, to the right of the camera.
        fill: bluish and weak, low on the left.
        back: white, above and behind the objects.
    """

    key: tuple[float, float, float] = (6.45, -2.91, 4.26)
    fill: tuple[float, float, float] = (-4.67, -4.01, 3.01)
    back: tuple[float, float, float] = (-1.17, 2.65, 5.82)


class Directions(NamedTuple):
    """Unit vectors on the ground, each (x, y, z), that the spatial words stand for."""

    left: np.ndarray
    right: np.ndarray
    front: np.ndarray
    behind: np.ndarray


class Scene(NamedTuple):
    """Everything that fixes a picture.

    Attributes:
        objects: 3 to 10 objects that neither touch nor hide one another.
        camera: the point of view.
        lights: where the lamps stand.
        image_index: number of the picture within its split.
        split: "train", "val" or "test".
    """

    objects: tuple[SceneObject, ...]
    camera: Camera
    lights: Lights
    image_index: int
    split: str

    @property
    def image_filename(self) -> str:
        """The picture's file name, as in CLEVR v1.0."""
        return f"CLEVR_{self.split}_{self.image_index:06d}.png"

    def to_json(self, width: int, height: int) -> dict[str, Any]:
        """Returns the scene as an entry of CLEVR v1.0's `scenes`.

        Args:
            width, height: size of the picture in pixels; `pixel_coords` are columns and rows of it.
        """
        ways = directions(self.camera)
        return {
            "split": self.split,
            "image_index": self.image_index,
            "image_filename": self.image_filename,
            "objects": [self._object_to_json(thing, width, height) for thing in self.objects],
            "directions": {
                **{word: way.tolist() for word, way in ways._asdict().items()},
                "above": [0.0, 0.0, 1.0],
                "below": [0.0, 0.0, -1.0],
            },
            "relationships": relationships(
                np.array([thing.position for thing in self.objects]), ways._asdict()
            ),
        }

    def _object_to_json(self, thing: SceneObject, width: int, height: int) -> dict[str, Any]:
        column, row, depth = self.camera.project(np.array(thing.position), width, height).tolist()
        return {
            "shape": thing.shape,
            "size": thing.size,
            "material": thing.material,
            "color": thing.color,
            "3d_coords": list(thing.position),
            "rotation": thing.rotation,
            "pixel_coords": [round(column), round(row), depth],
        }


def directions(camera: Camera) -> Directions:
    """Returns what left, right, front and behind mean on the ground, as this camera sees it."""
    right, _, forward = camera.axes()
    behind = np.array([forward[0], forward[1], 0.0])
    behind /= np.linalg.norm(behind)
    return Directions(left=-right, right=right, front=-behind, behind=behind)


def relationships(
    positions: np.ndarray, ways: dict[str, Sequence[float]], epsilon: float = RELATION_EPSILON
) -> dict[str, list[list[int]]]:
    """Returns, for each word and each object i, the objects j that are e.g. left of i.

    Object j is in relation to i when (position_j - position_i) . direction > epsilon.

    Args:
        positions: [objects, 3], world units.
        ways: word -> direction, [3].
        epsilon: the least distance along the direction, in world units.

    Returns:
        word -> for each object, the sorted indices of the objects related to it.
    """
    relations = {}
    for word, way in ways.items():
        along = np.asarray(positions) @ np.asarray(way)
        related = along[None, :] - along[:, None] > epsilon  # [i, j]
        relations[word] = [np.flatnonzero(row).tolist() for row in related]
    return relations


def sample_scene(
    rng: np.random.Generator,
    image_index: int,
    split: str,
    min_objects: int = 3,
    max_objects: int = MAX_OBJECTS,
) -> Scene:
    """Samples a scene the way CLEVR does: placed one by one, redrawn until all objects are seen.

    Args:
        rng: the source of chance; the same state gives the same scene.
        image_index: number of the picture within its split.
        split: "train", "val" or "test".
        min_objects, max_objects: bounds of the number of objects, both included.

    Raises:
        InputError: the bounds are not 1 <= min_objects <= max_objects <= 10.
    """
    if not 1 <= min_objects <= max_objects <= MAX_OBJECTS:
        raise InputError(
            f"min_objects={min_objects} and max_objects={max_objects}: "
            f"expected 1 <= min_objects <= max_objects <= {MAX_OBJECTS}"
        )
    camera = Camera(_jittered(rng, CAMERA_POSITION, CAMERA_JITTER))
    lights = Lights(*(_jittered(rng, lamp, LIGHT_JITTER) for lamp in Lights()))
    count = int(rng.integers(min_objects, max_objects + 1))
    ways = directions(camera)
    image_axes = np.stack([ways.right, ways.behind], axis=1)[:2]  # ground x, y -> right, behind
    while True:
        objects = _place_objects(rng, count, image_axes)
        if objects is not None and _all_visible(objects, camera):
            return Scene(objects, camera, lights, image_index, split)


def _jittered(
    rng: np.random.Generator, position: tuple[float, float, float], reach: float
) -> tuple[float, float, float]:
    return tuple((np.asarray(position) + rng.uniform(-reach, reach, 3)).tolist())


def _place_objects(
    rng: np.random.Generator, count: int, image_axes: np.ndarray
) -> tuple[SceneObject, ...] | None:
    """Places `count` objects one after the other; None when one of them finds no place.

    An object keeps CLEVR's distance from all others, and a margin along both axes, so that it is
    clearly left or right, in front or behind. CLEVR's distance lets the corners of two large cubes
    meet; here the upright tubes around the objects stay apart as well.

    Args:
        rng: the source of chance.
        count: how many objects.
        image_axes: ground x, y -> right, behind, [2, 2].
    """
    kinds = rng.integers(0, [len(SHAPES), len(SIZES), len(MATERIALS), len(COLORS)], (count, 4))
    rotations = rng.uniform(0.0, 360.0, count).tolist()
    objects: list[SceneObject] = []
    placed = np.empty((count, 2))  # right, behind
    for (shape, size, material, color), rotation in zip(kinds.tolist(), rotations):
        radius = tuple(SIZES.values())[size]
        spots = rng.uniform(-GROUND_REACH, GROUND_REACH, (_PLACEMENT_TRIALS, 2))
        thing = SceneObject(
            SHAPES[shape],
            tuple(SIZES)[size],
            MATERIALS[material],
            tuple(COLORS)[color],
            (0.0, 0.0, radius),
            rotation,
        )
        spacing = np.array([_spacing(thing, other) for other in objects])
        offsets = np.abs((spots @ image_axes)[:, None] - placed[: len(objects)])
        free = (offsets >= MIN_MARGIN).all(axis=(1, 2))
        free &= (np.hypot(offsets[..., 0], offsets[..., 1]) > spacing).all(axis=1)
        if not free.any():
            return None
        spot = spots[free.argmax()]
        placed[len(objects)] = spot @ image_axes
        objects.append(thing._replace(position=(*spot.tolist(), radius)))
    return tuple(objects)


def _spacing(thing: SceneObject, other: SceneObject) -> float:
    """The least distance between the centres of two objects, in world units."""
    return max(
        thing.radius + other.radius + MIN_DISTANCE,
        thing.footprint + other.footprint,
    )


def _all_visible(objects: Sequence[SceneObject], camera: Camera) -> bool:
    """Whether no object is hidden, or nearly so, by others or by the picture's border."""
    owners = raycast.index_map(objects, camera, _PROBE_WIDTH, _PROBE_HEIGHT)
    pixels = np.bincount(owners[owners != raycast.GROUND], minlength=len(objects))
    return bool((pixels >= _MIN_PROBE_PIXELS).all())
