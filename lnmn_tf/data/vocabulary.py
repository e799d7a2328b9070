"""Tokenisation, and the words and answers a model knows.

A question becomes tokens by one rule, chosen so that a TF graph can repeat it byte for byte
(see `tokenize`); words and answers are numbered in order of first appearance in the training
split, as the authors of LNMN do.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lnmn_tf.errors import InputError

PADDING = 0  # fills a question up to the length of its batch
MAX_WORDS = 256  # of a question; the longest of CLEVR has 46, of VQA 26: more is no question
UNKNOWN = 1  # stands for every word that the training split does not hold
RESERVED_WORDS = ("<pad>", "<unk>")

# White space is spelt out because `\s` means another set in each regex dialect.
_TOKEN = re.compile(r"[.,;:!?()]|[^ \t\n\v\f\r.,;:!?()]+")


def tokenize(question: str) -> list[str]:
    r"""Splits a question into lower-case words and punctuation marks.

    A-Z become a-z and no other character changes; each of `. , ; : ! ? ( )` is a token of its own;
    the rest is split at runs of ASCII white space (space, \t, \n, \v, \f, \r). So the tokens are the
    matches of `[.,;:!?()]|[^ \t\n\v\f\r.,;:!?()]+`, and an empty question has none. In a TF graph:

        lowered = tf.strings.lower(question)  # without encoding=: ASCII only
        tf.strings.split(tf.strings.regex_replace(lowered, r"([.,;:!?()])", r" \1 "))

    >>> tokenize("Is the Cube red; or not?")
    ['is', 'the', 'cube', 'red', ';', 'or', 'not', '?']
    """
    # bytes.lower() knows A-Z only; full Unicode lower-casing depends on locale and Unicode version.
    lowered = question.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
    return _TOKEN.findall(lowered)


@dataclass(frozen=True)
class Vocabulary:
    """Words and answers, numbered by their position.

    Args:
        words: all words; `words[0]` is `<pad>` and `words[1]` is `<unk>`.
        answers: all answers, kept letter for letter.

    Raises:
        InputError: a word is no token, an answer is empty, or one of them is there twice.
    """

    words: tuple[str, ...]
    answers: tuple[str, ...]

    def __post_init__(self):
        if self.words[: len(RESERVED_WORDS)] != RESERVED_WORDS:
            raise InputError(
                f"vocabulary: words begin with {list(self.words[:2])}; expected {list(RESERVED_WORDS)}"
            )
        for word in self.words:
            if tokenize(word) != [word]:
                raise InputError(f"vocabulary: word {word!r} is not one lower-case token")
        for name, entries in (("word", self.words), ("answer", self.answers)):
            for entry, count in Counter(entries).items():
                if count > 1:
                    raise InputError(f"vocabulary: {name} {entry!r} stands there {count} times")
                if not entry.strip(" \t\n\v\f\r") or not _is_unicode(entry):
                    raise InputError(f"vocabulary: {name} {entry!r} is empty or not valid Unicode")
        if not self.answers:
            raise InputError("vocabulary: there is no answer; expected at least one")

    @classmethod
    def build(
        cls, questions: Iterable[str], answers: Iterable[str], min_word_count: int = 1
    ) -> Vocabulary:
        """Numbers words and answers in order of first appearance.

        Args:
            questions: question texts of the training split, and of no other.
            answers: their answers.
            min_word_count: words seen less often become `<unk>`, which trains its embedding; useful
                for open vocabularies (CLEVR-Humans, VQA). CLEVR's own is closed: 1.
        """
        counts = Counter(word for question in questions for word in tokenize(question))
        for reserved in RESERVED_WORDS:  # a question may spell them; they stay what they are
            counts.pop(reserved, None)
        words = (word for word, count in counts.items() if count >= min_word_count)
        return cls.number(words, answers)

    @classmethod
    def number(cls, words: Iterable[str], answers: Iterable[str]) -> Vocabulary:
        """Numbers words and answers as they come; what comes again, or is reserved, keeps its number."""
        return cls(tuple(dict.fromkeys((*RESERVED_WORDS, *words))), tuple(dict.fromkeys(answers)))

    def extended(self, questions: Iterable[str], answers: Iterable[str]) -> Vocabulary:
        """The same with more words and answers behind its own, whose ids stay."""
        words = dict.fromkeys(
            [*self.words, *(word for question in questions for word in tokenize(question))]
        )
        return Vocabulary(tuple(words), tuple(dict.fromkeys([*self.answers, *answers])))

    @property
    def num_words(self) -> int:
        """Number of words, with `<pad>` and `<unk>`: the rows of the embedding."""
        return len(self.words)

    @property
    def num_answers(self) -> int:
        """Number of answers: the width of the classifier."""
        return len(self.answers)

    @cached_property
    def word_ids(self) -> dict[str, int]:
        """Id of each word but the reserved ones; anything else is `UNKNOWN`."""
        first = len(RESERVED_WORDS)
        return {word: number for number, word in enumerate(self.words[first:], start=first)}

    @cached_property
    def answer_ids(self) -> dict[str, int]:
        """Id of each answer, from 0."""
        return {answer: number for number, answer in enumerate(self.answers)}

    def encode(self, question: str) -> list[int]:
        """Word ids of a question, unpadded, in [1, num_words)."""
        word_ids = self.word_ids
        return [word_ids.get(word, UNKNOWN) for word in tokenize(question)]

    def encode_answer(self, answer: str) -> int:
        """Id of an answer, in [0, num_answers). Raises InputError where the vocabulary lacks it."""
        try:
            return self.answer_ids[answer]
        except KeyError:
            raise InputError(
                f"answer {answer!r} is none of the {self.num_answers} answers of the training "
                f"split ({_shortened(self.answers)})"
            ) from None

    @cached_property
    def hash(self) -> str:
        """sha256 (64 hex digits) of the content; equal for equal vocabularies on any machine."""
        content = json.dumps([self.words, self.answers], separators=(",", ":"))
        return hashlib.sha256(content.encode("ascii")).hexdigest()

    def save(self, path: str | os.PathLike) -> None:
        """Writes the vocabulary as JSON; a reader never sees half a file."""
        path = Path(path)
        content = {"words": self.words, "answers": self.answers, "hash": self.hash}
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Vocabulary:
        """Reads what `save` wrote.

        Raises:
            InputError: no such file, not JSON, a field is missing or of another type, or the content
                does not fit its hash (an edited file would shift the ids under trained weights).
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path}: cannot be read as a vocabulary: {error}") from None
        if not isinstance(content, dict):
            raise InputError(f"{path}: holds a {type(content).__name__}; expected a JSON object")
        for field in ("words", "answers"):
            entries = content.get(field)
            if not isinstance(entries, list) or not all(
                isinstance(entry, str) for entry in entries
            ):
                raise InputError(f"{path}: field '{field}' is missing or not a list of texts")
        try:
            vocabulary = cls(tuple(content["words"]), tuple(content["answers"]))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        if content.get("hash") != vocabulary.hash:
            raise InputError(
                f"{path}: field 'hash' is {content.get('hash')!r}, but words and answers give "
                f"{vocabulary.hash!r}; the file was changed after it was saved"
            )
        return vocabulary


def check_question(question: str) -> None:
    """Refuses what is no question, or is longer than a model reads. Raises InputError."""
    words = len(tokenize(question))
    if not words:
        raise InputError(f"--question is {question!r}; expected a question")
    if words > MAX_WORDS:
        raise InputError(
            f"--question has {words} words and punctuation marks; expected at most {MAX_WORDS}"
        )


def _is_unicode(text: str) -> bool:
    """False for lone surrogates, which JSON can spell and UTF-8 cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _shortened(entries: tuple[str, ...], limit: int = 30) -> str:
    return ", ".join(entries[:limit]) + (", ..." if len(entries) > limit else "")
