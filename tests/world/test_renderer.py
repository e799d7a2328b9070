"""Laws of the pictures: what belongs to a scene is visible in them."""

import numpy as np
import pytest
from PIL import Image

from lnmn_tf.world.camera import Camera
from lnmn_tf.world.objects import COLORS, SceneObject
from lnmn_tf.world.renderer import object_index_map, render
from lnmn_tf.world.scenes import CAMERA_POSITION, Lights, Scene, sample_scene

WIDTH, HEIGHT = 131, 97


def _scene(*objects):
    return Scene(objects, Camera(CAMERA_POSITION), Lights(), 0, "train")


def _thing(shape="sphere", material="rubber", color="red", position=(0.0, 0.0, 0.7)):
    return SceneObject(shape, "large", material, color, position, 23.0)


def _pixels_of(scene, index=0):
    """The object's pixels without its outline, [count, 3]."""
    mask = _without_outline(object_index_map(scene, WIDTH, HEIGHT) == index)
    return render(scene, WIDTH, HEIGHT)[mask].astype(float)


def _without_outline(mask):
    inner = mask.copy()
    for axis in (0, 1):
        inner &= np.roll(mask, 1, axis) & np.roll(mask, -1, axis)
    return inner


def test_a_scene_has_one_picture():
    scene = sample_scene(np.random.default_rng(2), 0, "train")
    picture = render(scene, WIDTH, HEIGHT)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    np.testing.assert_array_equal(picture, render(scene, WIDTH, HEIGHT))


def test_the_index_map_shows_every_object_and_the_ground():
    scene = sample_scene(np.random.default_rng(2), 0, "train", 7, 7)
    owners = object_index_map(scene, WIDTH, HEIGHT)
    assert owners.shape == (HEIGHT, WIDTH)
    assert set(np.unique(owners)) == set(range(-1, 7))


@pytest.mark.parametrize("material", ["rubber", "metal"])
@pytest.mark.parametrize("shape", ["cube", "sphere", "cylinder"])
def test_a_color_word_can_be_read_from_the_picture(shape, material):
    palette = np.array(list(COLORS.values()), float)
    palette /= np.linalg.norm(palette, axis=1, keepdims=True)
    for index, color in enumerate(COLORS):
        # Linear light is proportional to the palette.
        light = (_pixels_of(_scene(_thing(shape, material, color))) / 255) ** 2.2
        typical = np.median(light, axis=0)
        assert (palette @ typical).argmax() == index


def test_metal_has_more_contrast_than_rubber():
    for shape in ("cube", "sphere", "cylinder"):
        rubber = _pixels_of(_scene(_thing(shape, "rubber", "gray"))).mean(axis=1)
        metal = _pixels_of(_scene(_thing(shape, "metal", "gray"))).mean(axis=1)
        assert np.ptp(metal) > 1.3 * np.ptp(rubber)
        assert metal.min() < rubber.min() - 5


def test_a_metal_ball_has_glints_that_rubber_lacks():
    rubber = _pixels_of(_scene(_thing("sphere", "rubber", "gray")))
    metal = _pixels_of(_scene(_thing("sphere", "metal", "gray")))
    assert metal.max() > rubber.max() + 40


def test_an_object_darkens_the_ground_around_it_and_nowhere_else():
    with_object = _scene(_thing("cylinder"))
    bare = render(
        with_object._replace(objects=(_thing(position=(-30.0, 30.0, 0.7)),)), WIDTH, HEIGHT
    )
    picture = render(with_object, WIDTH, HEIGHT)
    owners = object_index_map(with_object, WIDTH, HEIGHT)
    around = _without_outline(owners == -1)
    change = (picture.astype(int) - bare).mean(axis=2)[around]
    assert change.min() < -25
    assert change.max() <= 1
    assert (change > -1).mean() > 0.5


def test_the_nearer_object_hides_the_farther_one():
    near, far = _thing(color="red", position=(1.4, -1.2, 0.7)), _thing("cube", color="blue")
    picture = render(_scene(far, near), WIDTH, HEIGHT)
    owners = object_index_map(_scene(far, near), WIDTH, HEIGHT)
    alone = object_index_map(_scene(far), WIDTH, HEIGHT) == 0
    hidden = alone & _without_outline(owners == 1)
    assert hidden.any()
    red, _, blue = picture[hidden].astype(int).T
    assert (red > blue).all()


def test_a_metal_mirror_shows_its_neighbour():
    mirror = _thing("cube", "metal", "gray")
    alone = _pixels_of(_scene(mirror))
    accompanied = _pixels_of(_scene(mirror, _thing(color="red", position=(-0.2, -2.3, 0.7))))
    redness = [pixels[:, 0] - pixels[:, 1:].mean(axis=1) for pixels in (alone, accompanied)]
    assert redness[1].max() > redness[0].max() + 10


def test_resolution_changes_detail_but_not_the_scene():
    scene = sample_scene(np.random.default_rng(8), 0, "train", 7, 7)
    small = render(scene, WIDTH, HEIGHT).astype(float)
    large = render(scene, 2 * WIDTH, 2 * HEIGHT).astype(float)
    shrunk = large.reshape(HEIGHT, 2, WIDTH, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small).mean() < 2.5


def test_an_object_outside_the_picture_leaves_it_whole():
    scene = _scene(_thing(), _thing("cube", "metal", position=(9.0, 9.0, 0.7)))
    assert (object_index_map(scene, WIDTH, HEIGHT) != 1).all()
    assert render(scene, WIDTH, HEIGHT).min() > 0


def test_pictures_are_as_bright_as_real_ones(clevr_sample):
    pictures = (clevr_sample / "images/val").glob("*.png")
    real = [np.asarray(Image.open(path).convert("RGB")) for path in pictures]
    rng = np.random.default_rng(1)
    ours = [render(sample_scene(rng, index, "val"), WIDTH, HEIGHT) for index in range(11)]
    for channel in range(3):
        expected = np.mean([picture[..., channel].mean() for picture in real])
        found = np.mean([picture[..., channel].mean() for picture in ours])
        assert found == pytest.approx(expected, abs=8)
