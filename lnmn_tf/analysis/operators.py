"""What is lost without an operator, and without a module (paper, section 4.4, Table 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import OPERATORS, Probe
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.analysis.sweep import Variant, sweep

ORIGINAL = "as it is"


def without_operator(probe: Probe, operator: str) -> Variant:
    """An operator weighs nothing in all nodes; the others' weights stay as they are (Table 7)."""
    kept = np.array([name != operator for name in OPERATORS], np.float32)
    return Variant({name: mixture * kept for name, mixture in probe.mixtures.items()})


def without_module(probe: Probe, module: str) -> Variant:
    """A module never runs: its weight goes to NoOp."""
    index, no_op = probe.module_names.index(module), probe.no_op()

    def layout(weights: np.ndarray, positions: np.ndarray) -> np.ndarray:
        weights = weights.copy()
        weights[..., no_op] += weights[..., index]
        weights[..., index] = 0.0
        return weights

    return Variant(layout=layout)


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Table 7, the same for modules, and each operator of each node by itself, as JSON."""
    subject.need_answers("operators")
    probe = subject.probe
    variants = {ORIGINAL: Variant()}
    cells = probe.cells if probe.has_nodes else []
    if cells:
        variants |= {name: without_operator(probe, name) for name in OPERATORS}
    modules = [name for name in probe.module_names if name != "no_op"]
    variants |= {f"module {name}": without_module(probe, name) for name in modules}
    mixtures = probe.mixtures if cells else {}
    single = [
        (cell.name, node, k)
        for cell in cells
        for node in range(cell.nodes)
        for k in range(len(OPERATORS))
    ]
    for name, node, k in single:
        weights = mixtures[name].copy()
        weights[node, k] = 0.0
        variants[f"{name}/{node}/{OPERATORS[k]}"] = Variant({name: weights})
    tally = sweep(subject, variants, ledger)
    before = tally.mean_probability(ORIGINAL)["overall"]
    importance = [
        {
            "cell": name,
            "node": node + 1,
            "operator": OPERATORS[k],
            "weight": float(mixtures[name][node, k]),
            "loss": before - tally.mean_probability(f"{name}/{node}/{OPERATORS[k]}")["overall"],
            "answers_changed": tally.share_changed(f"{name}/{node}/{OPERATORS[k]}"),
        }
        for name, node, k in single
    ]
    return {
        "families": list(tally.accuracy(ORIGINAL)),
        "original": tally.accuracy(ORIGINAL),
        "operators": {name: tally.accuracy(name) for name in OPERATORS} if cells else {},
        "modules": {name: tally.accuracy(f"module {name}") for name in modules},
        "importance": importance,
        "rank_correlation": rank_correlation(
            [row["weight"] for row in importance], [row["loss"] for row in importance]
        ),
    }


def rank_correlation(first, second) -> float | None:
    """Spearman's, with mean ranks for equal values; None where one of them does not vary."""
    if len(first) < 2:
        return None
    ranks = [_ranks(np.asarray(values, float)) for values in (first, second)]
    if min(np.std(values) for values in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Table 7 in percent: without each operator, without each module, and as it is."""
    entries = [("operator", result["operators"]), ("module", result["modules"])]
    table = [
        {"without": what, "name": name, **_percent(accuracy)}
        for what, accuracies in entries
        for name, accuracy in accuracies.items()
    ]
    return [*table, {"without": "", "name": ORIGINAL, **_percent(result["original"])}]


def _percent(accuracy: Mapping[str, float]) -> dict[str, float]:
    return {name: 100 * value for name, value in accuracy.items()}


def summary(result: Mapping[str, Any]) -> str:
    """Table 7."""
    names = result["families"]
    table = rows(result)
    width = max(len(row["name"]) for row in table) + 8
    lines = [" " * width + "".join(f"  {name}" for name in names)]
    for row in table:
        label = f"without {row['name']}" if row["without"] else row["name"]
        lines.append(
            label.ljust(width) + "".join(f"  {row[name]:{len(name)}.1f}" for name in names)
        )
    if result["rank_correlation"] is not None:
        lines.append(
            "rank correlation of an operator's weight in a node and what is lost without it there: "
            f"{result['rank_correlation']:.2f}"
        )
    return "\n".join(lines)


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"": Table 7 as shades, and weights against losses}."""
    from lnmn_tf.analysis import pictures

    parts = [part for part in ("operators", "modules") if result[part]]
    scatter = bool(result["importance"])
    families = result["families"]
    heights = [0.24 * (len(result[part]) + 1) + 0.5 for part in parts]
    with pictures.style():
        figure = pictures.figure(7.4 if scatter else 4.6, max(sum(heights) + 0.6, 3.2))
        grid = figure.add_gridspec(
            len(parts),
            2 if scatter else 1,
            height_ratios=heights,
            **({"width_ratios": [1.25, 1]} if scatter else {}),
        )
        for line, part in enumerate(parts):
            axes = figure.add_subplot(grid[line, 0])
            accuracies = [*result[part].values(), result["original"]]
            values = np.array(
                [[100 * row.get(name, np.nan) for name in families] for row in accuracies]
            )
            labels = [pictures.nice(name) for name in families]
            last = part == parts[-1]
            pictures.heat_map(
                axes,
                values,
                [*result[part], ORIGINAL],
                labels if last else [""] * len(labels),
                high=100.0,
                write="{:.1f}",
            )
            axes.axhline(len(values) - 1.5, color=pictures.PALE, linewidth=0.8)
            axes.set_title(f"accuracy without one {part[:-1]}, %")
        if scatter:
            _scatter(figure.add_subplot(grid[:, 1]), result["importance"], result)
    return {"": figure}


def _scatter(axes, importance, result) -> None:
    from lnmn_tf.analysis import pictures

    for index, operator in enumerate(OPERATORS):
        points = [row for row in importance if row["operator"] == operator]
        axes.plot(
            [row["weight"] for row in points],
            [row["loss"] for row in points],
            linestyle="",
            marker=pictures.MARKERS[index],
            color=pictures.COLOURS[index],
            markersize=5,
            markeredgecolor="white",
            markeredgewidth=0.4,
            label=operator,
        )
    axes.axhline(0, color=pictures.PALE, linewidth=0.6)
    axes.set_xlabel("weight of the operator in a node, α′")
    axes.set_ylabel("loss of the right answer's probability\nwithout it there, mean")
    correlation = result["rank_correlation"]
    axes.set_title(
        "each node" if correlation is None else f"each node: rank correlation {correlation:.2f}"
    )
    axes.grid()
    axes.legend(loc="best", frameon=True, framealpha=0.9, edgecolor="none")
