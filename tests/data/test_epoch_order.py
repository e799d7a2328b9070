import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnmn_tf.data.epoch_order import full_shuffle, windowed_shuffle

IMAGE_INDEX = np.repeat(np.arange(101), 7)  # 707 questions, in the order of a CLEVR file


@given(st.lists(st.integers(0, 40), min_size=1), st.integers(1, 50), st.integers(0, 9))
def test_each_question_is_asked_once(image_index, images_per_window, seed):
    image_index = np.array(image_index)
    for order in (
        full_shuffle(len(image_index), seed, 1),
        windowed_shuffle(image_index, images_per_window, seed, 1)[0],
    ):
        assert sorted(order) == list(range(len(image_index)))


@given(st.lists(st.integers(0, 40), min_size=1), st.integers(1, 50), st.integers(0, 9))
def test_no_window_holds_too_many_images_and_no_image_is_in_two(
    image_index, images_per_window, seed
):
    image_index = np.array(image_index)
    order, ends = windowed_shuffle(image_index, images_per_window, seed, 0)
    windows = np.split(image_index[order], ends[:-1])
    assert ends[-1] == len(image_index)
    assert all(1 <= len(set(window)) <= images_per_window for window in windows)
    assert sum(len(set(window)) for window in windows) == len(set(image_index))


@pytest.mark.parametrize(
    "shuffled",
    [
        lambda seed, epoch: full_shuffle(707, seed, epoch),
        lambda seed, epoch: windowed_shuffle(IMAGE_INDEX, 16, seed, epoch)[0],
    ],
    ids=["full", "windowed"],
)
def test_the_order_is_a_function_of_seed_and_epoch(shuffled):
    np.testing.assert_array_equal(shuffled(3, 5), shuffled(3, 5))
    orders = {tuple(shuffled(seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_a_window_reads_runs_of_neighbours_from_all_over_the_file():
    order, ends = windowed_shuffle(IMAGE_INDEX, 16, seed=0, epoch=0)
    windows = [np.unique(window) for window in np.split(IMAGE_INDEX[order], ends[:-1])]
    runs = [1 + int((np.diff(window) > 1).sum()) for window in windows]
    assert len(windows) == 7
    assert max(runs) <= 8  # blocks of two neighbours, so far fewer reads than 16
    assert sum(window[-1] - window[0] > 40 for window in windows) >= 5


def test_questions_of_a_window_are_shuffled_together():
    order, ends = windowed_shuffle(IMAGE_INDEX, 16, seed=0, epoch=0)
    images = IMAGE_INDEX[order[: ends[0]]]
    # In the order of the file 6 of 7 neighbours share their image; shuffled, about 1 in 16.
    assert (np.diff(images) == 0).mean() < 0.2
