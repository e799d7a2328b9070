"""The learned structure: alpha' of each node, how decided it is, and which nodes matter.

Paper, section 4.3 and Figures 3, 8 and 9.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lnmn_tf.analysis import history
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import OPERATORS, Cell, softmax
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.analysis.sweep import Variant, sweep
from lnmn_tf.models.genotype import genotype_text, strongest

SAMPLE = 1024  # questions that say whether a node is live


def node_entropy(mixture: np.ndarray) -> np.ndarray:
    """H(alpha') of each node in bits, [...], for alpha' [..., 6]; at most log2(6) = 2.58."""
    safe = np.where(mixture > 0, mixture, 1.0)
    return -np.sum(mixture * np.log2(safe), axis=-1)


def live_nodes(
    subject: Subject, sample: int = SAMPLE, ledger: Ledger | None = None
) -> dict[str, np.ndarray]:
    """Share of the answers that change when the operator of a node is another one.

    Each node in turn is its strongest operator alone, then each of the five others alone, while all
    other nodes are as they were learned. A node is live where some answer changes.

    Args:
        subject: the network and the questions.
        sample: how many of these, evenly spread.
        ledger: keeps what is done.

    Returns:
        For each cell the largest share over the five others, [nodes], in [0, 1].
    """
    cells, mixtures = subject.probe.cells, subject.probe.mixtures
    variants: dict[str, Variant] = {}
    for cell in cells:
        for node in range(cell.nodes):
            mixture = mixtures[cell.name]
            best = int(np.argmax(mixture[node]))
            reference = len(variants)
            order = [best, *(k for k in range(len(OPERATORS)) if k != best)]
            for operator in order:
                changed = mixture.copy()
                changed[node] = np.eye(len(OPERATORS))[operator]
                variants[f"{cell.name}/{node}/{OPERATORS[operator]}"] = Variant(
                    {cell.name: changed}, against=reference
                )
    count = len(subject.questions)
    indices = np.unique(np.linspace(0, count - 1, min(sample, count)).astype(int))
    tally = sweep(subject, variants, ledger, indices)
    return {
        cell.name: np.array(
            [
                max(tally.share_changed(f"{cell.name}/{node}/{name}") for name in OPERATORS)
                for node in range(cell.nodes)
            ]
        )
        for cell in cells
    }


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Everything about the structure, as JSON; see the module."""
    cells = subject.probe.cells
    live = live_nodes(subject, options.get("sample", SAMPLE), ledger)
    result = describe(cells, live)
    past = None if subject.folder is None else history.of_run(subject.folder.parent)
    return result if past is None else {**result, "history": past._asdict()}


def describe(cells: Sequence[Cell], live: Mapping[str, np.ndarray] | None = None) -> dict[str, Any]:
    """Cells with alpha', entropies in bits, strongest operators and their weights."""
    mixtures = {cell.name: softmax(cell.alpha) for cell in cells}
    genotype = strongest(mixtures)
    entries = {}
    for cell in cells:
        mixture = mixtures[cell.name]
        entries[cell.name] = {
            "kind": cell.kind,
            "modules": list(cell.modules),
            "mixture": mixture,
            "entropy_bits": node_entropy(mixture),
            "strongest": genotype[cell.name],
            "top_weight": mixture.max(axis=-1),
        }
        if live is not None:
            entries[cell.name]["answers_changed"] = live[cell.name]
            entries[cell.name]["live"] = [bool(share > 0) for share in live[cell.name]]
    tops = np.concatenate([entry["top_weight"] for entry in entries.values()])
    entropies = np.concatenate([entry["entropy_bits"] for entry in entries.values()])
    return {
        "operators": list(OPERATORS),
        "cells": entries,
        "genotype": genotype,
        "mean_top_weight": float(tops.mean()),
        "mean_entropy_bits": float(entropies.mean()),
        "largest_entropy_bits": math.log2(len(OPERATORS)),
        "nodes": len(tops),
        "live_nodes": None if live is None else int(sum(np.sum(x > 0) for x in live.values())),
    }


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a node."""
    table = []
    for name, cell in result["cells"].items():
        for node, mixture in enumerate(np.asarray(cell["mixture"])):
            row = {"cell": name, "kind": cell["kind"], "node": node + 1}
            row |= dict(zip(result["operators"], mixture))
            row["entropy_bits"] = cell["entropy_bits"][node]
            row["strongest"] = cell["strongest"][node]
            row["top_weight"] = cell["top_weight"][node]
            if "live" in cell:
                row["answers_changed"] = cell["answers_changed"][node]
                row["live"] = cell["live"][node]
            table.append(row)
    return table


def summary(result: Mapping[str, Any]) -> str:
    """Two lines for the terminal."""
    decided = (
        f"{result['nodes']} nodes: mean weight of the strongest operator "
        f"{result['mean_top_weight']:.2f}, mean entropy {result['mean_entropy_bits']:.2f} of "
        f"{result['largest_entropy_bits']:.2f} bits"
    )
    if result["live_nodes"] is None:
        return decided
    return f"{decided}\n{result['live_nodes']} of {result['nodes']} nodes are live: another operator there changes some answer"


def texts(result: Mapping[str, Any]) -> dict[str, str]:
    """{"_genotype.json": what `read_genotype` reads}."""
    return {"_genotype.json": genotype_text(result["genotype"])}


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"": the heat maps, "_history": a strip for each node, where training has kept these}."""
    from lnmn_tf.analysis.structure_picture import draw_structure

    figures = {"": draw_structure(result)}
    if "history" in result:
        figures["_history"] = history.draw_history(history.History(**result["history"]))
    return figures
