"""Layouts as a picture: module use by family and step, the programs, and what swaps cost."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lnmn_tf.analysis import pictures

_SHOWN = 5  # programs


def draw_layouts(result: Mapping[str, Any]) -> Figure:
    """A figure of a result of `layouts.measure`."""
    families, modules = result["families"], result["modules"]
    shown = result["programs"][:_SHOWN]
    use_height = 0.2 * len(modules) + 1.0
    swap_height = 0.3 * len(families) + 1.3
    with pictures.style():
        figure = pictures.figure(7.6, use_height + max(swap_height, 0.42 * len(shown) + 0.6))
        grid = figure.add_gridspec(
            2, 1, height_ratios=[use_height, max(swap_height, 0.42 * len(shown) + 0.6)]
        )
        uses = grid[0].subgridspec(1, len(families), wspace=0.06).subplots(squeeze=False)[0]
        image = None
        for axes, family in zip(uses, families):
            values = np.asarray(result["usage"][family]).T  # [modules, steps]
            steps = [str(step + 1) for step in range(values.shape[1])]
            image = pictures.heat_map(
                axes,
                values,
                modules if axes is uses[0] else [""] * len(modules),
                steps,
                write=None,
                slant=False,
            )
            axes.set_title(pictures.nice(family), fontsize=7.5)
            axes.set_xlabel("step")
        bar = figure.colorbar(image, ax=list(uses), aspect=18, pad=0.01)
        bar.set_label("mean weight of the module")
        bar.outline.set_visible(False)
        below = grid[1].subgridspec(1, 2, width_ratios=[1, 1.15])
        _swaps(figure.add_subplot(below[0]), result)
        _programs(figure.add_subplot(below[1]), result, shown)
    return figure


def _swaps(axes, result: Mapping[str, Any]) -> None:
    families = result["families"]
    donors = [name for name in result["swaps"] if name != "own"]
    columns = ["own layout", *map(pictures.nice, donors)]
    values = np.array(
        [
            [100 * result["swaps"][donor].get(family, np.nan) for donor in ("own", *donors)]
            for family in families
        ]
    )
    pictures.heat_map(
        axes, values, [pictures.nice(f) for f in families], columns, high=100.0, write="{:.0f}"
    )
    axes.axvline(0.5, color=pictures.INK, linewidth=0.8)
    axes.set_ylabel("questions of the family")
    axes.set_xlabel("run with the layouts of the family")
    axes.set_title("accuracy with foreign layouts, %")


def _programs(axes, result: Mapping[str, Any], shown) -> None:
    axes.set_axis_off()
    total = result["questions"]
    information = result["information"]
    lines = [
        (
            f"The program says {information['bits']:.2f} of {information['entropy']:.2f} bits about "
            f"the family (by chance {information['by_chance']:.2f}).",
            pictures.INK,
        )
    ]
    for program in shown:
        share = f"{program['questions']} of {total}: "
        lines.append((share + " › ".join(program["steps"]), pictures.INK))
        lines.append((f"   “{program['samples'][0]}”", pictures.PALE))
    y = 1.0
    for text, colour in lines:
        for part in textwrap.wrap(text, 74, subsequent_indent="   "):
            axes.text(0.0, y, part, va="top", fontsize=6.6, color=colour, transform=axes.transAxes)
            y -= 0.075
    axes.set_title(f"the most frequent of {result['different_programs']} programs")
