"""The question families: their programs are well-formed, their wordings fit their programs."""

import re
from collections import Counter

import pytest

from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.world.programs import FUNCTIONS
from lnmn_tf.world.templates import FAMILIES, QUESTION_TYPES
from lnmn_tf.world.wordings import NounPhrase


def functions_of(word: str) -> list:
    name = word.partition(":")[0]
    return [f"filter_{attribute}" for attribute in ATTRIBUTES] if name == "filter" else [name]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: " ".join(family.sketch))
def test_sketches_read_every_value_once_and_wordings_say_every_slot(family):
    unread = 0
    for word in family.sketch:
        unread += 1 - FUNCTIONS[functions_of(word)[0]].arity
        assert unread > 0
    assert unread == 1
    slots = sorted(
        re.match("[A-Z]", word.partition(":")[2])[0] for word in family.sketch if ":" in word
    )
    for wording in family.wordings:
        assert sorted(re.findall(r"\{([A-Z])[^}]*\}", wording)) == slots
        assert re.fullmatch(r"[A-Z].*\?", wording)


def test_families_cover_all_functions_and_types_with_several_wordings():
    used = {name for family in FAMILIES for word in family.sketch for name in functions_of(word)}
    assert used == set(FUNCTIONS)
    assert {family.question_type for family in FAMILIES} == set(QUESTION_TYPES)
    assert min(len(set(family.wordings)) for family in FAMILIES) >= 3


def test_family_indices_are_stable():
    """They are written into every question: a new family may only be added at the end."""
    first = {}
    for index, family in enumerate(FAMILIES):
        first.setdefault(family.question_type, index)
    assert first == dict(zip(QUESTION_TYPES, (0, 6, 12, 18, 24, 44, 50, 54, 63)))
    assert len(FAMILIES) == 79
    assert Counter(family.sketch for family in FAMILIES).most_common(1)[0][1] == 1


def test_noun_phrases_name_attributes_in_english_order():
    phrase = NounPhrase(
        {"shape": "sphere", "material": "metal", "color": "red", "size": "large"},
        {"large": "big", "metal": "shiny", "sphere": "ball"},
    )
    bare = NounPhrase({}, {"": "object"})
    assert (
        f"{phrase}|{phrase:s}|{phrase:a}"
        == "big red shiny ball|big red shiny balls|a big red shiny ball"
    )
    assert f"{bare:a}|{bare:s}" == "an object|objects"
    assert (
        f"{bare._replace(other=True):a}|{bare._replace(other=True):s}"
        == "another object|other objects"
    )
