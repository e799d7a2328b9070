"""How the structure came about: alpha in the course of training, a line of JSON each time.

{"step": 1200, "cells": {"attention_3.0": [[...], [...]], ...}}
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lnmn_tf.analysis.probe import OPERATORS, softmax
from lnmn_tf.errors import InputError
from lnmn_tf.training.structure_history import ANSWERS, FILE_NAME, SEARCH, append

__all__ = ["FILE_NAME", "History", "append", "draw_history", "of_run", "read"]


class History(NamedTuple):
    """alpha' over training."""

    steps: np.ndarray  # [times], rising
    mixtures: dict[str, np.ndarray]  # of each cell, [times, nodes, 6]


def of_run(run_dir: Path) -> History | None:
    """alpha' over the training of a run; where a search was before it, over the part for the answer cells."""
    searched = read(run_dir / SEARCH / ANSWERS / FILE_NAME)
    return read(run_dir / FILE_NAME) if searched is None else searched


def read(path: str | os.PathLike) -> History | None:
    """Reads what `append` wrote; of lines of one step the last counts. None where there is no file.

    A last line without its end, of a process that was killed, is left out.

    Raises:
        InputError: a line is none of `append`'s.
    """
    path = Path(path)
    if not path.is_file():
        return None
    entries: dict[int, dict] = {}
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines[:-1]):
        try:
            entry = json.loads(line)
            entries[entry["step"]] = {k: np.array(v, float) for k, v in entry["cells"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(
                f"{path}: line {number + 1} is {line[:60]!r}; expected an object with 'step' and 'cells'"
            ) from None
    if not entries:
        return None
    steps = np.array(sorted(entries))
    mixtures = {
        name: softmax(np.stack([entries[step][name] for step in steps]))
        for name in entries[int(steps[0])]
    }
    return History(steps, mixtures)


def draw_history(history: History) -> Any:
    """A strip for each node: operators from top to bottom, training from left to right."""
    from lnmn_tf.analysis import pictures

    nodes = max(mixture.shape[1] for mixture in history.mixtures.values())
    with pictures.style():
        figure = pictures.figure(2.35 * nodes + 1.2, 0.78 * len(history.mixtures) + 0.6)
        grid = figure.subplots(len(history.mixtures), nodes, squeeze=False, sharex=True)
        image = None
        for line, (name, mixture) in zip(grid, history.mixtures.items()):
            for node, axes in enumerate(line):
                if node >= mixture.shape[1]:
                    axes.set_axis_off()
                    continue
                image = axes.pcolormesh(
                    _edges(history.steps),
                    np.arange(len(OPERATORS) + 1) - 0.5,
                    mixture[:, node].T,
                    cmap=pictures.HEAT,
                    vmin=0,
                    vmax=1,
                    rasterized=True,
                )
                axes.invert_yaxis()
                axes.set_yticks(range(len(OPERATORS)), OPERATORS if not node else [], fontsize=5.5)
                axes.tick_params(axis="y", length=0)
                axes.set_title(f"{name}, node {node + 1}", fontsize=7)
        for axes in grid[-1]:
            axes.set_xlabel("training step")
        bar = figure.colorbar(image, ax=grid, shrink=0.6, aspect=24, pad=0.015)
        bar.set_label("α′")
        bar.outline.set_visible(False)
    return figure


def _edges(steps: np.ndarray) -> np.ndarray:
    """Where the columns of a strip begin and end: halfway between steps."""
    if len(steps) == 1:
        return np.array([steps[0] - 0.5, steps[0] + 0.5])
    middles = (steps[1:] + steps[:-1]) / 2
    return np.concatenate([[steps[0]], middles, [steps[-1]]])
