"""What a soft choice is worth: one operator in each node, one module at each step (Table 2, row 2).

Once as the network is, and once after its weights were trained on under these choices (`retraining`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import Probe, Weights
from lnmn_tf.analysis.retraining import STEPS, retrained
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.analysis.sweep import Variant, sweep
from lnmn_tf.models.genotype import one_hot, strongest

SOFT, OPERATORS, MODULES, BOTH = "soft", "hard operators", "hard modules", "both hard"
AFTER = "after retraining"


def hard_operators(probe: Probe) -> Weights:
    """alpha' with the strongest operator of each node alone."""
    return {name: one_hot(operators) for name, operators in strongest(probe.mixtures).items()}


def hard_layout(weights: np.ndarray, positions: np.ndarray | None = None) -> np.ndarray:
    """The strongest module of each step alone, [batch, steps, modules]."""
    return np.eye(weights.shape[-1], dtype=weights.dtype)[np.argmax(weights, axis=-1)]


def variants(probe: Probe) -> dict[str, Variant]:
    """The four networks that are compared; those of operators only where there are nodes."""
    chosen = {SOFT: Variant(), MODULES: Variant(layout=hard_layout)}
    if probe.has_nodes:
        operators = hard_operators(probe)
        chosen |= {OPERATORS: Variant(operators), BOTH: Variant(operators, hard_layout)}
    return {name: chosen[name] for name in (SOFT, OPERATORS, MODULES, BOTH) if name in chosen}


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracies of each, now and after retraining, as JSON.

    `options["retrain_steps"]` says how long, 0 = not at all; `options["retrained"]` is another run to be
    measured in its place.
    """
    subject.need_answers("hardmax")
    result = {"now": _accuracies(subject, ledger)}
    after, below = options.get("retrained"), options.get("retrained_ledger")
    if after is None:
        steps = options.get("retrain_steps", STEPS)
        below = ledger.below(f"retrained_{steps}")
        found = retrained(subject, steps, below)
        after = found and found[0]
    if after is not None:
        result[AFTER] = _accuracies(after, below)
    return result


def _accuracies(subject: Subject, ledger: Ledger | None) -> dict[str, dict[str, float]]:
    chosen = variants(subject.probe)
    tally = sweep(subject, chosen, ledger)
    return {
        name: {**tally.accuracy(name), "answers changed": tally.share_changed(name)}
        for name in chosen
    }


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """In percent, a row for each network."""
    return [
        {"when": when, "network": name, **{k: 100 * v for k, v in accuracies.items()}}
        for when, networks in result.items()
        for name, accuracies in networks.items()
    ]


def summary(result: Mapping[str, Any]) -> str:
    """The table."""
    table = rows(result)
    columns = list(table[0])[2:]
    lines = [" " * 34 + "".join(f"  {name}" for name in columns)]
    for row in table:
        label = f"{row['network']} ({row['when']})"
        lines.append(label.ljust(34) + "".join(f"  {row[name]:{len(name)}.1f}" for name in columns))
    return "\n".join(lines)


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"": accuracies by family, a bar for each network}."""
    from lnmn_tf.analysis import pictures

    table = rows(result)
    families = [name for name in list(table[0])[2:] if name != "answers changed"]
    with pictures.style():
        figure = pictures.figure(7.2, 2.7)
        axes = figure.subplots()
        width = 0.8 / len(table)
        for index, row in enumerate(table):
            places = np.arange(len(families)) + (index - (len(table) - 1) / 2) * width
            later = row["when"] == AFTER
            bars = axes.bar(
                places,
                [row.get(name, np.nan) for name in families],
                width * 0.92,
                color=_SHADES[row["network"]],
                edgecolor=pictures.INK,
                linewidth=0.5,
                hatch="////" if later else None,
                label=row["network"] + (f", {AFTER}" if later else ""),
            )
            axes.bar_label(bars, fmt="%.0f", fontsize=5.8, padding=2, rotation=90)
        axes.set_xticks(range(len(families)), [pictures.nice(name) for name in families])
        axes.set(ylim=(0, 116), yticks=range(0, 101, 20), ylabel="accuracy, %")
        axes.tick_params(axis="x", length=0)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper left", ncols=min(len(table), 4))
    return {"": figure}


_SHADES = {SOFT: "#f2f2f2", OPERATORS: "#9ecae1", MODULES: "#E69F00", BOTH: "#08519c"}
