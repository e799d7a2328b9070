"""Diagrams of cells, drawn from what the model says of them; an example; the course of lambda_w."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lnmn_tf.analysis import pictures
from lnmn_tf.analysis.expressions import TEXT

_NODE, _HEIGHT, _GAP, _ROW = 1.42, 1.16, 0.42, 1.98  # inches: of a node, between nodes, of a cell
_LEFT, _HEAD = 0.98, 1.1
_LABEL = 8  # points


def draw_cells(kind: str, cells: Mapping[str, Any]) -> Figure:
    """All cells of a kind, one below the other: operands, nodes with their operators, and the head."""
    from matplotlib.patches import FancyBboxPatch

    nodes = len(next(iter(cells.values()))["nodes"])
    answers = next(iter(cells.values()))["answers"]
    first = [cell["nodes"][0]["x1"] for cell in cells.values()]
    left = max(_LEFT, _GAP + 0.2 + max(pictures.width_of(latex, _LABEL) for latex in first))
    width = left + nodes * (_NODE + _GAP) + _HEAD + 0.95 + 0.15
    height = 0.3 + _ROW * len(cells)
    with pictures.style():
        figure = pictures.figure(width, height, layout="none")
        axes = figure.add_axes([0, 0, 1, 1])
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        axes.text(0.12, 0.2, kind, fontsize=9, fontweight="bold", va="center")

        def box(x, y, w, h, colour):
            axes.add_patch(
                FancyBboxPatch(
                    (x, y),
                    w,
                    h,
                    boxstyle="round,pad=0,rounding_size=0.06",
                    facecolor=colour,
                    edgecolor=pictures.PALE,
                    linewidth=0.7,
                )
            )

        def arrow(start, end, label="", side=(0.0, -0.09)):
            axes.annotate(
                "",
                end,
                start,
                arrowprops={
                    "arrowstyle": "-|>,head_width=0.16,head_length=0.3",
                    "color": pictures.INK,
                    "linewidth": 0.8,
                    "shrinkA": 0,
                    "shrinkB": 0,
                },
            )
            if label:
                axes.text(
                    (start[0] + end[0]) / 2 + side[0],
                    (start[1] + end[1]) / 2 + side[1],
                    label,
                    fontsize=7,
                    ha="center",
                    va="center",
                    color=pictures.PALE,
                )

        for row, (name, cell) in enumerate(cells.items()):
            top = 0.3 + row * _ROW + 0.22
            middle, below = top + _HEIGHT / 2, top + _HEIGHT + 0.36
            modules = ", ".join(cell["modules"])
            title = name if modules == name else f"{name}, run by {modules}"
            axes.text(0.12, top - 0.1, title, fontsize=7.5, color=pictures.PALE, va="center")
            x = left
            for number, node in enumerate(cell["nodes"]):
                chain, other = ("x1", "x2")
                if number and node["x2"] == f"node {number}":
                    chain, other = "x2", "x1"
                entry = f"$x_{chain[1]}$"
                if number == 0:
                    _label(axes, x - _GAP - 0.06, middle, node[chain], ha="right")
                arrow((x - _GAP, middle), (x, middle), entry)
                _label(axes, x + _NODE / 2, below + 0.04, node[other], va="center")
                arrow(
                    (x + _NODE / 2, below - 0.1),
                    (x + _NODE / 2, top + _HEIGHT),
                    f"$x_{other[1]}$",
                    (0.14, 0.0),
                )
                box(x, top, _NODE, _HEIGHT, "#fafafa")
                _node(axes, x, top, number, node)
                x += _NODE + _GAP
            arrow((x - _GAP, middle), (x, middle))
            head = 0.62
            box(x, middle - head / 2, _HEAD, head, "#e6eef7")
            text = r"$\mathrm{conv}_2$" + "\n1 × 1, one channel"
            if answers:
                text = "sum over places,\n" + r"$W_2\,[\,\cdot\,, W_1 c, f_{\mathrm{mem}}]$"
                _label(axes, x + _HEAD / 2, below + 0.04, rf"{TEXT.latex},\ f_{{\mathrm{{mem}}}}")
                arrow((x + _HEAD / 2, below - 0.1), (x + _HEAD / 2, middle + head / 2))
            axes.text(x + _HEAD / 2, middle, text, fontsize=7.5, ha="center", va="center")
            arrow((x + _HEAD, middle), (x + _HEAD + 0.32, middle))
            result = "new\nmemory\nfeatures" if answers else "new\nattention\nmap"
            axes.text(x + _HEAD + 0.38, middle, result, fontsize=7.5, va="center")
    return figure


def _label(axes, x, y, latex: str, ha: str = "center", va: str = "center") -> None:
    axes.text(x, y, f"${latex}$", ha=ha, va=va, fontsize=_LABEL)


def _node(axes, x: float, top: float, number: int, node: Mapping[str, Any]) -> None:
    """Operators with their weights as bars, the strongest in bold."""
    weights = node["weights"]
    best = max(weights, key=weights.get)
    axes.text(
        x + 0.07, top + 0.12, f"node {number + 1}", fontsize=7, va="center", color=pictures.PALE
    )
    for line, (operator, weight) in enumerate(weights.items()):
        y = top + 0.29 + 0.145 * line
        bold = "bold" if operator == best else "normal"
        axes.text(x + 0.07, y, operator, fontsize=6.6, va="center", fontweight=bold)
        axes.barh(
            y,
            0.46 * float(weight),
            0.09,
            left=x + 0.62,
            color="#08519c" if operator == best else "#9ecae1",
        )
        axes.text(x + 0.66 + 0.46 * float(weight), y, f"{weight:.2f}", fontsize=6, va="center")


def draw_lambda_w(courses: Mapping[str, Any]) -> Figure:
    """Figure 5: lambda_w over the epochs, by the paper and by the released program."""
    epochs = np.asarray(courses["epochs"])
    with pictures.style():
        figure = pictures.figure(4.2, 2.5)
        axes = figure.subplots()
        axes.axhline(0, color=pictures.PALE, linewidth=0.6)
        axes.plot(
            epochs, courses["paper"], color="#0072B2", linewidth=2.2, label="paper, section 4"
        )
        axes.plot(
            epochs,
            courses["released"],
            color="#D55E00",
            linewidth=1.0,
            drawstyle="steps-post",
            label="released program, without its factor 0.01",
        )
        for text, y, side in (
            ("entropy of the modules rewarded ↑", 0.07, "bottom"),
            ("punished ↓", -0.09, "top"),
        ):
            axes.text(epochs[-1], y, text, ha="right", va=side, fontsize=6.5, color=pictures.PALE)
        axes.set(xlabel="epoch", ylabel=r"$\lambda_w$", xlim=(0, epochs[-1]))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.legend(loc="lower left")
    return figure


def draw_sample(sample: Mapping[str, Any]) -> Figure:
    """Figure 4: a picture, a question, its answer, and the network's."""
    picture = np.asarray(sample["picture"])
    with pictures.style():
        figure = pictures.figure(6.4, 2.2, layout="none")
        axes = figure.add_axes([0.01, 0.03, 0.5, 0.94])
        axes.imshow(picture, interpolation="lanczos")
        axes.set_axis_off()
        axes.set_anchor("W")
        lines = [(part, "bold", pictures.INK) for part in textwrap.wrap(sample["question"], 38)]
        if sample["answer"] is not None:
            lines.append((f"Answer: {sample['answer']}", "normal", pictures.INK))
        right = (
            ""
            if sample["answer"] is None
            else " (right)"
            if sample["given"] == sample["answer"]
            else " (wrong)"
        )
        lines.append(
            (
                f"The network: {sample['given']}, {100 * sample['probability']:.0f} %{right}",
                "normal",
                pictures.INK,
            )
        )
        lines.append((sample["file"], "normal", pictures.PALE))
        y = 0.86
        for number, (text, weight, colour) in enumerate(lines):
            y -= 0.05 if number and weight != lines[number - 1][1] else 0.0
            figure.text(0.535, y, text, fontweight=weight, color=colour, va="center")
            y -= 0.095
    return figure
