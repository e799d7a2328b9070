"""Texts of TensorBoard, the table that compares runs, and the charts it opens on."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalars
from tensorboard.plugins.hparams import api as hp
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import summary as hparams_summary

from lnmn_tf.config import RunConfig
from lnmn_tf.config.flags import fields_given
from lnmn_tf.layers.operators import OPERATORS

# Hyperparameters of the HParams table, beside the flags that were given.
COMPARED = (
    "model", "seed", "learning_rate", "structure_learning_rate", "sparsity", "epochs",
    "num_steps", "stack_len", "map_dim", "attention_3", "attention_4", "answer_3", "answer_4",
)  # fmt: skip
NOT_COMPARED = (
    *("data_dir", "export", "generate", "workers", "features", "baselines"),
    *("encoder_run", "num_seeds"),
)
# Charts of the custom scalars: by category, title and the tags that it draws.
CHARTS = {
    "What matters": {
        "Accuracy": [r"accuracy/.*"],
        "Held-out accuracy by family": [r"held_out_accuracy/.*"],
        "Cross-entropy in nats: weights, structure": [r"loss/(structure_)?cross_entropy"],
    },
    "Structure and layout": {
        "Entropy of alpha' in nats, mean over nodes": [r"structure_entropy/.*"],
        "Largest alpha', mean over nodes": [r"structure_top_weight/.*"],
        "Module entropy in nats, and its weight lambda_w": [r"layout/.*"],
    },
    "Optimizers": {
        "Learning rates": [r"optimizer/(structure_)?learning_rate"],
        "Gradient norms": [r"optimizer/(structure_)?gradient_norm"],
        "Examples a second": [r"speed/.*"],
    },
}


def write_head(config: RunConfig, flags: str, ledger: Mapping[str, str] | None) -> None:
    """Writes, with the current writer, what stands fast as a run begins."""
    tf.summary.text("run/card", run_card(config, flags))
    if ledger:
        tf.summary.text("run/supervision", table(("part", "learns from"), ledger.items()))
    # Without a list of hyperparameters and metrics TensorBoard makes its own, in which those come first
    # that differ between runs, and the accuracies.
    hp.hparams(hparams(config, flags))
    _write_summary(custom_scalars.pb(layout()))


def write_end() -> None:
    """Writes, with the current writer, that the run is finished."""
    _write_summary(hparams_summary.session_end_pb(api_pb2.STATUS_SUCCESS, time.time()))


def hparams(config: RunConfig, flags: str) -> dict[str, bool | int | float | str]:
    """What runs of a sweep are compared by."""
    values = {
        field.name: getattr(section, field.name)
        for section in (getattr(config, part.name) for part in dataclasses.fields(config))
        for field in dataclasses.fields(section)
    }
    names = dict.fromkeys([*COMPARED, *fields_given(flags)])
    chosen = {n: values[n] for n in names if n in values and n not in NOT_COMPARED}
    return {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in chosen.items()
    }


def run_card(config: RunConfig, flags: str) -> str:
    """The config, section by section, and the flags, as Markdown."""
    parts = []
    for part in dataclasses.fields(config):
        section = getattr(config, part.name)
        rows = [
            (field.name, f"**{value}**" if value != field.default else value)
            for field in dataclasses.fields(section)
            for value in [getattr(section, field.name)]
        ]
        parts.append(f"### {part.name}\n\n{table(('field', 'value'), rows)}")
    head = "What is not as by default is in bold.\n\n"
    return head + "### flags\n\n```\n" + flags + "```\n\n" + "\n\n".join(parts)


def genotype(mixtures: Mapping[str, np.ndarray]) -> str:
    """The strongest operator of each node with its weight, as Markdown.

    Args:
        mixtures: alpha' of each cell by name, [nodes, 6].
    """
    most = max(len(mixture) for mixture in mixtures.values())
    rows = [
        [name, *(f"{OPERATORS[row.argmax()]} {row.max():.2f}" for row in mixture)]
        + [""] * (most - len(mixture))
        for name, mixture in mixtures.items()
    ]
    return table(("cell", *(f"node {k + 1}" for k in range(most))), rows)


def table(head, rows) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(x).replace("|", "\\|") for x in r) + " |" for r in lines)


def layout() -> layout_pb2.Layout:
    """The charts of the custom scalars."""
    return layout_pb2.Layout(
        category=[
            layout_pb2.Category(
                title=category,
                chart=[
                    layout_pb2.Chart(
                        title=title, multiline=layout_pb2.MultilineChartContent(tag=tags)
                    )
                    for title, tags in charts.items()
                ],
            )
            for category, charts in CHARTS.items()
        ]
    )


def _write_summary(summary) -> None:
    tf.summary.experimental.write_raw_pb(summary.SerializeToString())
