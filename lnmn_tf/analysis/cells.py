"""The figures of the model itself: its cells (Figures 1, 2, 6, 7), an example (4), lambda_w (5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lnmn_tf.analysis.expressions import TEXT
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import OPERATORS, Cell, softmax
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.config import TrainingConfig

EPOCHS = 50  # as far as Figure 5 goes


def nodes_of(cell: Cell) -> list[dict[str, Any]]:
    """The nodes of a cell with their operands and weights, from first to last.

    Returns:
        For each node "x1" and "x2", what it receives in LaTeX, "node 1" and so on for the result of
        another node; and "weights", alpha', by operator.
    """
    image, maps = cell.operands.image.latex, [symbol.latex for symbol in cell.operands.maps]
    if len(maps) == 1:
        operands = [(image, maps[0]), ("node 1", TEXT.latex)]
    else:
        operands = [tuple(maps), (image, "node 1"), ("node 2", TEXT.latex)]
    return [
        {"x1": x1, "x2": x2, "weights": dict(zip(OPERATORS, weights))}
        for (x1, x2), weights in zip(operands, softmax(cell.alpha))
    ]


def lambda_w(epochs: Sequence[float], schedule: str) -> np.ndarray:
    """lambda_w in the course of a run, of the paper or as released, its constant factor left out."""
    from lnmn_tf.training.schedules import entropy_weight

    config = TrainingConfig(entropy_schedule=schedule)
    values = np.array([entropy_weight(float(epoch), config) for epoch in epochs])
    return values / values[0]


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Nodes of every cell, a sample question with its picture, and the courses of lambda_w."""
    cells = subject.probe.cells
    epochs = np.linspace(0, EPOCHS, 10 * EPOCHS + 1)
    result = {
        "cells": {
            cell.name: {
                "kind": cell.kind,
                "modules": list(cell.modules),
                "answers": cell.answers,
                "nodes": nodes_of(cell),
                "normalised": cell.normalised,
            }
            for cell in cells
        },
        "lambda_w": {
            "epochs": epochs,
            **{name: lambda_w(epochs, name) for name in ("paper", "released")},
        },
    }
    sample = sample_question(subject)
    return {**result, "sample": sample} if sample else result


def sample_question(subject: Subject) -> dict[str, Any] | None:
    """The longest question about the first picture, with what the network answers; None without pictures."""
    if subject.pictures is None:
        return None
    questions = subject.questions
    members = np.flatnonzero(questions.image_index == questions.image_index[0])
    index = int(members[np.argmax(questions.lengths[members])])
    (batch,) = subject.batches(np.array([index]))
    probabilities = subject.probe.answer(batch.encoded)["probabilities"][0].numpy()
    answers = subject.vocabulary.answers
    return {
        "question": str(questions.texts[index]),
        "answer": None if questions.answers is None else answers[questions.answers[index]],
        "given": answers[int(np.argmax(probabilities))],
        "probability": float(probabilities.max()),
        "picture": subject.pictures.read(questions.image_index[[index]])[0],
        "file": questions.image_filenames[questions.image_index[index]],
    }


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a node: operands and weights."""
    return [
        {
            "cell": name,
            "kind": cell["kind"],
            "node": number + 1,
            "x1": node["x1"],
            "x2": node["x2"],
            **node["weights"],
        }
        for name, cell in result["cells"].items()
        for number, node in enumerate(cell["nodes"])
    ]


def summary(result: Mapping[str, Any]) -> str:
    """How many cells of which kind."""
    kinds: dict[str, list[str]] = {}
    for name, cell in result["cells"].items():
        kinds.setdefault(cell["kind"], []).append(name)
    return "\n".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items())


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """A figure for each kind of cell, "_sample", and "_lambda_w"."""
    from lnmn_tf.analysis import cells_picture

    kinds: dict[str, dict] = {}
    for name, cell in result["cells"].items():
        kinds.setdefault(cell["kind"], {})[name] = cell
    figures = {
        "_" + kind.lower().replace(" (", "_").replace(" inputs)", ""): cells_picture.draw_cells(
            kind, cells
        )
        for kind, cells in kinds.items()
    }
    figures["_lambda_w"] = cells_picture.draw_lambda_w(result["lambda_w"])
    if "sample" in result:
        figures["_sample"] = cells_picture.draw_sample(result["sample"])
    return figures
