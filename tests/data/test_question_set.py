import numpy as np
import pytest

from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.question_set import pad, split_for_structure
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.errors import InputError


@pytest.fixture
def questions(clevr_folder, question):
    """23 questions about 7 images, some images with more questions than others."""
    entries = [
        question(100 + i, (i * i) % 7 if i > 6 else i, question_family_index=i) for i in range(23)
    ]
    entries[5]["question"] = "Is it?"
    return read_questions(clevr_folder(entries), "train")


def test_padding_follows_the_last_word():
    ids, lengths = pad([[3, 4], [5], [6, 7, 8]])
    assert ids.tolist() == [[3, 4, 0], [5, 0, 0], [6, 7, 8]]
    assert lengths.tolist() == [2, 1, 3]
    assert ids.dtype == lengths.dtype == np.int32


def test_a_selection_keeps_everything_about_its_questions(questions):
    chosen = [5, 22, 2]
    part = questions.select(np.array(chosen))
    assert len(part) == 3
    assert [part.describe(i) for i in range(3)] == [questions.describe(i) for i in chosen]
    for name in (
        *("question_ids", "lengths", "answers", "image_index", "families", "hop_counts"),
        "question_family_index",
    ):
        np.testing.assert_array_equal(getattr(part, name), getattr(questions, name)[chosen])
    assert part.image_filenames == questions.image_filenames
    short = questions.select(questions.lengths == 3)
    assert short.question_index.tolist() == [105]


def test_another_padded_length_changes_no_word(questions):
    wider = questions.padded_to(11)
    assert wider.question_ids.shape == (23, 11)
    np.testing.assert_array_equal(wider.question_ids[:, :6], questions.question_ids)
    assert not wider.question_ids[:, 6:].any()
    np.testing.assert_array_equal(wider.padded_to(6).question_ids, questions.question_ids)


def test_a_question_longer_than_the_padding_is_named(questions):
    with pytest.raises(InputError, match="question 100 .*How many.* has 6 words; .* at most 5"):
        questions.padded_to(5)
    assert questions.select(questions.lengths <= 5).padded_to(5).max_length == 5


@pytest.mark.parametrize(("fraction", "images"), [(0.01, 1), (0.3, 2), (0.99, 6)])
def test_weights_and_structure_share_no_image_and_lose_no_question(questions, fraction, images):
    weights, structure = split_for_structure(questions, fraction, seed=3)
    assert not set(weights.image_index) & set(structure.image_index)
    assert len(set(structure.image_index)) == images
    both = np.concatenate([weights.question_index, structure.question_index])
    assert sorted(both) == questions.question_index.tolist()
    assert (np.diff(weights.question_index) > 0).all()


def test_the_split_is_a_function_of_the_seed(questions):
    def held_out(seed):
        return split_for_structure(questions, 0.4, seed)[1].question_index.tolist()

    assert held_out(3) == held_out(3)
    assert len({tuple(held_out(seed)) for seed in range(20)}) > 5


def test_an_impossible_split_is_refused(questions):
    with pytest.raises(InputError, match="fraction is 1.0"):
        split_for_structure(questions, 1.0, seed=0)
    with pytest.raises(InputError, match="CLEVR_train_questions.json.* 1 image"):
        split_for_structure(questions.select(questions.image_index == 0), 0.5, seed=0)


def test_another_vocabulary_keeps_the_words_and_answers(clevr_folder, question):
    texts = ["How many cubes?", "Is it a cube?", "How odd?"]
    entries = [
        question(i, i, question=text, answer=answer)
        for i, (text, answer) in enumerate(zip(texts, ["2", "yes", "2"]))
    ]
    questions = read_questions(clevr_folder(entries), "train")
    other = Vocabulary(("<pad>", "<unk>", "?", "many", "how", "is"), ("no", "yes", "2"))
    changed = questions.with_vocabulary(other)
    spelt = [[other.words[i] for i in ids if i] for ids in changed.question_ids]
    assert spelt == [
        ["how", "many", "<unk>", "?"],
        ["is", "<unk>", "<unk>", "<unk>", "?"],
        ["how", "<unk>", "?"],
    ]
    assert [other.answers[i] for i in changed.answers] == ["2", "yes", "2"]
    assert questions.with_vocabulary(questions.vocabulary).answers.tolist() == [0, 1, 0]
    with pytest.raises(InputError, match="answer 'yes' is none of the 1 answers"):
        questions.with_vocabulary(Vocabulary(other.words, ("2",)))
