"""The picture of `analysis.planted`: accuracies of the arms, and the operators that two-map cells became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lnmn_tf.analysis import pictures
from lnmn_tf.config.names import OPERATORS
from lnmn_tf.world.graded import KINDS

NAMES = {
    "tried": "all tried, answers choose",
    "forbidden": "the same, min and max forbidden",
    "searched": "searched by alpha",
    "hand": "set by hand: min, max, ..",
    "frozen": "random mixture, frozen",
    "product": "all product",
    "random": "random operators",
}
_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "++++")  # for grey
_GUESS = {"one": 25, "and": 25, "or": 25, "same": 50, "more": 50}


def draw(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """A figure of the rows of `planted.results`: above accuracies, below operators."""
    arms = [arm for arm in NAMES if any(row["arm"] == arm for row in rows)]
    found = [row for row in rows if row["arm"] == arms[0]]
    kinds = ("and", "or", "same", "more")
    with pictures.style():
        figure = pictures.figure(7.2, 4.7)
        grid = figure.add_gridspec(2, len(kinds), height_ratios=[1.9, 1])
        _accuracies(figure.add_subplot(grid[0, :]), rows, arms)
        for column, kind in enumerate(kinds):
            axes = figure.add_subplot(grid[1, column])
            _operators(axes, found, kind, first=column == 0)
    return figure


def _accuracies(axes, rows, arms) -> None:
    width = 0.8 / max(len(arms), 1)
    for place, arm in enumerate(arms):
        values = [[100 * row[kind] for row in rows if row["arm"] == arm] for kind in KINDS]
        x = np.arange(len(KINDS)) - 0.4 + (place + 0.5) * width
        colour = pictures.COLOURS[place % len(pictures.COLOURS)]
        count = len(values[0])
        label = f"{NAMES[arm]} ({count})"
        axes.bar(
            x,
            [np.mean(v) for v in values],
            width * 0.86,
            color=colour,
            alpha=0.45,
            hatch=_HATCHES[place],
            edgecolor="white",
            zorder=2,
        )
        for position, points in zip(x, values):
            spread = np.linspace(-0.28, 0.28, len(points)) * width if len(points) > 1 else [0.0]
            axes.plot(
                position + np.array(spread),
                points,
                pictures.MARKERS[place],
                color=colour,
                markersize=4.0,
                markeredgewidth=0.4,
                markeredgecolor="white",
                zorder=3,
            )
        axes.plot([], [], pictures.MARKERS[place], color=colour, markersize=5, label=label)
    for place, kind in enumerate(KINDS):
        axes.plot(
            [place - 0.42, place + 0.42], [_GUESS[kind]] * 2, "--", color=pictures.INK, lw=0.8
        )
    axes.plot([], [], "--", color=pictures.INK, lw=0.8, label="a guess")
    axes.set_xticks(range(len(KINDS)), KINDS)
    axes.set_ylim(0, 103)
    axes.set_ylabel("right answers, %")
    axes.set_title("Accuracy by kind of question: bars are means, marks are runs")
    axes.legend(ncol=4, loc="upper center", bbox_to_anchor=(0.5, -0.1), handletextpad=0.3)
    axes.grid(axis="y", zorder=0)
    axes.tick_params(axis="x", length=0)


def _operators(axes, rows, kind: str, first: bool) -> None:
    """One line a seed: the operator of the first node of the cell that runs for this kind."""
    grid = np.array(
        [[name == row[f"{kind} operator"] for name in OPERATORS] for row in rows], float
    )
    grid = grid.reshape(len(rows), len(OPERATORS))
    labels = [f"seed {row['seed']}" for row in rows] if first else [""] * len(rows)
    pictures.heat_map(axes, grid * 0.8, labels, OPERATORS, write=None)
    axes.set_title(f"{kind}: its cell joins by", fontsize=7.5)
