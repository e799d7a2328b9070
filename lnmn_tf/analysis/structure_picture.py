"""alpha' as heat maps, one row a node, in the form of the paper's Figures 3, 8 and 9."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lnmn_tf.analysis import pictures

_COLUMNS = 4  # cells side by side


def draw_structure(result: Mapping[str, Any]) -> Figure:
    """A figure of a result of `structure.measure`; cells with as many nodes stand side by side."""
    operators = result["operators"]
    sizes: dict[int, list[str]] = {}
    for name, cell in result["cells"].items():
        sizes.setdefault(len(cell["strongest"]), []).append(name)
    lines = [
        (nodes, names[first : first + _COLUMNS])
        for nodes, names in sizes.items()
        for first in range(0, len(names), _COLUMNS)
    ]
    columns = max(len(names) for _, names in lines)
    with pictures.style():
        figure = pictures.figure(
            1.85 * columns + 1.0, sum(0.27 * nodes + 0.62 for nodes, _ in lines) + 0.6
        )
        grid = figure.subplots(
            len(lines),
            columns,
            squeeze=False,
            gridspec_kw={"height_ratios": [nodes for nodes, _ in lines]},
        )
        image = None
        for line, (_, names) in enumerate(lines):
            below = lines[line + 1][1] if line + 1 < len(lines) else []
            for column, axes in enumerate(grid[line]):
                if column >= len(names):
                    axes.set_axis_off()
                    continue
                cell = result["cells"][names[column]]
                mixture = np.asarray(cell["mixture"])
                lowest = column >= len(below)
                image = pictures.heat_map(
                    axes,
                    mixture,
                    _node_names(cell),
                    operators if lowest else [""] * len(operators),
                )
                _name(axes, names[column], cell)
        bar = figure.colorbar(image, ax=grid, shrink=0.8, aspect=24, pad=0.015)
        bar.set_label("weight of the operator, α′ = softmax(α)")
        bar.outline.set_visible(False)
    return figure


def _node_names(cell: Mapping[str, Any]) -> list[str]:
    live = cell.get("live", [True] * len(cell["strongest"]))
    return [f"{node + 1}" if lives else f"idle  {node + 1}" for node, lives in enumerate(live)]


def _name(axes, name: str, cell: Mapping[str, Any]) -> None:
    axes.set_title(name, pad=13)
    axes.annotate(
        cell["kind"],
        (0, 1),
        (0, 4),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=6.5,
        color=pictures.PALE,
    )
