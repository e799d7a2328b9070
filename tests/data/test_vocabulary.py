import json
import subprocess
import sys

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lnmn_tf.data.vocabulary import PADDING, UNKNOWN, Vocabulary, tokenize
from lnmn_tf.errors import InputError

QUESTIONS = ["Is it Red?", "is (the cube) red; or not"]
ANSWERS = ["yes", "no", "yes"]


@pytest.fixture
def vocabulary():
    return Vocabulary.build(QUESTIONS, ANSWERS)


def test_punctuation_is_kept_as_tokens_and_words_are_lower_case():
    expected = "is it . a , b ; c : d ! e ? ( f ) g"
    assert " ".join(tokenize("Is it.A,b;C:d!e?(F) G")) == expected
    assert tokenize("what's e-mail 3/4") == ["what's", "e-mail", "3/4"]
    assert tokenize("") == tokenize(" \t\n\v\f\r") == []


def _tokenize_in_graph(question):
    """The TF expression of `tokenize`'s docstring."""
    lowered = tf.strings.lower(question)
    return tf.strings.split(tf.strings.regex_replace(lowered, r"([.,;:!?()])", r" \1 "))


ODD = "AZaz.,;:!?()  \t\n\v\f\r\0\x1c\x85\u00a0\u2003\u0130\u0131\u03a3\u1e9eÉ''\"-_\U0001f600"


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from(ODD) | st.characters(exclude_categories=["Cs"])))
@example("")
@example("ΣΑΣ. İstanbul É\u00a0x\x1cy\vz")
def test_tokens_in_a_tf_graph_are_the_same(question):
    expected = [token.encode() for token in tokenize(question)]
    assert _tokenize_in_graph(tf.constant(question)).numpy().tolist() == expected


@settings(deadline=None)
@given(st.text())
def test_tokenising_tokens_again_changes_nothing(question):
    tokens = tokenize(question)
    assert tokenize(" ".join(tokens)) == tokens


def test_ids_follow_first_appearance(vocabulary):
    words = ("<pad>", "<unk>", "is", "it", "red", "?", "(", "the", "cube", ")", ";", "or", "not")
    assert vocabulary.words == words
    assert vocabulary.answers == ("yes", "no")
    assert (vocabulary.num_words, vocabulary.num_answers) == (13, 2)
    assert [vocabulary.encode_answer(answer) for answer in ANSWERS] == [0, 1, 0]


def test_words_that_training_lacks_become_unknown_and_never_padding(vocabulary):
    assert vocabulary.encode("RED sphere?") == [4, UNKNOWN, 5]
    assert vocabulary.encode("<pad> <unk>") == [UNKNOWN, UNKNOWN]
    assert PADDING not in Vocabulary.build(["<pad> a"], ANSWERS).encode("<pad> a")


def test_rare_words_are_left_out_of_an_open_vocabulary():
    assert Vocabulary.build(QUESTIONS, ANSWERS, min_word_count=2).words[2:] == ("is", "red")


def test_an_unknown_answer_is_named(vocabulary):
    with pytest.raises(InputError, match="'maybe'.*2 answers.*yes, no"):
        vocabulary.encode_answer("maybe")


def test_saving_and_loading_gives_the_same_vocabulary(vocabulary, tmp_path):
    vocabulary = Vocabulary.build([*QUESTIONS, "ÉTÉ \U0001f600"], ANSWERS)
    path = tmp_path / "vocabulary.json"
    vocabulary.save(path)
    loaded = Vocabulary.load(path)
    assert loaded == vocabulary
    assert loaded.hash == vocabulary.hash
    assert [file.name for file in tmp_path.iterdir()] == ["vocabulary.json"]


def test_a_failed_save_leaves_the_old_file(vocabulary, tmp_path, monkeypatch):
    path = tmp_path / "vocabulary.json"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        vocabulary.save(path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(path.name, "old")]


def test_hash_is_of_the_content_and_its_order():
    assert Vocabulary.build(["a b"], ["x"]).hash != Vocabulary.build(["b a"], ["x"]).hash
    assert Vocabulary.build(["a b"], ["x"]).hash != Vocabulary.build(["a"], ["b", "x"]).hash
    # sha256sum of '[["<pad>","<unk>","a","b"],["x"]]': the same on any machine.
    expected = "a64d4cc5e4292a5a96ce78a922eedfbc4bad05e40de987988c480d0bad3b791b"
    assert Vocabulary.build(["a b"], ["x"]).hash == expected


@pytest.mark.parametrize(
    ("words", "answers", "message"),
    [
        (["a"], ["x"], "<pad>"),
        (["<pad>", "<unk>", "A"], ["x"], "'A' is not one"),
        (["<pad>", "<unk>", "a b"], ["x"], "'a b' is not one"),
        (["<pad>", "<unk>", ""], ["x"], "'' is not one"),
        (["<pad>", "<unk>", "a", "a"], ["x"], "'a' .* 2 times"),
        (["<pad>", "<unk>", "a", "\ud800"], ["x"], "Unicode"),
        (["<pad>", "<unk>", "a"], ["x", "x"], "'x' .* 2 times"),
        (["<pad>", "<unk>", "a"], [" "], "empty"),
        (["<pad>", "<unk>", "a"], [], "no answer"),
        (["<pad>", "<unk>", 7], ["x"], "'words'.*list of texts"),
        ({"a": 1}, ["x"], "'words'.*list of texts"),
        (["<pad>", "<unk>", "a"], None, "'answers'.*list of texts"),
        (["<pad>", "<unk>", "a"], ["y"], "'hash'.*changed"),
    ],
)
def test_a_file_with_wrong_content_is_refused_by_name(words, answers, message, tmp_path):
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps({"words": words, "answers": answers, "hash": "0"}))
    with pytest.raises(InputError, match=message) as error:
        Vocabulary.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", [b"", b'{"words": [', b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_vocabulary_is_refused_by_name(content, tmp_path):
    path = tmp_path / "vocabulary.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="vocabulary.json"):
        Vocabulary.load(path)
    with pytest.raises(InputError, match="none.json"):
        Vocabulary.load(tmp_path / "none.json")


def test_reading_questions_and_images_does_not_import_tensorflow():
    code = "import sys, lnmn_tf.data.clevr, lnmn_tf.data.features; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
