"""How pictures look: one typeface, few colours, legible in grey and to the colour-blind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, in an order that falls in lightness by turns, so that neighbours differ in grey.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", ":", "-.")
INK, PALE, LINE = "#1a1a1a", "#6b6b6b", "#c8c8c8"
HEAT = "Blues"  # falls in lightness from one end to the other

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": PALE,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "text.color": INK,
    "mathtext.fontset": "dejavusans",
    "figure.facecolor": "white",
    "grid.color": LINE,
    "grid.linewidth": 0.5,
}


@contextmanager
def style() -> Iterator[None]:
    """Inside, figures are drawn in this style; the process's own stays as it was."""
    with matplotlib.rc_context(STYLE):
        yield


def figure(width: float, height: float, **options) -> Figure:
    """A figure of this size in inches, laid out by itself; within `style`."""
    return Figure(figsize=(width, height), layout=options.pop("layout", "constrained"), **options)


def heat_map(
    axes: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    low: float = 0.0,
    high: float | None = 1.0,
    write: str | None = "{:.2f}",
    slant: bool = True,
) -> Any:
    """Numbers [rows, columns] as shades, written into their cells. Returns the image."""
    if high is None:
        high = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    image = axes.imshow(values, cmap=HEAT, vmin=low, vmax=high, aspect="auto")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    if slant:
        axes.tick_params(axis="x", rotation=40)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for edge in range(1, len(rows)):
        axes.axhline(edge - 0.5, color="white", linewidth=1.2)
    for edge in range(1, len(columns)):
        axes.axvline(edge - 0.5, color="white", linewidth=1.2)
    if write is not None:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                dark = (value - low) / max(high - low, 1e-12) > 0.55
                axes.text(
                    column,
                    row,
                    write.format(value),
                    ha="center",
                    va="center",
                    fontsize=6.5,
                    color="white" if dark else INK,
                )
    return image


def percents(axes: Axes, rows: Sequence[str], high: float = 104.0) -> None:
    """Makes of axes a chart of accuracies, a row for each name, from above to below."""
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, high), xticks=range(0, 101, 20), xlabel="accuracy, %")
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def nice(name: str) -> str:
    """A family's or operator's name for people: `query_attribute` is "query attribute"."""
    return name if name.startswith("choose_") else name.replace("_", " ")


def width_of(latex: str, size: float) -> float:
    """How wide a formula is printed, in inches.

    Args:
        latex: without its dollars.
        size: of the font, in points.
    """
    from matplotlib.textpath import TextPath

    return TextPath((0, 0), f"${latex}$", size=size).get_extents().width / 72
