"""The official accuracy of VQA, held against figures worked out by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnmn_tf.data.vqa_accuracy import (
    RULES,
    accuracy_by_type,
    normalise_answer,
    question_accuracy,
)
from lnmn_tf.errors import InputError

# answer, as official rules have it, as strict rules have it
NORMALISED = [
    ("Yes", "yes", "yes"),
    ("the dog and a cat", "dog and cat", "dog and cat"),
    ("none", "0", "none"),
    ("zero", "0", "0"),
    ("Ten people", "10 people", "10 people"),
    ("eleven", "eleven", "eleven"),
    # A mark becomes a space, but is deleted everywhere if a space stands beside it once.
    ("t-shirt", "t shirt", "t shirt"),
    ("t-shirt - red", "tshirt red", "t shirt red"),
    ("red/blue", "red blue", "red blue"),
    ("red/ blue/green", "red bluegreen", "red blue green"),
    ("what?", "what", "what"),
    # Other marks are none of the list's.
    ("10:30", "10:30", "10:30"),
    ("50%", "50%", "50%"),
    ("a&w", "a&w", "a&w"),
    ("dog's", "dog's", "dog's"),
    # A comma between digits makes every mark vanish.
    ("1,000", "1000", "1000"),
    ("1,000 t-shirts", "1000 tshirts", "1000 t shirts"),
    ("1, 000", "1 000", "1 000"),
    ("red,blue", "red blue", "red blue"),
    # The comma rule reads the answer as written: no digits meet over a mark that goes.
    ("1(,)0", "1 0", "1 0"),
    # Periods go, unless a digit follows.
    ("dr. smith.", "dr smith", "dr smith"),
    ("2.5", "2.5", "2.5"),
    (".5", ".5", ".5"),
    ("5.", "5", "5"),
    ("u.s.a.", "usa", "usa"),
    ("." * 32, "", ""),
    ("." * 40, "." * 8, ""),
    ("a" + ". b" * 33, "b " * 31 + "b. b", "b " * 32 + "b"),
    # Contractions get back their apostrophe; numbers and articles are looked up first.
    ("dont", "don't", "don't"),
    ("Dont know", "don't know", "don't know"),
    ("couldntve", "couldntve", "couldntve"),
    ("couldnt've", "couldn't've", "couldn't've"),
    ("couldn'tve", "couldn't've", "couldn't've"),
    ("yall'd've", "y'all'd've", "y'all'd've"),
    ("somebody'd", "somebodyd", "somebody'd"),
    ("im", "im", "i'm"),
    ("ive", "ive", "i've"),
    ("ow's'at", "'ow's'at", "ow's'at"),
    ("lets", "lets", "lets"),
    # White space.
    (" two\tdogs\n", "2 dogs", "2 dogs"),
    ("", "", ""),
    ("a", "", ""),
]


@pytest.mark.parametrize(("answer", "official", "strict"), NORMALISED)
def test_tricky_answers_are_normalised_as_the_rules_say(answer, official, strict):
    assert normalise_answer(answer, "official") == official.strip()
    assert normalise_answer(answer, "strict") == strict.strip()


@settings(deadline=None)
@given(st.text(alphabet="aetdon Ts'.,-/?10\t", max_size=30))
def test_normalising_twice_changes_only_what_official_rules_first_hid(answer):
    once = normalise_answer(answer, "strict")
    assert normalise_answer(once, "strict") == normalise_answer(once.lower(), "strict")
    assert once == once.strip()
    assert not set(once) & set('/?-,"')


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(
    ("agreeing", "percent"),
    # With n of ten agreeing: n ways to leave out one of them (n - 1 remain), 10 - n others (n remain).
    [(0, 0.0), (1, 30.0), (2, 60.0), (3, 90.0), (4, 100.0), (10, 100.0)],
)
def test_accuracy_is_the_mean_over_leaving_out_each_annotator(agreeing, percent, rules):
    answers = ["cat"] * agreeing + [f"other {i}" for i in range(10 - agreeing)]
    assert round(100 * question_accuracy("cat", answers, rules), 2) == percent


def test_official_rules_normalise_only_where_annotators_disagree():
    assert question_accuracy("Yes", ["yes"] * 10, "official") == 0.0
    assert question_accuracy("Yes", ["yes"] * 9 + ["no"], "official") == 1.0
    assert question_accuracy("Yes", ["yes"] * 10, "strict") == 1.0
    # White space is trimmed before anybody compares; a case that differs is a disagreement.
    assert question_accuracy("yes", ["yes"] * 5 + [" yes\n"] * 5, "official") == 1.0
    assert question_accuracy("YES", ["yes"] * 9 + ["Yes"], "official") == 1.0


def test_none_is_zero_only_by_official_rules():
    answers = ["none"] * 5 + ["0"] * 4 + ["1"]
    assert question_accuracy("0", answers, "official") == 1.0
    assert question_accuracy("0", answers, "strict") == 1.0
    answers = ["none"] * 9 + ["1"]
    assert question_accuracy("0", answers, "official") == 1.0
    assert question_accuracy("0", answers, "strict") == 0.0


def test_accuracy_by_type_is_in_percent_with_two_decimals():
    table = accuracy_by_type(
        [1.0, 0.0, 0.9, 0.3, 0.6, 0.0],
        ["how many", "is", "is", "is", "how many", "how many"],
        ["number", "yes/no", "yes/no", "other", "number", "other"],
    )
    assert table == {
        "overall": 46.67,
        "question_types": {"how many": 53.33, "is": 40.0},
        "answer_types": {"number": 80.0, "yes/no": 45.0, "other": 15.0},
    }


def test_unknown_rules_and_no_questions_are_refused():
    with pytest.raises(
        InputError, match=r"^vqa_rules is 'fair'; expected one of: official, strict"
    ):
        question_accuracy("yes", ["yes"] * 10, "fair")
    with pytest.raises(InputError, match="no question"):
        accuracy_by_type([], [], [])
