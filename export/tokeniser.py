"""Questions to word ids inside the graph, by the rule of `lnmn_tf.data.vocabulary`."""

from __future__ import annotations

import os
from pathlib import Path

import tensorflow as tf

from lnmn_tf.data.vocabulary import MAX_WORDS, UNKNOWN, Vocabulary

from .checks import checked, checked_each


class Tokeniser(tf.Module):
    """Splits questions, and numbers their words by a table that is an asset of the SavedModel.

    Args:
        vocabulary: of the run.
        folder: where `words.txt` is written, one word a line: line i is the word with id i. It must be
            there until the module is saved.
    """

    def __init__(self, vocabulary: Vocabulary, folder: str | os.PathLike):
        super().__init__()
        path = Path(folder) / "words.txt"
        path.write_bytes("".join(f"{word}\n" for word in vocabulary.words).encode())
        key, value = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(str(path), tf.string, key, tf.int64, value), UNKNOWN
        )

    def split(self, question: tf.Tensor) -> tf.RaggedTensor:
        """The words of `vocabulary.tokenize`: string [batch] -> string [batch, words]."""
        lowered = tf.strings.lower(question)  # without encoding=: ASCII only
        return tf.strings.split(tf.strings.regex_replace(lowered, r"([.,;:!?()])", r" \1 "))

    def encode(self, words: tf.Tensor) -> tf.Tensor:
        """The ids of `Vocabulary.encode`: string of any shape -> int32 of the same."""
        ids = tf.maximum(self._table.lookup(words), UNKNOWN)  # who types <pad> means no padding
        return tf.cast(ids, tf.int32)

    def __call__(self, question: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Checks and encodes a batch of questions.

        Args:
            question: string [batch].

        Returns:
            words: string [batch, words], "" after the end of each question.
            ids: int32 [batch, words], 0 there.
        """
        question = tf.ensure_shape(question, [None])
        question = checked(question, tf.size(question) > 0, "the batch has no question")
        words = self.split(question)
        count = words.row_lengths()
        count = checked_each(count, count > 0, "question {} is empty")
        longest = tf.reduce_max(count)
        words = checked(
            words.to_tensor(""),
            longest <= MAX_WORDS,
            f"question {{}} has {{}} words and punctuation marks; expected at most {MAX_WORDS}",
            tf.argmax(count),
            longest,
        )
        is_word = tf.sequence_mask(count, longest, tf.int32)
        return words, self.encode(words) * is_word
