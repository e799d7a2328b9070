"""Whether the memory is used: how high the pointer rises, and what is lost with a stack of one slot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import Probe, with_stack_len
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.analysis.sweep import Variant, sweep

BINS = 20  # of the histogram of heights
_QUESTIONS_PER_PART = 4096


def height(pointer: np.ndarray) -> np.ndarray:
    """The slot that a pointer [..., stack_len] points at, as an expected value; 0 is the bottom."""
    return pointer @ np.arange(pointer.shape[-1])


def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """sum |a1 - a2| / sum (|a1| + |a2|) over the last axis, in [0, 1].

    0 where the two maps are the same, 1 where nothing that one shows is shown by the other. For
    probabilities that is Bray and Curtis's measure.
    """
    apart = np.abs(first - second).sum(axis=-1)
    return apart / np.maximum((np.abs(first) + np.abs(second)).sum(axis=-1), 1e-12)


def trace_stack(subject: Subject, ledger: Ledger | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(height after each step, [N, steps]; difference of the two maps before it, [N, steps]).

    At the first step every slot holds the same.
    """
    ledger = ledger or Ledger()
    probe = subject.probe
    traced = tf.function(lambda inputs: _pointer_and_maps(probe, inputs), autograph=False)

    def compute(indices) -> dict[str, np.ndarray]:
        found = []
        for batch in subject.batches(indices):
            pointer, stack = (x.numpy()[: batch.real] for x in traced(batch.inputs))
            before, held = pointer[:, :-1], stack[:, :-1]
            maps = [np.einsum("btpl,btl->btp", held, p) for p in (before, probe.below(before))]
            first, second = (probe.show(tf.constant(x)).numpy() for x in maps)
            apart = np.zeros(pointer.shape[:2], np.float32)
            apart[:, 1:] = difference(first, second)
            found.append((height(pointer), apart))
        heights, apart = (np.concatenate(x) for x in zip(*found))
        return {"heights": heights, "difference": apart}

    parts, done = [], 0
    for name, indices in subject.chunks(_QUESTIONS_PER_PART):
        done += len(indices)
        text = f"stack of {done} of {len(subject.questions)} questions"
        parts.append(ledger.part(f"stack_{name}", lambda i=indices: compute(i), text))
    return tuple(np.concatenate([part[k] for part in parts]) for k in ("heights", "difference"))


def _pointer_and_maps(probe: Probe, inputs) -> tuple[tf.Tensor, tf.Tensor]:
    """[batch, steps, stack_len] and [batch, steps, positions, stack_len]."""
    trace = probe.trace(inputs)[1]
    shape = tf.shape(trace.stack)
    return trace.pointer, tf.reshape(trace.stack, [shape[0], shape[1], -1, shape[4]])


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Heights, differences and accuracies, as JSON."""
    subject.need_answers("stack")
    heights, apart = trace_stack(subject, ledger)
    highest = heights.max(axis=1)
    top = subject.probe.stack_len - 1
    questions = subject.questions
    families = questions.families
    groups = {"overall": np.ones(len(questions), bool)} | {
        name: families == questions.family_names.index(name) for name in subject.families
    }
    edges = np.linspace(0, max(top, 1), BINS + 1)
    one = Subject(
        Probe(with_stack_len(subject.probe.network, 1)),
        subject.examples,
        subject.vocabulary,
        subject.split,
    )
    accuracy = {
        "as it is": sweep(subject, {"soft": Variant()}, ledger.below("as_it_is")).accuracy("soft"),
        "one slot": sweep(one, {"soft": Variant()}, ledger.below("one_slot")).accuracy("soft"),
    }
    return {
        "stack_len": top + 1,
        "families": {
            name: {
                "questions": int(group.sum()),
                "highest_mean": highest[group].mean(),
                "highest_largest": highest[group].max(),
                "height_by_step": heights[group].mean(axis=0),
                "difference_by_step": apart[group].mean(axis=0),
                "histogram": np.histogram(highest[group], edges)[0],
            }
            for name, group in groups.items()
        },
        "edges": edges,
        "accuracy": accuracy,
    }


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each family."""
    table = []
    for name, group in result["families"].items():
        row = {"family": name, "questions": group["questions"]}
        row |= {"highest_mean": group["highest_mean"], "highest_largest": group["highest_largest"]}
        for key in ("height", "difference"):
            for step, value in enumerate(group[f"{key}_by_step"]):
                row[f"{key}_{step + 1}"] = value
        for key, accuracy in result["accuracy"].items():
            row[f"accuracy, {key}"] = 100 * accuracy[name]
        table.append(row)
    return table


