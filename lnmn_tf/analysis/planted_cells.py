"""Which cell a kind of question runs in a graded run, and whether maps point at what has the attribute."""

from __future__ import annotations

from typing import Any

import numpy as np

from lnmn_tf.analysis.planted_runs import SharedRuns
from lnmn_tf.config.names import OPERATORS
from lnmn_tf.data.pipeline import batches
from lnmn_tf.world.graded import KINDS
from lnmn_tf.world.planted import ATTRIBUTES

SAMPLE = 1000  # questions
_TWO_MAPS = ("attention_4", "answer_4")


def describe_cells(runs: SharedRuns) -> dict[str, Any]:
    """What the run that was trained last does with its cells, as JSON.

    Returns:
        "layouts": mean module weights of each kind, [steps, modules]; "kinds": for kinds of two attributes, the
        cell of two maps with the largest summed weight, that weight, and its operators; "sign": the mean
        correlation of the map pushed first with the degrees of the attribute named first. It is positive
        where min(map, map) says *and*; with a negative sign min and max would exchange their meanings.
    """
    network = runs.network
    sample = runs.reported.select(np.arange(min(SAMPLE, len(runs.reported.questions))))
    weights, maps, features = [], [], []
    for batch in batches(sample.questions, sample.store, 250, shuffle=False):
        outputs, trace = network.answer_and_trace(
            {name: batch[name] for name in ("question", "features")}
        )
        real = int(np.sum(batch["weight"].numpy()))
        weights.append(outputs["module_weights"].numpy()[:real])
        maps.append(trace.attention.numpy()[:real, 1])  # as step 2 begins
        features.append(batch["features"].numpy()[:real])
    weights, maps, features = map(np.concatenate, (weights, maps, features))
    kinds = sample.questions.question_family_index
    structure = {
        f"{bank}.{i}": [OPERATORS[k] for k in nodes.argmax(axis=-1)]
        for bank, alpha in network.structure.items()
        for i, nodes in enumerate(alpha.numpy())
    }
    found, names = {}, network.module_names
    of_two = [place for place, name in enumerate(names) if name.partition(".")[0] in _TWO_MAPS]
    for kind in ("and", "or", "same", "more"):
        total = weights[kinds == KINDS.index(kind)].sum(axis=1).mean(axis=0)
        best = max(of_two, key=lambda place: total[place])
        found[kind] = {
            "cell": names[best],
            "weight": float(total[best]),
            "operators": structure[names[best]],
        }
    return {
        "modules": list(names),
        "layouts": {
            kind: np.round(weights[kinds == place].mean(axis=0), 3).tolist()
            for place, kind in enumerate(KINDS)
        },
        "kinds": found,
        "sign": _sign(sample.questions.texts, maps, features),
        "structure": structure,
    }


def _sign(texts, maps: np.ndarray, features: np.ndarray) -> float:
    """Mean correlation over places of maps [N, H, W] with the attribute that each question names first."""
    named = [
        min((text.index(name), place) for place, name in enumerate(ATTRIBUTES) if name in text)[1]
        for text in texts
    ]
    degrees = features[np.arange(len(maps)), ..., named].reshape(len(maps), -1)
    maps = maps.reshape(len(maps), -1)
    maps, degrees = (x - x.mean(axis=1, keepdims=True) for x in (maps, degrees))
    norms = np.linalg.norm(maps, axis=1) * np.linalg.norm(degrees, axis=1)
    return float(np.mean((maps * degrees).sum(axis=1) / np.maximum(norms, 1e-12)))
