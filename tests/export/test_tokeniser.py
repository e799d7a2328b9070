"""Words and ids of the graph are those of Python, for every string."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from export.tokeniser import Tokeniser
from lnmn_tf.data.vocabulary import Vocabulary, tokenize
from tests.data.test_vocabulary import ODD

VOCABULARY = Vocabulary.build(["Is the (red) cube; left?", "ÉTÉ \U0001f600 \0 \x1c it's"], ["yes"])
WORDS = [*VOCABULARY.words, "zork", "RED", "<pad>", "<unk>", "", " ", "\r\n", "?", "\x85"]
TEXT = st.text(st.sampled_from(ODD) | st.characters(exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
def tokenise(tmp_path_factory):
    tokeniser = Tokeniser(VOCABULARY, tmp_path_factory.mktemp("words"))
    return tf.function(tokeniser.__call__, input_signature=[tf.TensorSpec([None], tf.string)])


@settings(deadline=None, max_examples=200)
@given(st.lists(TEXT | st.lists(st.sampled_from(WORDS)).map(" ".join), min_size=1, max_size=5))
@example(["<pad> <PAD> <unk>", "ΣΑΣ. İstanbul É\u00a0x\x1cy\vz"])
@example(["x" * 100_000, "word " * 256])
def test_words_and_ids_are_those_of_python(tokenise, questions):
    if not all(0 < len(tokenize(question)) <= 256 for question in questions):
        with pytest.raises(tf.errors.InvalidArgumentError):
            tokenise(tf.constant(questions))
        return
    words, ids = (rows.numpy() for rows in tokenise(tf.constant(questions)))
    for question, row, numbers in zip(questions, words, ids):
        length = len(tokenize(question))
        assert [word.decode() for word in row[:length]] == tokenize(question)
        assert numbers[:length].tolist() == VOCABULARY.encode(question)
        assert not row[length:].any() and not numbers[length:].any()


def test_ten_thousand_words_are_split_and_numbered_as_in_python(tmp_path):
    question = " ".join(np.random.default_rng(0).choice(WORDS, 10_000))
    tokeniser = Tokeniser(VOCABULARY, tmp_path)
    words = tokeniser.split(tf.constant([question]))[0]
    assert [word.decode() for word in words.numpy()] == tokenize(question)
    assert tokeniser.encode(words).numpy().tolist() == VOCABULARY.encode(question)
