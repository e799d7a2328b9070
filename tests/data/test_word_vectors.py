import pytest

from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.data.word_vectors import read_word_vectors
from lnmn_tf.errors import InputError

VOCABULARY = Vocabulary(("<pad>", "<unk>", "cube", "é", "odd"), ("yes",))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "glove.txt"


def test_words_of_the_vocabulary_get_their_vectors(path):
    path.write_text("the 9 9 9\ncube 1 -2.5 3e-1\né 4 5 6\n. . . 7 8 9\ncube 0 0 0\n<unk> 1 1 1\n")
    found = read_word_vectors(path, VOCABULARY, 3)
    assert {i: v.tolist() for i, v in found.items()} == {
        2: [1, -2.5, pytest.approx(0.3)],
        3: [4, 5, 6],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cube 1 2\n", r"line 1 has 2 numbers after its word; expected embed_dim=3"),
        (b"the 1 2 3\ncube 1 x 3\n", "line 2 has something else than finite numbers"),
        (b"cube 1 nan 3\n", "line 1 has something else"),
        (b"the 1 2 3\n", "has none of the 3 words"),
        (b"", "has none of the 3 words"),
        (b"\xff 1 2 3\n", "is not UTF-8"),
        (b"<!DOCTYPE html>\n", "line 1 has 1 numbers"),
    ],
)
def test_another_file_is_refused_with_its_line(path, content, message):
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_word_vectors(path, VOCABULARY, 3)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(path):
    with pytest.raises(InputError, match="glove.txt: cannot be read"):
        read_word_vectors(path, VOCABULARY, 3)
