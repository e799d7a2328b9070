"""An explained answer as a figure for a slide."""

from __future__ import annotations

import io
import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lnmn_tf.analysis.explain import Explanation

INK, QUIET, LINE, ACCENT, SOFT = "#1c1b29", "#66647a", "#e2dfd8", "#5546d8", "#ebe9fc"
GOOD, BAD = "#17805b", "#b3261e"
WIDTH, DPI = 16.0, 120  # inches; dots an inch
MODULES_SHOWN = 3
# Of the overlay, from the lowest value of a map to its highest: as in page/drawing.js.
COLOURS = [
    (0.0, (0.15, 0.07, 0.33, 0.3)),
    (0.3, (0.54, 0.14, 0.53, 0.5)),
    (0.55, (0.91, 0.31, 0.25, 0.65)),
    (0.8, (0.98, 0.64, 0.22, 0.78)),
    (1.0, (0.99, 0.96, 0.64, 0.9)),
]
CHARACTERS_AN_INCH = 14  # of words
FLAT = 1e-6  # of a map, the share of its largest value that counts as one value everywhere
FORMULA_WIDTH = 44  # characters of a line


def write_picture(path: Path, explanation: Explanation) -> None:
    """Writes `draw` as a PNG, whole."""
    from lnmn_tf.analysis.figures import write_png

    write_png(path, draw(explanation), DPI)


