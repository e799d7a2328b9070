"""The picture of `--what=growth`: a panel for each size, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping

COLUMNS, WIDTH, HEIGHT = 3, 190, 168  # panels in a row; size of a panel with its margins
LEFT, TOP, RIGHT, BOTTOM = 34, 30, 14, 26  # margins of a panel
LOWEST, HIGHEST = 0.5, 4.0  # seconds an example, as multiples of the first
LINE, WORSE, GREY = "#1f5fa8", "#fbe3e0", "#777"


def draw(table: Mapping[str, Mapping]) -> str:
    """Seconds an example against each size, both logarithmic, with examples a second at each point.

    A dashed line is growth in proportion; above it the ground is red.

    Args:
        table: by size, its `title`, `values` and `examples_per_second`.
    """
    rows = -(-len(table) // COLUMNS)
    width, height = COLUMNS * WIDTH, rows * HEIGHT + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="Helvetica, Arial, sans-serif" font-size="10" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(
            8, 16, "Time of training an example, as a multiple; at each point, examples/s", size=12
        ),
        _text(8, 30, "dashed: in proportion to the size; red: worse", colour=GREY),
    ]
    for index, row in enumerate(table.values()):
        x, y = index % COLUMNS * WIDTH, 34 + index // COLUMNS * HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_panel(row), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _panel(row: Mapping) -> list[str]:
    """One size: axes, the line of proportion, and what was measured."""
    values, rates = row["values"], row["examples_per_second"]
    first, last = values[0], values[-1]

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / first) / math.log(last / first)

    def up(multiple: float) -> float:
        share = math.log(max(multiple, LOWEST) / LOWEST) / math.log(HIGHEST / LOWEST)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    corners = [(first, 1.0), (last, last / first), (first, last / first)]
    triangle = " ".join(f"{across(value):.1f},{up(multiple):.1f}" for value, multiple in corners)
    parts = [
        _text(LEFT, TOP - 10, row["title"], size=12, weight="bold"),
        f'<polygon points="{triangle}" fill="{WORSE}"/>',
    ]
    multiple = LOWEST
    while multiple <= HIGHEST:
        y = up(multiple)
        parts.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd" stroke-width="0.5"/>'
        )
        parts.append(_text(LEFT - 5, y + 3, f"{multiple:g}x", "end", colour=GREY))
        multiple *= 2
    parts.append(
        f'<path d="M{across(first):.1f} {up(1.0):.1f}L{across(last):.1f} {up(last / first):.1f}" '
        f'stroke="{GREY}" stroke-dasharray="4 3"/>'
    )
    points = []
    for value, rate in zip(values, rates):
        x, y = across(value), up(rates[0] / rate)
        points.append(f"{x:.1f},{y:.1f}")
        label = f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{LINE}"/>')
        if value == last:  # the line comes from below, so there is room above
            parts.append(_text(x, y - 7, label, "end"))
        else:
            parts.append(_text(x + 4, y + 13, label))
        parts.append(_text(x, HEIGHT - BOTTOM + 14, str(value), "middle", colour=GREY))
    line = " ".join(points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    return parts


def _text(x, y, content, anchor="start", colour="#222", size=10, weight="normal") -> str:
    style = {"text-anchor": anchor, "fill": colour, "font-size": size, "font-weight": weight}
    inherited = {"text-anchor": "start", "fill": "#222", "font-size": 10, "font-weight": "normal"}
    own = "".join(f' {key}="{style[key]}"' for key in style if style[key] != inherited[key])
    return f'<text x="{x:.1f}" y="{y:.1f}"{own}>{content}</text>'
