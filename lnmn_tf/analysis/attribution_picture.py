"""Table 5 as a picture: what each operator of each cell gives, and how fast the integral converges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lnmn_tf.analysis import pictures
from lnmn_tf.analysis.probe import OPERATORS

_LEAST_ERROR = 1e-6


def draw_attribution(result: Mapping[str, Any]) -> Figure:
    """A figure of a result of `attribution.measure`."""
    modes = [mode for mode in ("one_at_a_time", "together") if mode in result]
    titles = {"one_at_a_time": "one cell at a time", "together": "all cells together"}
    names = list(result["one_at_a_time"])
    converges = len(result.get("convergence", {})) > 1
    with pictures.style():
        height = 0.38 * len(names) + 1.25
        figure = pictures.figure(7.4 if len(modes) > 1 else 4.2, height + 2.1 * converges)
        ratios = [height, 2.1] if converges else [height]
        grid = figure.add_gridspec(len(ratios), len(modes), height_ratios=ratios)
        largest = max(
            np.abs([cell["operators"] for cell in result[mode].values()]).max() for mode in modes
        )
        for column, mode in enumerate(modes):
            axes = figure.add_subplot(grid[0, column])
            values = np.array([result[mode][name]["operators"] for name in names])
            image = _signed_map(axes, values, names if not column else [""] * len(names), largest)
            axes.set_title(titles[mode] if len(modes) > 1 else "released script")
        bar = figure.colorbar(image, ax=figure.axes, shrink=0.8, aspect=25, pad=0.015)
        bar.outline.set_visible(False)
        what = "probability of the right answer" if "paths" in result else "largest logit"
        bar.set_label(f"attribution to the {what},\nsum over questions", fontsize=7)
        if converges:
            _convergence(figure.add_subplot(grid[1, :]), result)
    return figure


def _signed_map(axes, values: np.ndarray, rows, largest: float):
    """Numbers of both signs: blue for more, orange for less; their sign is written, too."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("signed", ["#B35806", "white", "#084594"])
    image = axes.imshow(values, cmap=colours, vmin=-largest, vmax=largest, aspect="auto")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(
        range(len(OPERATORS)), OPERATORS, rotation=40, ha="right", rotation_mode="anchor"
    )
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for edge in range(1, len(values)):
        axes.axhline(edge - 0.5, color="white", linewidth=1.2)
    for (row, column), value in np.ndenumerate(values):
        dark = abs(value) > 0.55 * largest
        text = f"{value:+.3g}" if abs(value) < 1e4 else f"{value:+.1e}"
        text = text.replace("-", "−") if abs(value) > 1e-3 * largest else "0"
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=6.2,
            color="white" if dark else pictures.INK,
        )
    return image


def _convergence(axes, result: Mapping[str, Any]) -> None:
    counts = [int(count) for count in result["convergence"]]
    still = []
    for index, path in enumerate(result["paths"]):
        found = [result["convergence"][str(count)].get(path) for count in counts]
        errors = [np.nan if error is None else error for error in found]  # it was complete before
        if not any(
            error for error in found if error is not None
        ):  # alpha changes nothing along this path
            still.append(path)
            continue
        axes.plot(
            counts,
            100 * np.maximum(errors, _LEAST_ERROR),
            color=pictures.COLOURS[index % len(pictures.COLOURS)],
            marker=pictures.MARKERS[index % len(pictures.MARKERS)],
            linestyle=pictures.LINES[index % len(pictures.LINES)],
            markerfacecolor="white" if index // len(pictures.COLOURS) % 2 else None,
            markersize=4,
            linewidth=1.2,
            label=path,
        )
    axes.axhline(1.0, color=pictures.PALE, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.text(counts[-1], 1.15, "1 %", ha="right", va="bottom", fontsize=7, color=pictures.PALE)
    axes.set(xscale="log", yscale="log", xlabel="points of integration")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_ylabel("error of the sum,\n% of F(α) − F(0)")
    axes.set_title(
        "completeness" + (f"; nothing to attribute: {', '.join(still)}" if still else "")
    )
    axes.grid(axis="y")
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
