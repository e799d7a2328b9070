"""How examples a second depend on each size, as a table and as a picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnmn_tf.benchmark.presets import PRESETS
from lnmn_tf.files import write_text

FACTORS = (1, 2, 4)
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")


def measure_growth(
    run_dir: Path, preset: str, choices: Mapping[str, Any], rounds: int
) -> dict[str, dict[str, float]]:
    """Examples trained a second at one, two and four times each size, the others as they are.

    Writes `growth.svg`.

    Returns:
        By the name of the size, {its value: examples a second}.
    """
    from lnmn_tf.benchmark.run import Contest, measure_machine

    base, machine, table = PRESETS[preset], measure_machine(), {}
    whole = Contest(base, "train", choices)

    def rate(sizes, **changed) -> float:
        contest = Contest(sizes, "train", {**choices, **changed})
        return contest.hold(rounds, machine)["ours"]["examples_per_second"]["max"]

    middle = rate(base)
    for name in ("batch_size", "map_dim", "num_steps", "stack_len", "positions", "cells"):
        start = {"batch_size": whole.batch_size, "positions": base.map_shape[0] * base.map_shape[1]}
        start["cells"] = whole.model.attention_3
        value = start.get(name) or getattr(whole.model, name)
        row = {str(value): middle}
        for factor in FACTORS[1:]:
            sizes, changed = base, {}
            if name == "positions":
                height, *rest = base.map_shape
                sizes = dataclasses.replace(base, map_shape=(factor * height, *rest))
            elif name == "cells":
                kinds = ("attention_3", "attention_4", "answer_3", "answer_4")
                changed = {kind: factor * getattr(whole.model, kind) for kind in kinds}
            else:
                changed = {name: factor * value}
            row[str(factor * value)] = rate(sizes, **changed)
        table[name] = row
    write_text(run_dir / "growth.svg", draw(table))
    return table


def draw(table: Mapping[str, Mapping[str, float]]) -> str:
    """Seconds an example against the factor of each size, both logarithmic, as SVG.

    A dashed line is growth in proportion.
    """
    import math

    def place(factor: float, seconds: float) -> str:
        return f"{40 + 120 * math.log2(factor):.1f},{190 - 60 * math.log2(seconds):.1f}"

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="420" height="230" font-family="sans-serif" '
        'font-size="12"><rect width="420" height="230" fill="white"/>',
        f'<polyline points="{place(1, 1)} {place(4, 4)}" stroke="grey" stroke-dasharray="4" '
        'fill="none"/>',
        '<text x="10" y="16">seconds an example, as a multiple (dashed: in proportion)</text>',
    ]
    for factor in FACTORS:
        x, y = place(factor, 1).split(",")
        parts.append(f'<text x="{x}" y="220" text-anchor="middle">{factor}x</text>')
        parts.append(
            f'<text x="8" y="{194 - 60 * math.log2(factor):.1f}">{factor}x</text>'
            f'<line x1="{x}" x2="{x}" y1="{y}" y2="70" stroke="#eee"/>'
        )
    for colour, (name, row) in zip(COLOURS, table.items()):  # noqa: B905 (Python 3.9)
        rates = list(row.values())
        points = " ".join(
            place(factor, max(rates[0] / rate, 0.7))
            for factor, rate in zip(FACTORS, rates)  # noqa: B905
        )
        parts.append(
            f'<polyline points="{points}" stroke="{colour}" fill="none" stroke-width="2"/>'
        )
        y = 60 + 16 * list(table).index(name)
        parts.append(f'<text x="300" y="{y + 20}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])