def draw(explanation: Explanation) -> Any:
    """A matplotlib figure: question, picture and answers above, and a column for each step below.

    Each column has the map read and the map left over the picture, the words, the modules, the stack.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = explanation.num_steps
    height, width = explanation.read.shape[1:]
    picture = _picture(explanation, height, width)
    ratio = picture.shape[1] / picture.shape[0]
    columns = max(steps, 4)
    map_height = (WIDTH - 0.8 - 0.18 * (columns - 1)) / columns / ratio
    characters = sum(len(word) + 2 for word in explanation.words)
    lines = math.ceil(characters / (CHARACTERS_AN_INCH * WIDTH / columns))
    rows = [
        2.9,
        0.28,
        map_height,
        map_height,
        0.2 * lines,
        0.95,
        0.17 * _formula_lines(explanation) + 0.01,
        0.42,
    ]
    figure = Figure(figsize=(WIDTH, sum(rows) + 1.15), facecolor="white")
    FigureCanvasAgg(figure)  # measures texts
    grid = figure.add_gridspec(
        len(rows), columns, height_ratios=rows, left=0.025, right=0.985, top=0.985, bottom=0.02,
        hspace=0.14, wspace=0.06,
    )  # fmt: skip
    _head(figure, grid[0, :], explanation, picture, ratio)
    for step in range(steps):
        name, weight = explanation.strongest(step)
        axes = _blank(figure.add_subplot(grid[1, step]))
        axes.text(0, 0.35, f"Step {step + 1}", fontsize=13, weight="bold", color=INK, va="center")
        axes.text(
            1, 0.35, f"{name}  {100 * weight:.0f} %", fontsize=11, color=ACCENT, va="center", ha="right"
        )  # fmt: skip
        for row, (label, map_) in enumerate(
            [("reads", explanation.read[step]), ("leaves", explanation.written[step])]
        ):
            _map(figure.add_subplot(grid[2 + row, step]), picture, map_, label)
        _words(figure.add_subplot(grid[4, step]), explanation, step)
        _modules(figure.add_subplot(grid[5, step]), explanation, step)
        _formula(figure.add_subplot(grid[6, step]), explanation, step)
        _stack(figure, grid[7, step], explanation, step)
    return figure


def _head(figure, place, explanation: Explanation, picture, ratio: float) -> None:
    from matplotlib.gridspec import GridSpecFromSubplotSpec

    shares = [2.9 * ratio, 6.2, 5.0]
    grid = GridSpecFromSubplotSpec(1, 3, place, width_ratios=shares, wspace=0.07)
    axes = figure.add_subplot(grid[0])
    axes.imshow(picture)
    _blank(axes, keep_limits=True)
    axes = _blank(figure.add_subplot(grid[1]))
    question = textwrap.fill(explanation.asked.question, 44)
    axes.text(0, 1, question, fontsize=16, weight="bold", color=INK, va="top")
    lines = question.count("\n") + 1
    answer = axes.text(
        0, 0.9 - 0.125 * lines, explanation.answer, fontsize=26, weight="bold", color=ACCENT, va="top"
    )  # fmt: skip
    if explanation.right is not None:
        said = "✓ right" if explanation.right else f"✗ wrong: it is {explanation.asked.truth}"
        axes.annotate(
            said, (1, 0.3), xycoords=answer, xytext=(12, 0), textcoords="offset points",
            fontsize=13, color=GOOD if explanation.right else BAD, va="bottom",
        )  # fmt: skip
    program = "\n".join(
        textwrap.shorten(line, 66, placeholder=" …") for line in explanation.program()
    )
    axes.text(0, 0, program, fontsize=9.5, family="monospace", color=QUIET, va="bottom")
    axes = figure.add_subplot(grid[2])
    names, shares = zip(*explanation.top())
    truth = explanation.asked.truth
    colours = [
        ACCENT if not truth else GOOD if name == truth else BAD if i == 0 else ACCENT
        for i, name in enumerate(names)
    ]
    _bars(axes, names, shares, colours, 12, 1)


def _map(axes, picture: np.ndarray, attention: np.ndarray, label: str) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    height, width = picture.shape[:2]
    grey = np.clip(0.92 * (0.4 * picture.mean(axis=-1, keepdims=True) + 0.6 * picture), 0, 1)
    axes.imshow(grey, extent=(0, width, height, 0))
    colours = LinearSegmentedColormap.from_list("attention", COLOURS)
    axes.imshow(
        _smooth(colours(_share(attention)), 320, width / height), extent=(0, width, height, 0)
    )
    box = {"facecolor": "#13121c", "alpha": 0.75, "edgecolor": "none", "boxstyle": "round,pad=0.25"}
    said = {"color": "white", "va": "top", "transform": axes.transAxes, "bbox": box}
    axes.text(0.025, 0.955, label, fontsize=9, **said)
    extent = _range(float(attention.min()), float(attention.max()))
    axes.text(0.975, 0.955, extent, fontsize=8, ha="right", **said)
    _blank(axes, keep_limits=True)


def _share(attention: np.ndarray) -> np.ndarray:
    """From 0 at the lowest value of a map to 1 at its highest; 0 where it has one value everywhere."""
    low, high = attention.min(), attention.max()
    return (attention - low) / (high - low) if high - low > FLAT * abs(high) else 0.0 * attention


def _smooth(rgba: np.ndarray, width: int, ratio: float) -> np.ndarray:
    """Colours [rows, columns, 4] as a picture that is so wide, as a browser would scale them."""
    small = Image.fromarray((255 * rgba).round().astype(np.uint8), "RGBA")
    return np.asarray(small.resize((width, round(width / ratio)), Image.Resampling.BILINEAR))


def _words(axes, explanation: Explanation, step: int) -> None:
    """The question, each word shaded by its attention, in lines."""
    _blank(axes)
    renderer = axes.figure.canvas.get_renderer()
    box = axes.get_window_extent(renderer)
    x, y, line_height = 0.0, 0.97, 0.19 * axes.figure.dpi / box.height
    attention = explanation.word_attention[step]
    for word, share in zip(explanation.words, attention):
        strength = float(np.sqrt(np.clip(share, 0, 1)))
        text = axes.text(
            x, y, word, fontsize=9, va="top", color="white" if strength > 0.55 else INK,
            bbox={"facecolor": ACCENT, "alpha": strength, "edgecolor": "none", "pad": 1.4},
        )  # fmt: skip
        width = text.get_window_extent(renderer).width / box.width
        if x and x + width > 1.0:
            x, y = 0.0, y - line_height
            text.set_position((x, y))
        x += width + 0.025


def _modules(axes, explanation: Explanation, step: int) -> None:
    weights = explanation.module_weights[step]
    order = np.argsort(-weights, kind="stable")[:MODULES_SHOWN]
    names = [explanation.module_names[i] for i in order]
    _bars(axes, names, weights[order], [ACCENT] * len(order), 9.5, 0)


def _wrapped_formula(explanation: Explanation, step: int) -> list[str]:
    """That of the step's strongest module, in lines; none where it has no formula."""
    formula = explanation.formulas.get(explanation.strongest(step)[0], "")
    return textwrap.wrap(formula, FORMULA_WIDTH, max_lines=3, placeholder=" …")


