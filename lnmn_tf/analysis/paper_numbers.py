"""The paper's own figures, each with the table and the row that it stands in.

Pahuja, Fu, Chandar and Pal, "Structure Learning for Neural Module Networks", LANTERN 2019. Accuracies
are in percent.
"""

from __future__ import annotations

from typing import NamedTuple

FAMILIES = ("count", "exist", "compare_number", "query_attribute", "compare_attribute")
COLUMNS = ("overall", *FAMILIES)
OPERATORS = ("min", "max", "sum", "product", "choose_1", "choose_2")


class PaperRow(NamedTuple):
    """A row of a table; None where the paper has a dash or no such column."""

    table: int
    label: str
    values: tuple[float | None, ...]
    note: str = ""

    @property
    def source(self) -> str:
        return f"paper, Table {self.table}, row {self.label!r}"


def _rows(table: int, entries: dict[str, tuple]) -> tuple[PaperRow, ...]:
    return tuple(PaperRow(table, label, values) for label, values in entries.items())


# `COLUMNS` and CLEVR-Humans. (*) program labels, (‡) from raw pixels, (†) the authors' implementation.
TABLE_1 = _rows(
    1,
    {
        "Human": (92.6, 86.7, 96.6, 86.5, 95.0, 96.0, None),
        "Q-type baseline": (41.8, 34.6, 50.2, 51.0, 36.0, 51.3, None),
        "LSTM": (46.8, 41.7, 61.1, 69.8, 36.8, 51.8, 36.5),
        "CNN+LSTM": (52.3, 43.7, 65.2, 67.1, 49.3, 53.0, 43.2),
        "CNN+LSTM+SA+MLP": (73.2, 59.7, 77.9, 75.1, 80.9, 70.8, 57.6),
        "N2NMN*": (83.7, 68.5, 85.7, 84.9, 90.0, 88.7, None),
        "PG+EE (700K prog.)*": (96.9, 92.7, 97.1, 98.7, 98.1, 98.9, None),
        "CNN+LSTM+RN‡": (95.5, 90.1, 97.8, 93.6, 97.9, 97.1, None),
        "CNN+GRU+FiLM": (97.7, 94.3, 99.1, 96.8, 99.1, 99.1, 75.9),
        "MAC": (98.9, 97.1, 99.5, 99.1, 99.5, 99.5, 81.5),
        "TbD": (99.1, 97.6, 99.2, 99.4, 99.5, 99.6, None),
        "Stack-NMN (9 mod.)†": (91.41, 81.78, 95.78, 85.23, 95.45, 95.68, 68.06),
        "LNMN (9 modules)": (89.88, 84.28, 93.74, 89.63, 89.64, 94.84, 66.35),
        "LNMN (11 modules)": (90.52, 84.91, 95.21, 91.06, 90.03, 94.97, 65.68),
        "LNMN (14 modules)": (90.42, 84.79, 95.52, 90.52, 89.73, 95.26, 65.86),
    },
)
ORIGINAL = "Original setting (T = 5, L = 5, map_dim = 384)"
HARD_MAX = "Hard-max for operation weights (inference only; T = 5, L = 5, map_dim = 384)"
LONGER = "T = 9, L = 9, map_dim = 256"
CONCATENATION = "Concatenate all inputs followed by conv. layer"
TABLE_2 = _rows(
    2,
    {
        ORIGINAL: (89.78, 84.54, 93.46, 88.70, 89.59, 94.87),
        HARD_MAX: (87.99, 81.53, 94.11, 87.70, 88.27, 91.55),
        LONGER: (89.96, 84.03, 93.45, 89.98, 90.75, 93.10),
        CONCATENATION: (47.03, 42.5, 61.15, 68.64, 38.06, 49.43),
    },
)
# VQA v2 and VQA v1.
TABLE_4 = _rows(4, {"Stack-NMN": (58.23, 59.84), "LNMN (9 modules)": (54.85, 57.67)})
# Attributions of `OPERATORS`, summed over CLEVR's validation set; no percents.
TABLE_5 = _rows(
    5,
    {
        "0 Attn. (3 input)": (6.3e4, 2.7e4, 3.6e4, 1.1e5, 5.1e4, 1.6e4),
        "1 Attn. (3 input)": (4.4e4, 1.8e4, 6.2e4, 1.4e4, 2.8e4, 1.7e5),
        "2 Attn. (3 input)": (7.0e4, 3.3e4, 3.8e4, 1.1e5, 5.2e4, 1.5e4),
        "3 Attn. (3 input)": (8.6e3, 6.2e4, 1.7e4, 1.8e4, 4.7e4, 3.0e4),
        "4 Attn. (4 input)": (4.5e4, 3.2e4, 7.6e4, 1.7e4, 3.6e4, 2.1e5),
        "5 Attn. (4 input)": (1.1e5, 5.6e5, 2.3e5, 8.5e3, 2.8e4, 1.8e5),
        "6 Ans. (3 input)": (2.1e6, 4.3e6, 4.4e6, 8.3e6, 2.3e6, 4.9e5),
        "7 Ans. (4 input)": (1.2e5, 5.8e4, 1.7e5, 5.2e3, 1.0e5, 4.5e5),
    },
)
# Kind of module, and the expressions as simplified in the table.
TABLE_6 = (
    ("Attention (3 inputs)", "conv2(a ⊙ W1 c)"),
    ("Attention (3 inputs)", "conv2(W1 c)"),
    ("Attention (3 inputs)", "conv2(W1 c)"),
    ("Attention (3 inputs)", "conv2(max(conv1(I), a) + W1 c)"),
    ("Attention (4 inputs)", "conv2(max(a1, a2) ⊙ W1 c)"),
    ("Attention (4 inputs)", "conv2(max(a2, conv1(I)) ⊙ W1 c)"),
    ("Answer (3 inputs)", "W2[Σ min(conv1(I), a) ⊙ W1 c, W1 c, f_mem]"),
    ("Answer (3 inputs)", "W2[Σ min(conv1(I) ⊙ a, W1 c), W1 c, f_mem]"),
    ("Answer (4 inputs)", "W2[Σ min(min(a1, a2) ⊙ conv1(I), W1 c), W1 c, f_mem]"),
    ("Answer (4 inputs)", "W2[Σ (min(a1, a2) + conv1(I)) ⊙ W1 c, W1 c, f_mem]"),
)
WITHOUT_NOTHING = "Original Model"
TABLE_7 = _rows(
    7,
    {
        "min": (86.64, 77.98, 86.79, 87.89, 88.77, 93.10),
        "max": (45.54, 35.92, 55.25, 63.66, 40.52, 51.83),
        "sum": (82.67, 69.89, 80.25, 85.22, 87.69, 90.05),
        "product": (34.65, 14.55, 51.49, 48.79, 30.31, 49.92),
        "choose_1": (89.74, 84.24, 93.81, 89.02, 89.59, 94.67),
        "choose_2": (79.45, 64.77, 76.07, 82.96, 86.78, 84.94),
        WITHOUT_NOTHING: (89.88, 84.28, 93.74, 89.63, 89.64, 94.84),
    },
)
