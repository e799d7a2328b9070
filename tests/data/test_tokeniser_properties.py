"""Laws of the tokeniser and of vocabularies, for texts of every kind."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lnmn_tf.data.vocabulary import PADDING, RESERVED_WORDS, UNKNOWN, Vocabulary, tokenize

PUNCTUATION = ".,;:!?()"
SPACE = " \t\n\v\f\r"
# Letters of both cases, marks, all kinds of white space, and characters whose case is a trap.
texts = st.text(
    st.sampled_from("AZaz" + PUNCTUATION + SPACE + "\0\x85\u00a0\u2003\u0130\u1e9eÉ'-\U0001f600")
    | st.characters(exclude_categories=["Cs"])
)
lists = st.lists(texts, max_size=5)


@settings(deadline=None)
@given(texts)
def test_a_token_is_one_mark_or_a_word_without_marks_and_white_space(text):
    for token in tokenize(text):
        assert token
        assert token in PUNCTUATION or not set(token) & set(PUNCTUATION + SPACE)


@settings(deadline=None)
@given(texts)
def test_no_character_is_lost_but_white_space(text):
    kept = "".join(character for character in text if character not in SPACE)
    lowered = "".join(c.lower() if "A" <= c <= "Z" else c for c in kept)
    assert "".join(tokenize(text)) == lowered


@settings(deadline=None)
@given(texts, texts, st.sampled_from(SPACE))
def test_texts_side_by_side_have_the_tokens_of_each(one, other, space):
    assert tokenize(one + space + other) == tokenize(one) + tokenize(other)


@settings(deadline=None)
@given(texts)
def test_only_the_case_of_a_to_z_does_not_matter(text):
    upper = "".join(c.upper() if "a" <= c <= "z" else c for c in text)
    assert tokenize(upper) == tokenize(text)


@settings(deadline=None)
@given(texts, st.sampled_from(PUNCTUATION))
def test_marks_need_no_space_around_them(text, mark):
    assert tokenize(text + mark) == [*tokenize(text), mark]


@settings(deadline=None)
@given(lists)
def test_a_vocabulary_gives_back_the_words_of_its_own_questions(questions):
    vocabulary = Vocabulary.build(questions, ["yes"])
    for question in questions:
        ids = vocabulary.encode(question)
        known = [word for word in tokenize(question) if word not in RESERVED_WORDS]
        assert [vocabulary.words[i] for i in ids if i != UNKNOWN] == known
        assert PADDING not in ids


@settings(deadline=None)
@given(lists, lists, texts)
def test_an_extended_vocabulary_keeps_its_ids_and_knows_the_new_words(questions, more, asked):
    vocabulary = Vocabulary.build(questions, ["yes", "no"])
    extended = vocabulary.extended(more, ["no", "3"])
    assert extended.words[: vocabulary.num_words] == vocabulary.words
    assert extended.answers == ("yes", "no", "3")
    for before, after in zip(vocabulary.encode(asked), extended.encode(asked)):
        assert after == before or before == UNKNOWN
    for question in more:
        unknown = extended.encode(question).count(UNKNOWN)
        assert unknown == sum(word in RESERVED_WORDS for word in tokenize(question))


@settings(deadline=None)
@given(lists)
def test_extending_by_what_is_known_changes_nothing(questions):
    vocabulary = Vocabulary.build(questions, ["yes"])
    assert vocabulary.extended(questions, ["yes"]).hash == vocabulary.hash
