import h5py
import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.features import FeatureStore, PixelStore
from lnmn_tf.data.image_store import ImageStore
from lnmn_tf.data.pipeline import batches, explained_errors, num_batches
from lnmn_tf.errors import InputError

QUESTIONS, IMAGES, BATCH = 103, 13, 7
WINDOW_BYTES = 5 * 2 * 3 * 17 * 4  # five images


class CountingStore(ImageStore):
    """Image i is filled with the number i; remembers what was read."""

    key, dtype, shape = "features", np.dtype(np.float32), (2, 3, 17)

    def __init__(self, in_memory):
        self.in_memory = in_memory
        self.reads = []

    def __len__(self):
        return IMAGES

    def read(self, indices):
        self.reads.append(list(indices))
        return np.broadcast_to(
            np.float32(indices)[:, None, None, None], [len(indices), *self.shape]
        ).copy()


@pytest.fixture
def questions(clevr_folder, question):
    """103 questions, eight about each image and the last seven about image 12."""
    answers = ["0", "1", "2", "3", "yes"]
    entries = [question(i, i // 8, answer=answers[i * i % 5]) for i in range(QUESTIONS)]
    entries[50]["question"] = "Is there one?"
    return read_questions(clevr_folder(entries), "train")


@pytest.fixture(params=[True, False], ids=["memory", "disk"])
def store(request):
    return CountingStore(request.param)


def epoch(questions, store, **options):
    options = {"shuffle": True, "window_bytes": WINDOW_BYTES, **options}
    return list(batches(questions, store, BATCH, **options).as_numpy_iterator())


def positions(epoch_batches):
    """Positions of the real examples, in order."""
    return [int(i) for b in epoch_batches for i, w in zip(b["position"], b["weight"]) if w]


@pytest.mark.parametrize("shuffle", [True, False])
def test_question_answer_and_image_of_an_example_belong_together(questions, store, shuffle):
    for batch in epoch(questions, store, shuffle=shuffle):
        at = batch["position"]
        np.testing.assert_array_equal(batch["question"], questions.question_ids[at])
        np.testing.assert_array_equal(batch["answer"], questions.answers[at])
        np.testing.assert_array_equal(batch["features"][:, 1, 2, 16], questions.image_index[at])


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_asks_each_question_once(questions, store, shuffle):
    asked = positions(epoch(questions, store, shuffle=shuffle))
    assert sorted(asked) == list(range(QUESTIONS))
    assert (asked == list(range(QUESTIONS))) == (not shuffle)


def test_shapes_are_static_and_the_last_batch_is_filled_with_weight_0(questions, store):
    dataset = batches(questions, store, BATCH, shuffle=False, pad_to=11)
    assert dataset.element_spec == {
        "features": tf.TensorSpec([BATCH, 2, 3, 17], tf.float32),
        "question": tf.TensorSpec([BATCH, 11], tf.int32),
        "answer": tf.TensorSpec([BATCH], tf.int32),
        "weight": tf.TensorSpec([BATCH], tf.float32),
        "position": tf.TensorSpec([BATCH], tf.int32),
    }
    assert dataset.cardinality() == num_batches(questions, BATCH, drop_remainder=False) == 15
    *full, last = dataset.as_numpy_iterator()
    assert all((batch["weight"] == 1).all() for batch in full)
    assert last["weight"].tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert last["position"].tolist() == [98, 99, 100, 101, 102, 98, 98]


def test_a_dropped_remainder_leaves_whole_batches(questions, store):
    whole = epoch(questions, store, drop_remainder=True)
    assert len(whole) == num_batches(questions, BATCH, drop_remainder=True) == 14
    assert all((batch["weight"] == 1).all() for batch in whole)
    other_epoch = epoch(questions, store, drop_remainder=True, epoch=1)
    dropped = [set(range(QUESTIONS)) - set(positions(e)) for e in (whole, other_epoch)]
    assert len(dropped[0]) == len(dropped[1]) == QUESTIONS % BATCH
    assert dropped[0] != dropped[1]


@pytest.mark.parametrize("options", [{}, {"drop_remainder": True}, {"shuffle": False}])
def test_a_restart_sees_the_same_remaining_batches(questions, store, options):
    options = {"seed": 3, "epoch": 5, **options}
    uninterrupted = epoch(questions, store, **options)
    for start in (1, 6, len(uninterrupted)):
        restarted = epoch(questions, store, start=start, **options)
        assert len(restarted) == len(uninterrupted) - start
        for expected, batch in zip(uninterrupted[start:], restarted):
            assert expected.keys() == batch.keys()
            for name in expected:
                np.testing.assert_array_equal(batch[name], expected[name])


@pytest.mark.parametrize("options", [{}, {"start": 4, "epoch": 2}])
def test_the_parts_of_a_batch_make_up_the_batch_and_each_reads_its_own_images(
    questions, store, options
):
    options = {"shuffle": True, "drop_remainder": True, "window_bytes": WINDOW_BYTES, **options}
    whole = list(batches(questions, store, 6, **options).as_numpy_iterator())
    parts = []
    for index in range(3):
        store.reads.clear()
        parts.append(
            list(batches(questions, store, 6, part=(index, 3), **options).as_numpy_iterator())
        )
        if not store.in_memory:
            own = {int(image) for batch in parts[-1] for image in batch["features"][:, 0, 0, 0]}
            assert {image for read in store.reads for image in read} == own
    for batch, *of_batch in zip(whole, *parts):
        for name, value in batch.items():
            np.testing.assert_array_equal(np.concatenate([part[name] for part in of_batch]), value)
    assert len(whole) == len(parts[0]) == QUESTIONS // 6 - options.get("start", 0)


def test_batches_that_cannot_be_cut_into_equal_parts_are_refused(questions, store):
    with pytest.raises(InputError, match="batches of 6"):
        batches(questions, store, 6, shuffle=True, drop_remainder=True, part=(0, 4))
    with pytest.raises(InputError, match="the last of 1"):
        batches(questions, store, 6, shuffle=True, part=(0, 3))


def test_the_order_changes_with_seed_and_epoch(questions, store):
    orders = [
        positions(epoch(questions, store, seed=seed, epoch=number))
        for seed, number in ((1, 2), (1, 3), (2, 2))
    ]
    assert orders[0] not in orders[1:]
    assert orders[1] != orders[2]


def test_iterating_twice_gives_the_same_epoch(questions, store):
    dataset = batches(questions, store, BATCH, shuffle=True, window_bytes=WINDOW_BYTES)
    first, second = (positions(dataset.as_numpy_iterator()) for _ in range(2))
    assert first == second


def test_a_shuffled_epoch_from_disk_reads_windows_and_no_single_images(questions):
    store = CountingStore(in_memory=False)
    epoch(questions, store)
    # A batch across two windows belongs to the first: it may need up to 6 images of the next.
    assert len(store.reads) == 3
    assert all(len(read) <= 5 + BATCH - 1 for read in store.reads)
    assert sum(map(len, store.reads)) <= IMAGES + 2 * (BATCH - 1)


def test_an_epoch_in_the_order_of_the_file_reads_each_image_about_once(questions):
    store = CountingStore(in_memory=False)
    epoch(questions, store, shuffle=False)
    assert all(len(read) <= 2 for read in store.reads)
    assert [read[0] for read in store.reads] == sorted(read[0] for read in store.reads)


def test_an_epoch_does_not_wait_for_the_thread_that_tunes_it(questions, store):
    assert batches(questions, store, BATCH, shuffle=True).options().autotune.enabled is False


def test_batches_before_the_start_are_not_read(questions):
    store = CountingStore(in_memory=False)
    epoch(questions, store, shuffle=False, start=14)
    assert store.reads == [[12]]


def test_some_of_the_questions_may_be_selected(questions, store):
    short = questions.select(questions.lengths < 6)
    (batch,) = epoch(short, store)
    assert batch["weight"].sum() == 1
    assert "question 50 ('Is there one?'" in short.describe(batch["position"][0])


def test_pixels_become_floats_between_0_and_1(questions):
    folder = questions.source.split("/questions/")[0]
    store = PixelStore(folder, "train", questions.image_filenames, 5, 3)
    batch = epoch(questions, store)[0]
    assert batch["image"].shape == (BATCH, 5, 3, 3)
    expected = np.stack([[10 * questions.image_index[i], 100, 200] for i in batch["position"]])
    np.testing.assert_allclose(batch["image"][:, 4, 2], expected / 255, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_feature_file_on_disk_gives_the_same_batches_as_in_memory(questions, tmp_path, dtype):
    features = np.random.default_rng(0).normal(size=[IMAGES, 17, 2, 2]).astype(dtype)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features"] = features
    on_disk = FeatureStore(tmp_path / "features.h5", questions.image_rows, cache_bytes=0)
    for batch in epoch(questions, on_disk):
        expected = features[questions.image_index[batch["position"]]].transpose(0, 2, 3, 1)
        assert batch["features"].dtype == np.float32
        np.testing.assert_array_equal(batch["features"], expected)


def test_a_split_without_answers_has_no_answer(clevr_folder, question, questions, store):
    folder = clevr_folder([question(0, 0, "test", answer=None)], "test")
    test = read_questions(folder, "test", questions.vocabulary)
    (batch,) = epoch(test, store)
    assert batch.keys() == {"features", "question", "weight", "position"}


def test_impossible_batches_are_refused_at_once(questions, store):
    with pytest.raises(InputError, match="batch size is 0"):
        batches(questions, store, 0, shuffle=True)
    with pytest.raises(InputError, match="103 questions do not fill a batch of 104"):
        batches(questions, store, 104, shuffle=True, drop_remainder=True)
    with pytest.raises(InputError, match="start is batch 16; the epoch has 15 batches"):
        batches(questions, store, BATCH, shuffle=True, start=16)
    with pytest.raises(InputError, match="has 6 words; expected at most 5"):
        batches(questions, store, BATCH, shuffle=True, pad_to=5)


def test_an_image_that_fails_in_mid_epoch_is_named(questions, tmp_path):
    features = np.ones([IMAGES, 17, 2, 2], np.float32)
    features[9] = np.nan
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["features"] = features
    store = FeatureStore(tmp_path / "features.h5", questions.image_rows, cache_bytes=0)
    with pytest.raises(tf.errors.OpError, match="InputError: .*features.h5.* row 9 holds NaN"):
        epoch(questions, store)


def test_an_epoch_may_be_left_early(questions, store):
    for batch in batches(questions, store, BATCH, shuffle=True, window_bytes=WINDOW_BYTES):
        assert batch["position"].shape == [BATCH]
        break


def test_a_row_that_is_no_number_beyond_the_cache_is_one_sentence(clevr_folder, question, tmp_path):
    folder = clevr_folder([question(index, index) for index in range(4)])
    features = np.ones([5, 2, 2, 8], np.float32)
    features[3, 0, 1] = np.nan
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["features"] = features
    questions = read_questions(folder, "train")
    store = FeatureStore(tmp_path / "x.h5", questions.image_rows, cache_bytes=0)
    with pytest.raises(InputError, match=r"x\.h5.*row 3 holds NaN") as caught, explained_errors():
        list(batches(questions, store, 2, shuffle=False))
    assert "\n" not in str(caught.value)
