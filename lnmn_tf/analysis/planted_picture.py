"""The picture of `analysis.planted`: accuracies of the arms, and of every pair of operators that was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from lnmn_tf.analysis import pictures
from lnmn_tf.config.names import OPERATORS
from lnmn_tf.world.graded import KINDS

if TYPE_CHECKING:
    from lnmn_tf.training.trials import Trial

NAMES = {
    "tried": "tried",
    "forbidden": "tried without min and max",
    "searched": "Algorithm 2",
    "hand": "by hand",
    "frozen": "frozen mixture",
    "product": "all product",
    "random": "random",
}
_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "++++")  # for grey
_GUESS = {"one": 25, "and": 25, "or": 25, "same": 50, "more": 50}


def draw(rows: Sequence[Mapping[str, Any]], trials: Sequence[Sequence[Trial]] = ()) -> Figure:
    """A figure: above accuracies of the arms, below those of each pair of operators.

    Args:
        rows: of `planted.results`.
        trials: of each seed, all pairs; none = the lower part is left out.
    """
    arms = [arm for arm in NAMES if any(row["arm"] == arm for row in rows)]
    with pictures.style():
        figure = pictures.figure(7.2, 5.6 if trials else 3.2)
        grid = figure.add_gridspec(
            2 if trials else 1, 4, height_ratios=[1.35, 1][: 1 + bool(trials)]
        )
        _accuracies(figure.add_subplot(grid[0, :]), rows, arms)
        for column, kind in enumerate(("and", "or", "same", "more") if trials else ()):
            _pairs(figure.add_subplot(grid[1, column]), trials, kind, first=column == 0)
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


def _pairs(axes, trials: Sequence[Sequence[Trial]], kind: str, first: bool) -> None:
    """Mean accuracy over the seeds of each pair that was tried, held-out questions of one kind."""
    grid = np.full([len(OPERATORS)] * 2, np.nan)
    for pair in {trial.structure for of_seed in trials for trial in of_seed}:
        values = [t.table["families"][kind] for of in trials for t in of if t.structure == pair]
        column, row = sorted(OPERATORS.index(name) for name in pair)
        grid[row, column] = 100 * np.mean(values)
    labels = OPERATORS if first else [""] * len(OPERATORS)
    pictures.heat_map(axes, grid, labels, OPERATORS, low=25.0, high=100.0, write="{:.0f}")
    axes.set_title(f"{kind}: pairs tried, %" if first else kind, fontsize=7.5)
