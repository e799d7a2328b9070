"""How much one choice says of another: mutual information, and what chance alone would give."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Information(NamedTuple):
    """Mutual information in bits."""

    bits: float  # I(X; Y), as counted
    by_chance: float  # its mean where Y is permuted
    at_most_by_chance: float  # 95 % of the permutations have less
    entropy: float  # H(Y), which I cannot exceed

    @property
    def significant(self) -> bool:
        """Whether there is more of it than in 95 % of the permutations."""
        return self.bits > self.at_most_by_chance


def mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """I(X; Y) in bits of two columns of labels, [N], from their counts.

    Counting finds too much where samples are few; see `with_permutations`.
    """
    table = np.zeros([first.max() + 1, second.max() + 1])
    np.add.at(table, (first, second), 1.0)
    joint = table / table.sum()
    outer = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log2(joint[seen] / outer[seen])))


def with_permutations(
    first: np.ndarray, second: np.ndarray, permutations: int = 200, seed: int = 0
) -> Information:
    """Mutual information of labels, [N] each, beside that of labels that have nothing to do with it."""
    first, second = (np.unique(labels, return_inverse=True)[1] for labels in (first, second))
    rng = np.random.default_rng(seed)
    chance = [mutual_information(first, rng.permutation(second)) for _ in range(permutations)]
    shares = np.bincount(second) / len(second)
    return Information(
        mutual_information(first, second),
        float(np.mean(chance)),
        float(np.quantile(chance, 0.95)),
        float(-np.sum(shares[shares > 0] * np.log2(shares[shares > 0]))),
    )