def _formula_lines(explanation: Explanation) -> int:
    return max(len(_wrapped_formula(explanation, step)) for step in range(explanation.num_steps))


def _formula(axes, explanation: Explanation, step: int) -> None:
    _blank(axes)
    text = "\n".join(_wrapped_formula(explanation, step))
    axes.text(0, 1.0, text, fontsize=8, color=QUIET, va="top")


def _stack(figure, place, explanation: Explanation, step: int) -> None:
    """Slots as small maps, each over the share of the pointer."""
    from matplotlib import colormaps

    slots = explanation.pointer.shape[1]
    axes = _blank(figure.add_subplot(place))
    axes.set_xlim(0, slots)
    axes.set_ylim(0, 1)
    for slot in range(slots):
        rgba = colormaps["inferno"](_share(explanation.stack[step, ..., slot]))
        axes.imshow(
            _smooth(rgba, 96, 1.5), aspect="auto", extent=(slot + 0.03, slot + 0.97, 0.24, 1.0)
        )
        share = float(explanation.pointer[step, slot])
        axes.barh([0.1], [0.94], 0.13, slot + 0.03, color=SOFT)
        axes.barh([0.1], [0.94 * share], 0.13, slot + 0.03, color=ACCENT)
    axes.set_xlim(0, slots)
    axes.set_ylim(0, 1)


def _bars(axes, names, shares, colours, size: float, digits: int) -> None:
    axes.set_axis_off()
    rows = np.arange(len(names))[::-1]
    axes.barh(rows, np.ones(len(names)), 0.42, color=SOFT)
    axes.barh(rows, np.clip(shares, 0, 1), 0.42, color=colours)
    for row, name, share in zip(rows, names, shares):
        axes.text(-0.03, row, name, fontsize=size, ha="right", va="center", color=INK)
        axes.text(1.03, row, f"{100 * share:.{digits}f} %", fontsize=size, va="center", color=QUIET)
    axes.set_xlim(-0.68, 1.32)
    axes.set_ylim(-0.6, len(names) - 0.4)


def _blank(axes, keep_limits: bool = False):
    axes.set_axis_off()
    if not keep_limits:
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
    return axes


def _range(low: float, high: float) -> str:
    def text(x: float) -> str:
        return "0" if abs(x) < 5e-3 * abs(high) else f"{x:.1g}" if abs(x) < 1e-3 else f"{x:.2g}"

    flat = high - low <= FLAT * abs(high)
    return f"{text(high)} everywhere" if flat else f"{text(low)} to {text(high)}"


def _picture(explanation: Explanation, height: int, width: int) -> np.ndarray:
    """The picture in [0, 1], [rows, columns, 3]; grey where there is none."""
    if explanation.asked.picture is None:
        return np.full([height * 32, width * 32, 3], 0.62)
    picture = Image.open(io.BytesIO(explanation.asked.picture)).convert("RGB")
    return np.asarray(picture, np.float32) / 255.0