def summary(result: Mapping[str, Any]) -> str:
    """How the memory is used, by family."""
    lines = [f"a stack of {result['stack_len']} slots; 0 is the bottom"]
    for row in rows(result):
        largest = max(v for k, v in row.items() if k.startswith("difference_"))
        lines.append(
            f"{row['family']:18} pointer rises to {row['highest_mean']:.2f} on average, "
            f"{row['highest_largest']:.2f} at most; a1 and a2 differ by {largest:.2f} of 1; accuracy "
            f"{row['accuracy, as it is']:.1f}, with one slot {row['accuracy, one slot']:.1f}"
        )
    return "\n".join(lines)


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"": heights and differences over steps, and accuracies}."""
    from lnmn_tf.analysis import pictures

    families = list(result["families"])
    with pictures.style():
        figure = pictures.figure(7.6, 2.75)
        left, middle, right = figure.subplots(1, 3, gridspec_kw={"width_ratios": [1, 1, 1.1]})
        for axes, key, label in (
            (left, "height_by_step", "expected slot after the step, mean"),
            (middle, "difference_by_step", "difference of $a_1$ and $a_2$, mean"),
        ):
            for index, family in enumerate(families):
                values = np.asarray(result["families"][family][key])
                overall = family == "overall"
                axes.plot(
                    np.arange(1, len(values) + 1),
                    values,
                    color=pictures.INK if overall else pictures.COLOURS[(index - 1) % 6],
                    linewidth=2.0 if overall else 1.1,
                    linestyle="-" if overall else pictures.LINES[index % 4],
                    marker=None if overall else pictures.MARKERS[(index - 1) % 8],
                    markersize=4,
                    label=pictures.nice(family),
                )
            axes.set(xlabel="step", ylabel=label, xticks=range(1, len(values) + 1))
            axes.grid(axis="y")
        left.set_ylim(-0.05, max(result["stack_len"] - 1, 1) + 0.05)
        left.set_yticks(range(result["stack_len"]))
        left.set_title("height of the pointer")
        middle.set_ylim(-0.03, 1.03)
        middle.set_title("two maps, or one twice")
        places = np.arange(len(families))
        for offset, (name, accuracy), colour in zip(
            (0.19, -0.19), result["accuracy"].items(), ("#08519c", "#c6dbef")
        ):
            bars = right.barh(
                places - offset,
                [100 * accuracy[family] for family in families],
                0.34,
                color=colour,
                edgecolor=pictures.INK,
                linewidth=0.5,
                label=f"{result['stack_len']} slots" if name == "as it is" else name,
            )
            right.bar_label(bars, fmt="%.1f", fontsize=6, padding=2)
        right.set_yticks(places, [pictures.nice(family) for family in families])
        right.invert_yaxis()
        right.tick_params(axis="y", length=0)
        right.set(xlim=(0, 116), xticks=range(0, 101, 25), xlabel="accuracy, %")
        right.set_title("what the slots are worth")
        handles, labels = left.get_legend_handles_labels()
        more, names = right.get_legend_handles_labels()
        figure.legend(handles + more, labels + names, loc="outside lower center", ncols=4)
    return {"": figure}
