"""The words of the questions: synonyms, noun phrases, and the sentence patterns of the templates.

In a pattern {H} is the noun asked about, {P} the place where it is ("left of the cube") and {O}
"{H} that is {P}"; {X} and {Y} are the two sides of a comparison, with their places. The patterns
keep each "that is" next to the noun it belongs to: an "and" or a bare "in front of" after a second
noun could be read two ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# One word is drawn for each value per question. "" is the noun where no shape is named.
SYNONYMS = {
    "large": ("large", "big"),
    "small": ("small", "tiny"),
    "metal": ("metal", "metallic", "shiny"),
    "rubber": ("rubber", "matte"),
    "cube": ("cube", "block"),
    "sphere": ("sphere", "ball"),
    "cylinder": ("cylinder",),
    "": ("object", "thing"),
}
RELATION_PHRASES = {
    "left": ("left of", "to the left of", "on the left side of"),
    "right": ("right of", "to the right of", "on the right side of"),
    "front": ("in front of",),
    "behind": ("behind",),
}


class NounPhrase(NamedTuple):
    """A noun with its adjectives, for format strings.

    The format `{A}` gives "large red ball", `{A:s}` "large red balls", `{A:a}` "a large red ball".

    Attributes:
        filters: attribute -> value, for the attributes it names.
        words: the word chosen for each value that has synonyms, and for "" the noun of no shape.
        other: whether it says "other", because the object it is compared with would fit as well.
    """

    filters: Mapping[str, str]
    words: Mapping[str, str]
    other: bool = False

    def __format__(self, spec: str) -> str:
        named = [self.filters[a] for a in ("size", "color", "material") if a in self.filters]
        noun = self.filters.get("shape", "")
        phrase = " ".join(self.words.get(value, value) for value in (*named, noun))
        if spec == "a":
            article = "another" if self.other else "an" if phrase[0] in "aeiou" else "a"
            return f"{article} {phrase}"
        return ("other " if self.other else "") + phrase + spec


COUNT_ALL = (
    "How many {H:s} are there?",
    "How many {H:s} can you see?",
    "How many {H:s} does the picture show?",
    "What is the total number of {H:s}?",
)
COUNT = (
    "How many {H:s} are {P}?",
    "How many {H:s} are there that are {P}?",
    "What is the number of {H:s} that are {P}?",
    "How many {H:s} can you see that are {P}?",
)
EXIST_ALL = (
    "Is there {H:a}?",
    "Are there any {H:s}?",
    "Can you see {H:a}?",
    "Does the picture show any {H:s}?",
)
EXIST = (
    "Is there {H:a} that is {P}?",
    "Are there any {H:s} that are {P}?",
    "Are any {H:s} {P}?",
    "Can you see {H:a} that is {P}?",
)
QUERY = {
    "size": ("What size is the {O}?", "How big is the {O}?", "What is the size of the {O}?"),
    "color": ("What color is the {O}?", "Which color is the {O}?", "What is the color of the {O}?"),
    "material": (
        "What is the {O} made of?",
        "Which material is the {O} made of?",
        "What is the material of the {O}?",
    ),
    "shape": ("What shape is the {O}?", "Which shape is the {O}?", "What is the shape of the {O}?"),
}
# Only for a noun that stands alone: a long clause would tear these apart.
QUERY_ALONE = {
    "size": ("Which size does the {O} have?",),
    "color": ("Which color does the {O} have?",),
    "material": ("What material is the {O}?",),
    "shape": ("Which shape does the {O} have?",),
}
# Only for a noun with a place, which is worth a sentence of its own.
QUERY_PLACED = {
    "size": ("There is {O:a}; how big is it?", "There is {O:a}; what size does it have?"),
    "color": ("There is {O:a}; what color is it?", "There is {O:a}; which color does it have?"),
    "material": ("There is {O:a}; what is it made of?", "There is {O:a}; what material is it?"),
    "shape": ("There is {O:a}; what shape is it?", "There is {O:a}; which shape does it have?"),
}
SAME_PLACES = {
    "size": (
        "the same size as the {A}",
        "of the same size as the {A}",
        "exactly as big as the {A}",
    ),
    "color": ("the same color as the {A}", "of the same color as the {A}"),
    "material": ("made of the same material as the {A}", "of the same material as the {A}"),
    "shape": ("the same shape as the {A}", "of the same shape as the {A}"),
}
AND_PLACE = "both {R} the {A} and {S} the {B}"
OR_COUNT_PLACE = "{R} the {A}, {S} the {B}, or both"
OR_EXIST_PLACE = "{R} the {A} or {S} the {B}"
OR_COUNT = (
    "How many objects are {A:s} or {B:s}?",
    "How many things are there that are {A:s} or {B:s}?",
    "What is the number of objects that are {A:s} or {B:s}?",
)
OR_EXIST = (
    "Are there any {A:s} or {B:s}?",
    "Can you see {A:a} or {B:a}?",
    "Is there anything that is {A:a} or {B:a}?",
)
COMPARE_INTEGER = {
    "equal_integer": (
        "Is the number of {X} equal to the number of {Y}?",
        "Are there exactly as many {X} as {Y}?",
        "Do you see exactly as many {X} as {Y}?",
    ),
    "less_than": (
        "Are there fewer {X} than {Y}?",
        "Is the number of {X} smaller than the number of {Y}?",
        "Do you see fewer {X} than {Y}?",
    ),
    "greater_than": (
        "Are there more {X} than {Y}?",
        "Is the number of {X} larger than the number of {Y}?",
        "Do you see more {X} than {Y}?",
    ),
}
COMPARISON = {
    "size": (
        "Is the {X} the same size as the {Y}?",
        "Is the {X} exactly as big as the {Y}?",
        "Does the {X} have the same size as the {Y}?",
    ),
    "color": (
        "Is the {X} the same color as the {Y}?",
        "Is the {X} of the same color as the {Y}?",
        "Does the {X} have the same color as the {Y}?",
    ),
    "material": (
        "Is the {X} made of the same material as the {Y}?",
        "Is the {X} of the same material as the {Y}?",
        "Does the {X} consist of the same material as the {Y}?",
    ),
    "shape": (
        "Is the {X} the same shape as the {Y}?",
        "Is the {X} of the same shape as the {Y}?",
        "Does the {X} have the same shape as the {Y}?",
    ),
}
