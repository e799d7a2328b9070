"""Learning curves: mean and spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lnmn_tf.analysis.run_results import Group

# Okabe and Ito's colours, and dashes, so that curves differ without colour as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = ("-", "--", "-.", ":")
INK = "#1b1c1d"  # stands for the page's own colour of text
POINTS = 200
PANELS = (("held_out", "Held-out accuracy in percent"), ("loss", "Training cross-entropy in nats"))


def curve(group: Group, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(questions trained on, mean, deviation) over the seeds, at the same places for all.

    Seeds are compared as far as the shortest goes. None where no run has such points.
    """
    runs = [np.array(run.curves[name], float) for run in group.runs if run.curves[name]]
    if not runs:
        return None
    start, end = max(r[0, 0] for r in runs), min(r[-1, 0] for r in runs)
    places = np.unique(np.concatenate([r[:, 0] for r in runs]))
    places = places[(places >= start) & (places <= end)]
    if len(places) > POINTS:
        places = np.linspace(places[0], places[-1], POINTS)
    values = np.stack([np.interp(places, r[:, 0], r[:, 1]) for r in runs])
    deviation = values.std(axis=0, ddof=1) if len(runs) > 1 else np.zeros(len(places))
    return places, values.mean(axis=0), deviation


def without_pictures(groups: Sequence[Group]) -> list[float]:
    """What question-only LSTMs answer, in percent of the reported questions; each number once."""
    tables = [run.metrics.get("baselines", {}) for group in groups for run in group.runs]
    found = [table["question_only_lstm"]["accuracy"] for table in tables if table]
    return sorted({round(100 * accuracy, 1) for accuracy in found})


def draw(groups: Sequence[Group]) -> Any:
    """A matplotlib figure with a panel for held-out accuracy and one for the loss; None without points.

    A dotted line in the first is what the questions alone tell of the reported split, where runs have that baseline.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    curves = {name: [curve(group, name) for group in groups] for name, _ in PANELS}
    if not any(c is not None for panel in curves.values() for c in panel):
        return None
    longest = max(c[0][-1] for panel in curves.values() for c in panel if c is not None)
    unit, scale = ("millions", 1e6) if longest >= 1e6 else ("thousands", 1e3)
    colours = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    with rc_context(dict.fromkeys(colours, INK) | {"font.size": 10}):
        figure = Figure(figsize=(11, 4), layout="constrained")
        for (name, title), axes in zip(PANELS, figure.subplots(1, 2)):
            for index, (group, points) in enumerate(zip(groups, curves[name])):
                if points is None:
                    continue
                places, mean, deviation = points
                colour = COLOURS[index % len(COLOURS)]
                seeds = len(group.runs)
                label = group.name + (f" (mean ± deviation, {seeds} seeds)" if seeds > 1 else "")
                style = {"color": colour, "linestyle": DASHES[index % len(DASHES)]}
                marker = "o" if len(places) < 30 else ""
                axes.plot(places / scale, mean, label=label, marker=marker, markersize=3, **style)
                axes.fill_between(
                    places / scale,
                    mean - deviation,
                    mean + deviation,
                    color=colour,
                    alpha=0.18,
                    lw=0,
                )
            axes.set_xlabel(f"Training questions, in {unit}")
            axes.set_ylabel(title)
            axes.grid(alpha=0.25, color=INK, lw=0.5)
            axes.spines[["top", "right"]].set_visible(False)
        for accuracy in without_pictures(groups):
            label = f"question-only LSTM, {accuracy} of the reported split"
            figure.axes[0].axhline(accuracy, color=INK, linestyle=":", lw=1, label=label)
        figure.axes[0].legend(frameon=False, fontsize=9)
    return figure


def as_svg(figure) -> str:
    """The figure for a page, whose colour of text it takes on light and dark ground."""
    import io

    from matplotlib import rc_context

    stream = io.StringIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "lnmn_tf"}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")
