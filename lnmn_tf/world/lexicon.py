"""All words and answers that a world's templates can bring, whether or not a world's file has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.world.programs import possible_answers
from lnmn_tf.world.questions import families_of
from lnmn_tf.world.templates import FAMILIES, Family
from lnmn_tf.world.wordings import RELATION_PHRASES, SYNONYMS


class _Nothing:
    """Fills a wording's slot with nothing, whatever its format."""

    def __format__(self, spec: str) -> str:
        return ""


def texts_of(types: Sequence[str]) -> list[str]:
    """Returns texts that together hold every word of the questions of some types.

    Args:
        types: see `questions.families_of`.
    """
    texts = dict.fromkeys(
        text for index in families_of(types) for text in _texts_of_family(FAMILIES[index])
    )
    return list(texts)


def answers_of(types: Sequence[str]) -> list[str]:
    """Returns every answer that questions of some types can have, each once."""
    return list(
        dict.fromkeys(
            answer
            for index in families_of(types)
            for answer in possible_answers(FAMILIES[index].function)
        )
    )


def _texts_of_family(family: Family) -> Iterator[str]:
    slots = dict.fromkeys("ABCDRST", _Nothing())
    wordings = " ".join(family.wordings)
    for wording in family.wordings:
        yield wording.format(**slots)
    if any(word.startswith("relate") for word in family.sketch):
        for phrases in RELATION_PHRASES.values():
            yield from phrases
    compares = any(word.startswith("same_") for word in family.sketch)
    if compares:
        yield "other"
    if ":a}" in wordings:
        yield "a an another" if compares else "a an"
    for noun in ("", *ATTRIBUTES["shape"]):
        for word in SYNONYMS[noun]:
            yield word
            if ":s}" in wordings:
                yield f"{word}s"
    for attribute in ("size", "color", "material"):
        for value in ATTRIBUTES[attribute]:
            yield from SYNONYMS.get(value, (value,))
