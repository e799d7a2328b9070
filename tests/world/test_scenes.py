"""Laws of sampled scenes, and agreement with real CLEVR scenes where those are at hand."""

import json
from collections import Counter

import numpy as np
import pytest

from lnmn_tf.errors import InputError
from lnmn_tf.world import raycast, scenes
from lnmn_tf.world.objects import COLORS, MATERIALS, SHAPES, SIZES
from lnmn_tf.world.scenes import directions, relationships, sample_scene

SCENES = [sample_scene(np.random.default_rng(seed), seed, "train") for seed in range(23)]


@pytest.fixture(scope="module")
def real_scenes(clevr_sample):
    path = clevr_sample / "scenes/CLEVR_train_scenes.json"
    return json.loads(path.read_text())["scenes"]


def test_relation_law_reproduces_every_relation_of_real_scenes(real_scenes):
    for scene in real_scenes:
        positions = np.array([thing["3d_coords"] for thing in scene["objects"]])
        ways = {word: scene["directions"][word] for word in scene["relationships"]}
        assert relationships(positions, ways) == scene["relationships"]


def test_json_has_the_fields_and_types_of_real_scenes(real_scenes):
    def skeleton(value):
        if isinstance(value, dict):
            return {key: skeleton(item) for key, item in value.items()}
        if isinstance(value, list) and value and not isinstance(value[0], (list, int)):
            return [skeleton(value[0])]
        return type(value)

    def without_relations(scene):
        return skeleton({key: item for key, item in scene.items() if key != "relationships"})

    ours = json.loads(json.dumps(SCENES[3].to_json(width=131, height=97)))
    assert without_relations(ours) == without_relations(real_scenes[0])
    assert set(ours["relationships"]) == set(real_scenes[0]["relationships"])


def test_json_names_the_picture_and_puts_pixels_where_the_camera_sees_the_centre():
    scene = SCENES[5]._replace(image_index=42, split="val")
    entry = scene.to_json(width=131, height=97)
    assert entry["image_filename"] == "CLEVR_val_000042.png"
    for thing, described in zip(scene.objects, entry["objects"]):
        seen = scene.camera.project(np.array(thing.position), 131, 97)
        np.testing.assert_allclose(described["pixel_coords"], seen, atol=0.5)
        assert described["3d_coords"] == list(thing.position)


def test_objects_keep_their_distance_and_their_margins():
    for scene in SCENES:
        ways = directions(scene.camera)
        for i, thing in enumerate(scene.objects):
            assert thing.position[2] == thing.radius == SIZES[thing.size]
            assert max(map(abs, thing.position[:2])) <= scenes.GROUND_REACH
            for other in scene.objects[:i]:
                offset = np.subtract(thing.position, other.position)
                distance = np.hypot(*offset[:2])
                assert distance - thing.radius - other.radius >= scenes.MIN_DISTANCE
                assert distance > thing.footprint + other.footprint
                assert abs(offset @ ways.right) >= scenes.MIN_MARGIN
                assert abs(offset @ ways.behind) >= scenes.MIN_MARGIN


def test_every_object_is_seen():
    for scene in SCENES:
        owners = raycast.index_map(scene.objects, scene.camera, 480, 320)
        pixels = np.bincount(owners[owners >= 0], minlength=len(scene.objects))
        assert pixels.min() >= 150  # CLEVR asks for 200; the probe counts on a coarser grid


def test_left_moves_left_in_the_picture_and_behind_moves_away():
    camera, point = SCENES[0].camera, np.array([0.5, -1.1, 0.35])
    column, _, depth = camera.project(point, 131, 97)
    ways = directions(camera)
    left_column, _, left_depth = camera.project(point + ways.left, 131, 97)
    _, _, behind_depth = camera.project(point + ways.behind, 131, 97)
    assert left_column < column
    assert left_depth == pytest.approx(depth)
    assert behind_depth > depth
    np.testing.assert_allclose(ways.left, -ways.right)
    np.testing.assert_allclose(ways.front, -ways.behind)


def test_opposite_relations_are_each_others_converse():
    relations = SCENES[7].to_json(131, 97)["relationships"]
    for word, opposite in (("left", "right"), ("front", "behind")):
        pairs = {(i, j) for i, related in enumerate(relations[word]) for j in related}
        converse = {(j, i) for i, related in enumerate(relations[opposite]) for j in related}
        assert pairs == converse
        count = len(relations[word])
        assert len(pairs) == count * (count - 1) // 2  # the margin exceeds epsilon


def test_the_same_chance_gives_the_same_scene_and_another_one_does_not():
    assert sample_scene(np.random.default_rng(3), 3, "train") == SCENES[3]
    assert SCENES[3] != SCENES[4]


def test_the_number_of_objects_keeps_its_bounds():
    for count in (1, 7, 10):
        assert len(sample_scene(np.random.default_rng(11), 0, "val", count, count).objects) == count
    assert {len(scene.objects) for scene in SCENES} <= set(range(3, 11))


@pytest.mark.parametrize(("fewest", "most"), [(0, 3), (5, 4), (3, 11)])
def test_impossible_bounds_are_refused_by_value(fewest, most):
    with pytest.raises(InputError, match=f"min_objects={fewest} and max_objects={most}"):
        sample_scene(np.random.default_rng(0), 0, "train", fewest, most)


def test_all_attributes_occur():
    things = [thing for scene in SCENES for thing in scene.objects]
    for field, values in (
        ("shape", SHAPES),
        ("size", SIZES),
        ("material", MATERIALS),
        ("color", COLORS),
    ):
        counts = Counter(getattr(thing, field) for thing in things)
        assert set(counts) == set(values)
        assert min(counts.values()) > 0.3 * len(things) / len(values)
