r"""The accuracy of the VQA data sets: agreement with annotators, after normalisation.

A prediction is compared with every nine of the ten annotators: it scores min(n / 3, 1) where n of the
nine said the same, and the mean over the ten ways of leaving one out is the accuracy of the question.

Two sets of rules decide what "the same" means. `official` does what the program of the data set's
authors does, to the last digit, so that figures can be compared with published ones. `strict` does what
their description says. They differ in this:

    case                              official                         strict
    all annotators agree              texts are compared as they are   normalised like all others
    "none"                            becomes "0"                      stays
    a mark of punctuation             deleted everywhere if it has a   becomes a space
                                      space beside it anywhere in the
                                      answer as it was written, or if
                                      that holds a comma between
                                      digits; else becomes a space
    comma between digits              as above, for every mark         deleted
    periods that no digit follows     the first 32 are deleted         all are deleted
    "somebody'd"                      becomes "somebodyd"              stays
    "im", "ive"                       stay                             become "i'm", "i've"

`\d` is a decimal digit of any script, as Python's `re` has it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

from lnmn_tf.errors import InputError

RULES = ("official", "strict")

_PERIODS_REMOVED = 32  # the reference passes re.UNICODE, whose value this is, where a count belongs
_PERIOD = re.compile(r"\.(?!\d)")
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d)")
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_STRICT_PUNCTUATION = str.maketrans(dict.fromkeys(_PUNCTUATION, " "))
_ARTICLES = frozenset({"a", "an", "the"})
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
    )
}

# Contractions whose apostrophe people leave out.
_ONE_APOSTROPHE = [
    "ain't",
    "aren't",
    "can't",
    "could've",
    "couldn't",
    "didn't",
    "doesn't",
    "don't",
    "hadn't",
    "hasn't",
    "haven't",
    "he'd",
    "he's",
    "how'd",
    "how'll",
    "how's",
    "isn't",
    "it'd",
    "it'll",
    "ma'am",
    "mightn't",
    "might've",
    "mustn't",
    "must've",
    "needn't",
    "not've",
    "o'clock",
    "oughtn't",
    "shan't",
    "should've",
    "shouldn't",
    "somebody'll",
    "somebody's",
    "someone'd",
    "someone'll",
    "someone's",
    "something'd",
    "something'll",
    "that's",
    "there'd",
    "there're",
    "there's",
    "they'd",
    "they'll",
    "they're",
    "they've",
    "'twas",
    "wasn't",
    "we've",
    "weren't",
    "what'll",
    "what're",
    "what's",
    "what've",
    "when's",
    "where'd",
    "where's",
    "where've",
    "who'd",
    "who'll",
    "who's",
    "who've",
    "why'll",
    "why're",
    "why's",
    "won't",
    "would've",
    "wouldn't",
    "y'all",
    "you'd",
    "you'll",
    "you're",
    "you've",
]
# Those with two, of which people leave out either.
_TWO_APOSTROPHES = [
    "couldn't've",
    "hadn't've",
    "he'd've",
    "it'd've",
    "mightn't've",
    "she'd've",
    "shouldn't've",
    "somebody'd've",
    "someone'd've",
    "something'd've",
    "there'd've",
    "they'd've",
    "we'd've",
    "who'd've",
    "wouldn't've",
    "y'all'll",
    "you'd've",
]
# Those with three, of which people leave out any one.
_THREE_APOSTROPHES = ("y'all'd've",)


def _spellings() -> dict[str, str]:
    """The right contraction for every spelling with one apostrophe too few."""
    right = {}
    for contraction in (*_ONE_APOSTROPHE, *_TWO_APOSTROPHES, *_THREE_APOSTROPHES):
        for place, character in enumerate(contraction):
            if character == "'":
                right[contraction[:place] + contraction[place + 1 :]] = contraction
    return right


_CONTRACTIONS = {
    "official": {
        **_spellings(),
        **dict.fromkeys(("ow's'at", "'ows'at", "'ow'sat"), "'ow's'at"),
        "somebody'd": "somebodyd",
    },
    "strict": {**_spellings(), "im": "i'm", "ive": "i've", "id've": "i'd've", "i'dve": "i'd've"},
}
_WORDS = {"official": {**_NUMBERS, "none": "0"}, "strict": _NUMBERS}


@lru_cache(maxsize=1 << 18)
def normalise_answer(answer: str, rules: str = "official") -> str:
    """An answer without case, articles and punctuation, its numbers as digits.

    Args:
        answer: as a person or a model gave it.
        rules: one of `RULES`.

    >>> normalise_answer("The two dogs.")
    '2 dogs'
    >>> normalise_answer("1,000 t-shirts"), normalise_answer("1,000 t-shirts", "strict")
    ('1000 tshirts', '1000 t shirts')
    """
    check_rules(rules)
    answer = _trimmed(answer)
    if rules == "official":
        text = _official_punctuation(answer)
    else:
        text = _THOUSANDS.sub("", _PERIOD.sub("", answer)).translate(_STRICT_PUNCTUATION)
    words = (_WORDS[rules].get(word, word) for word in text.lower().split())
    contractions = _CONTRACTIONS[rules]
    return " ".join(contractions.get(word, word) for word in words if word not in _ARTICLES)


def question_accuracy(prediction: str, answers: Sequence[str], rules: str = "official") -> float:
    """Accuracy of one prediction, in [0, 1].

    Args:
        prediction: the model's answer.
        answers: what the annotators said, one each, as written in the annotations.
        rules: one of `RULES`.

    >>> round(question_accuracy("yes", ["yes"] * 3 + ["no"] * 7), 3)
    0.9
    """
    check_rules(rules)
    prediction, answers = _trimmed(prediction), [_trimmed(answer) for answer in answers]
    if rules == "strict" or len(set(answers)) > 1:
        prediction = normalise_answer(prediction, rules)
        answers = [normalise_answer(answer, rules) for answer in answers]
    same = [answer == prediction for answer in answers]
    # Whoever is left out takes a vote with them if they agree.
    scores = [min(1, float(sum(same) - left_out) / 3) for left_out in same]
    return sum(scores) / len(scores)


def accuracy_by_type(
    accuracies: Iterable[float], question_types: Iterable[str], answer_types: Iterable[str]
) -> dict:
    """Means over a split, in percent with two decimals, as the evaluation server gives them.

    Args:
        accuracies: of N questions, in [0, 1], in the order of the annotations.
        question_types: how each question begins, "how many", ...
        answer_types: "yes/no", "number" or "other".

    Returns:
        {"overall": percent, "question_types": {type: percent}, "answer_types": {type: percent}}.

    Raises:
        InputError: there is no question.
    """
    everything: list[float] = []
    by_question: dict[str, list[float]] = defaultdict(list)
    by_answer: dict[str, list[float]] = defaultdict(list)
    for accuracy, question, answer in zip(accuracies, question_types, answer_types):
        for group in (everything, by_question[question], by_answer[answer]):
            group.append(accuracy)
    if not everything:
        raise InputError("there is no question to take the accuracy of; expected at least one")
    return {
        "overall": _percent(everything),
        "question_types": {name: _percent(group) for name, group in by_question.items()},
        "answer_types": {name: _percent(group) for name, group in by_answer.items()},
    }


def check_rules(rules: str) -> None:
    """Raises InputError for rules that there are none of."""
    if rules not in RULES:
        raise InputError(f"vqa_rules is {rules!r}; expected one of: {', '.join(RULES)}")


def _trimmed(answer: str) -> str:
    return answer.replace("\n", " ").replace("\t", " ").strip()


def _official_punctuation(answer: str) -> str:
    """What decides about a mark is the answer as written, not what is left of it so far."""
    has_number = _COMMA_IN_NUMBER.search(answer) is not None
    text = answer
    for mark in _PUNCTUATION:
        beside_space = f"{mark} " in answer or f" {mark}" in answer
        text = text.replace(mark, "" if beside_space or has_number else " ")
    return _PERIOD.sub("", text, count=_PERIODS_REMOVED)


def _percent(accuracies: list[float]) -> float:
    return round(100 * float(sum(accuracies)) / len(accuracies), 2)
