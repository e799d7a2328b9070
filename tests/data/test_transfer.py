import numpy as np
import pytest

from lnmn_tf.data.transfer import carry_over, map_vocabulary
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.errors import InputError

RESERVED = ("<pad>", "<unk>")
OLD = Vocabulary((*RESERVED, "cube", "red", "is"), ("yes", "no", "2"))
NEW = Vocabulary((*RESERVED, "is", "odd", "cube"), ("no", "purple", "yes"))


def test_words_and_answers_map_by_their_spelling():
    mapping = map_vocabulary(OLD, NEW)
    assert mapping.words.tolist() == [0, 1, 4, -1, 2]
    assert mapping.answers.tolist() == [1, -1, 0]
    assert mapping.new_words == ("odd",)
    assert mapping.new_answers == ("purple",)
    assert mapping.lost_answers == ("2",)
    assert mapping.report() == (
        "4 of 5 words and 2 of 3 answers keep their weights; 1 answers begin fresh: purple; "
        "1 answers are dropped: 2"
    )


def test_a_vocabulary_maps_to_itself():
    mapping = map_vocabulary(OLD, OLD)
    assert mapping.words.tolist() == [0, 1, 2, 3, 4]
    assert mapping.answers.tolist() == [0, 1, 2]
    assert mapping.report() == "5 of 5 words and 3 of 3 answers keep their weights"


def test_known_rows_keep_their_weights_and_new_ones_begin_fresh():
    old = np.arange(10.0).reshape(5, 2)
    fresh = -np.ones([5, 2])
    carried = carry_over(old, fresh, map_vocabulary(OLD, NEW).words, axis=0)
    assert carried.tolist() == [[0, 1], [2, 3], [8, 9], [-1, -1], [4, 5]]
    assert (fresh == -1).all()
    answers = map_vocabulary(OLD, NEW).answers
    kernel = carry_over(np.array([[1.0, 2.0, 3.0]]), np.zeros([1, 3]), answers, axis=-1)
    assert kernel.tolist() == [[2, 0, 1]]


@pytest.mark.parametrize(
    ("old", "fresh", "axis"),
    [([5, 3], [5, 2], 0), ([5], [5, 2], 0), ([5, 2], [4, 2], 0), ([2, 3], [3, 3], -1)],
)
def test_arrays_that_do_not_fit_are_refused(old, fresh, axis):
    mapping = map_vocabulary(OLD, NEW)
    rows = mapping.words if axis == 0 else mapping.answers
    with pytest.raises(InputError, match=r"--init_from: an array of the old model has the shape"):
        carry_over(np.zeros(old), np.zeros(fresh), rows, axis)
