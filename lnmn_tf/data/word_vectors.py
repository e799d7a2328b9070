"""Word vectors that others trained, as text: GloVe's format, a word and its numbers on each line."""

from __future__ import annotations

import os

import numpy as np

from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.errors import InputError


def read_word_vectors(
    path: str | os.PathLike, vocabulary: Vocabulary, width: int
) -> dict[int, np.ndarray]:
    """The vectors of a vocabulary's words.

    Args:
        path: UTF-8 text; GloVe's files of 300 numbers for 400,000 words are 1 GB, of which only what is
            needed is kept.
        vocabulary: of the model.
        width: of the model's word embedding, `embed_dim`.

    Returns:
        float32 [width] by word id; words that the file lacks are left out.

    Raises:
        InputError: no such file, not UTF-8, a line with another number of numbers, or with something
            else, or none of the words.
    """
    ids, found = vocabulary.word_ids, {}
    try:
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                # A word may hold spaces (there are five such in GloVe 840B), numbers do not.
                *word, last = line.rstrip("\n").rsplit(" ", width)
                if len(word) != width:
                    raise InputError(
                        f"{path}: line {number} has {len(word)} numbers after its word; expected "
                        f"embed_dim={width}"
                    )
                identity = ids.get(word[0])
                if identity is not None and identity not in found:
                    found[identity] = _vector([*word[1:], last], path, number)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text: {error}") from None
    if not found:
        raise InputError(
            f"{path}: has none of the {len(ids)} words of the vocabulary; expected word vectors"
        )
    return found


def _vector(numbers: list[str], path: str | os.PathLike, line: int) -> np.ndarray:
    try:
        vector = np.array(numbers, np.float32)
    except ValueError:
        vector = np.array([np.nan])
    if not np.isfinite(vector).all():
        raise InputError(f"{path}: line {line} has something else than finite numbers")
    return vector
