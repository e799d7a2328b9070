"""Explained answers as one HTML page, which needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lnmn_tf.analysis.explain import Explanation
from lnmn_tf.analysis.pages import data_uri, picture_uri, render, shared
from lnmn_tf.files import write_text


def write_page(path: Path, pairs: Sequence[Sequence[Explanation]], title: str, about: str) -> None:
    """Writes a page.

    Args:
        path: of the file.
        pairs: groups of explanations that stand side by side, of one or two.
        title: of the page.
        about: the run, and how the questions were chosen.
    """
    write_text(path, page(pairs, title, about))


def page(pairs: Sequence[Sequence[Explanation]], title: str, about: str) -> str:
    """The page as HTML."""
    groups = [
        [view(e, f"e{row}_{column}") for column, e in enumerate(pair)]
        for row, pair in enumerate(pairs)
    ]
    every = [entry for group in groups for entry in group]
    kinds = [("Right", "right", True), ("Wrong", "wrong", False), ("Questions", "", None)]
    sides = [(label, css, [e for e in every if e["right"] is kind]) for label, css, kind in kinds]
    return render(
        "explain.html",
        title=title,
        about=about,
        groups=groups,
        entries=every,
        sides=[side for side in sides if side[-1]],
        icon=data_uri(shared("icon.svg").encode(), "image/svg+xml"),
    )


def view(explanation: Explanation, name: str) -> dict[str, Any]:
    """What the template shows of an explanation, in what JSON knows.

    Args:
        explanation: with T steps.
        name: of its element in the page.
    """
    asked = explanation.asked
    height, width = explanation.read.shape[1:]
    uri, ratio = picture_uri(asked.picture) if asked.picture else ("", width / height)
    top = explanation.top()
    weighty = explanation.module_weights.max(axis=0)
    return {
        "name": name,
        "question": asked.question,
        "truth": asked.truth,
        "family": asked.family.replace("_", " "),
        "index": asked.index,
        "picture": uri,
        "answer": explanation.answer,
        "right": explanation.right,
        "program": explanation.program(),
        "formulas": [
            (module, explanation.formulas[module], float(weight))
            for module, weight in zip(explanation.module_names, weighty)
            if module in explanation.formulas
        ],
        "drawn": {
            "ratio": round(ratio, 4),
            "words": explanation.words,
            "truth": asked.truth,
            "top_answers": [text for text, _ in top],
            "top_probabilities": _rounded(np.array([share for _, share in top])),
            "module_names": explanation.module_names,
            "module_weights": _rounded(explanation.module_weights),
            "word_attention": _rounded(explanation.word_attention),
            "attention": _rounded(explanation.read),
            "written": _rounded(explanation.written),
            "stack": _rounded(explanation.stack),
            "pointer": _rounded(explanation.pointer),
            "formulas": dict(explanation.formulas),
        },
    }


def _rounded(array: np.ndarray) -> Any:
    """Nested lists of numbers with three digits, which a picture does not tell from more."""
    flat = [float(f"{x:.3g}") for x in np.nan_to_num(array).ravel()]
    return np.array(flat).reshape(array.shape).tolist()
