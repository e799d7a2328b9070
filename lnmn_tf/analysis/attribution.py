"""Which operator of which module decides: Integrated Gradients of alpha (paper, section 4.2, Table 5).

    IG(alpha_i) = sum over examples and nodes of alpha_i * integral of dF(xi alpha)/d alpha_i over xi in [0, 1]

F is the probability of the correct answer, and the baseline alpha = 0, where all operators weigh the same.
The attributions of all operators add up to F(alpha) - F(0): `completeness` checks that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from lnmn_tf.analysis.integrated_gradients import (
    ALL,
    ENOUGH,
    along,
    attribute_released,
    integrate,
    levels,
    quadrature,
    short,
)
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import OPERATORS
from lnmn_tf.analysis.subject import Subject

POINTS = 65
TOLERANCE = 0.01  # of F(alpha) - F(0)
_GRADIENTS_PER_PART = 30_000
_NEGLIGIBLE = 1e-5  # of a probability, for an example: of that size, F(alpha) - F(0) is rounding


def attribute(
    subject: Subject, points: int = POINTS, ledger: Ledger | None = None
) -> dict[str, Any]:
    """Sums over the examples of each family, at each point of each path that is needed.

    All paths have few points at first. One that is not complete, or was not with the points before, gets
    those of the next of `levels(points)`: most converge early, and a gradient is what takes time.

    Args:
        subject: the network, and questions with answers.
        points: of the integration, at most.
        ledger: keeps what is done.

    Returns:
        "paths": the name of each cell, and `ALL`; "families"; "questions" [families];
        "slices": of each cell's nodes among all nodes;
        "level": points of each path, [paths];
        "probability": F, [families, paths, 2]: F(0) and F(alpha);
        "gradients": of alpha, [families, paths, points, all nodes, 6]; 0 for cells not on the path, and
        at points that were not needed.
    """
    places = quadrature(points)[0]
    subject.need_answers("attribution")
    ledger = ledger or Ledger()
    cells = subject.probe.cells
    alpha = np.concatenate([short(cell.alpha) for cell in cells])
    ends = np.cumsum([cell.nodes for cell in cells])
    slices = {cell.name: slice(end - cell.nodes, end) for cell, end in zip(cells, ends)}
    paths = [*(cell.name for cell in cells), ALL]
    known, counts = np.unique(subject.questions.families, return_counts=True)
    sums = {
        "paths": paths,
        "families": [
            "unknown" if index < 0 else subject.questions.family_names[index] for index in known
        ],
        "questions": counts,
        "slices": slices,
        "points": points,
        "level": np.zeros(len(paths), int),
        "probability": np.zeros([len(known), len(paths), 2]),
        "gradients": np.zeros([len(known), len(paths), points, len(alpha), len(OPERATORS)]),
    }
    left, done, earlier = np.arange(len(paths)), set(), None
    for count in levels(points):
        rule = range(0, points, (points - 1) // (count - 1) if count > 1 else 1)
        new = [place for place in rule if place not in done]
        done.update(new)
        shares = [*places[new], *([] if earlier is not None else [0.0, 1.0])]
        some = [paths[index] for index in left]
        for row, family in enumerate(known):
            members = np.flatnonzero(subject.questions.families == family)
            part = _of_family(subject, some, slices, shares, members, count, ledger)
            sums["gradients"][row, left[:, None], new] = part["gradients"][:, : len(new)]
            if earlier is None:
                sums["probability"][row] = part["probability"][:, len(new) :]
        sums["level"][left] = count
        error = completeness(sums, attributions(sums, alpha))
        if earlier is not None:  # by chance, few points may be complete once, but hardly twice
            left = np.flatnonzero(
                (error > TOLERANCE) | (earlier > TOLERANCE) & (sums["level"] == count)
            )
            left = left[sums["level"][left] == count]
        earlier = error
        if not len(left):
            break
    return sums


def _of_family(subject: Subject, paths, slices, shares, members, count: int, ledger: Ledger):
    """Sums over the questions at `members`, in parts that the ledger keeps."""
    size = max(_GRADIENTS_PER_PART // (len(paths) * len(shares)), 1)
    size = -(-size // subject.batch_size) * subject.batch_size
    sums = None
    for first in range(0, len(members), size):
        indices = members[first : first + size]
        name = hashlib.sha256(
            f"{paths} {shares} {ENOUGH}".encode() + indices.tobytes()
        ).hexdigest()[:16]
        part = ledger.part(
            f"{count}_points_{name}",
            lambda indices=indices: _sums(subject, paths, slices, shares, indices),
            f"{len(indices)} questions, {len(paths)} paths, up to {count} points",
        )
        sums = part if sums is None else {k: sums[k] + part[k] for k in sums}
    return sums


def _sums(subject: Subject, paths, slices, shares, indices) -> dict[str, np.ndarray]:
    """F and its gradients at shares of alpha: [paths, shares], [paths, shares, all nodes, 6]."""
    probe = subject.probe
    nodes = max(part.stop for part in slices.values())
    probability = np.zeros([len(paths), len(shares)])
    gradients = np.zeros([len(paths), len(shares), nodes, len(OPERATORS)])
    for batch in subject.batches(indices):
        known: dict[Any, tuple[float, dict]] = {}
        for p, path in enumerate(paths):
            for s, share in enumerate(shares):
                key = ("end" if share == 1.0 else path, share)  # alpha itself is on all paths
                if key not in known:
                    with probe.alpha(along(probe, path, share)):
                        total, by_cell = probe.gradient(batch.encoded, batch.answers, batch.weight)
                    known[key] = float(total), by_cell
                total, by_cell = known[key]
                probability[p, s] += total
                for name, part in slices.items():
                    if path in (name, ALL):
                        gradients[p, s, part] += by_cell[name]
    return {"probability": probability, "gradients": gradients}


def attributions(
    sums: Mapping[str, Any], alpha: np.ndarray, count: int | None = None
) -> np.ndarray:
    """Integrated gradients, [families, paths, all nodes, 6].

    Args:
        sums: of `attribute`.
        alpha: of all nodes, [all nodes, 6].
        count: of `levels`; None = the points that each path has.
    """
    values = np.moveaxis(sums["gradients"], 2, 0)  # [points, families, paths, nodes, 6]
    if count is not None:
        return alpha * integrate(values, count)
    attributed = np.zeros(values.shape[1:])
    for index, level in enumerate(sums["level"]):
        attributed[:, index] = alpha * integrate(values[:, :, index], level)
    return attributed


def completeness(sums: Mapping[str, Any], attributed: np.ndarray) -> np.ndarray:
    """|sum of attributions - (F(alpha) - F(0))| / |F(alpha) - F(0)| of each path, over all families.

    0 where both are within rounding of zero.
    """
    total = attributed.sum(axis=(0, 2, 3))
    difference = (sums["probability"][..., -1] - sums["probability"][..., -2]).sum(axis=0)
    error = np.abs(total - difference)
    negligible = _NEGLIGIBLE * sums["questions"].sum()
    rounding = (np.abs(difference) <= negligible) & (error <= negligible)
    return np.where(rounding, 0.0, error / np.maximum(np.abs(difference), 1e-30))


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Table 5, its check, and its convergence, as JSON."""
    points, mode = options.get("points", POINTS), options.get("attribution", "paper")
    if mode == "released":
        return _measure_released(subject, ledger)
    cells = subject.probe.cells
    sums = attribute(subject, points, ledger)
    alpha = np.concatenate([short(cell.alpha) for cell in cells])
    attributed = attributions(sums, alpha)
    error = completeness(sums, attributed)
    convergence = {}
    for count in levels(points):
        errors = completeness(sums, attributions(sums, alpha, count))
        found = {p: e for p, e, n in zip(sums["paths"], errors, sums["level"]) if n >= count}
        convergence |= {str(count): found} if found else {}
    by_path = {}
    for index, path in enumerate(sums["paths"]):
        probability = sums["probability"][:, index].sum(axis=0)
        by_path[path] = {
            "F_alpha": probability[-1],
            "F_0": probability[-2],
            "sum": attributed[:, index].sum(),
            "error": error[index],
            "points": int(sums["level"][index]),
            "complete": bool(error[index] <= TOLERANCE),
        }

    def table(together: bool) -> dict[str, Any]:
        rows = {}
        for index, cell in enumerate(cells):
            path = len(cells) if together else index
            part = attributed[:, path, sums["slices"][cell.name]].sum(axis=1)  # [families, 6]
            rows[cell.name] = {
                "operators": part.sum(axis=0),
                "nodes": attributed[:, path, sums["slices"][cell.name]].sum(axis=0),
                "families": dict(zip(sums["families"], part)),
            }
        return rows

    return {
        "mode": mode,
        "points": points,
        "operators": list(OPERATORS),
        "kinds": {cell.name: cell.kind for cell in cells},
        "questions": dict(zip(sums["families"], sums["questions"])),
        "one_at_a_time": table(False),
        "together": table(True),
        "paths": by_path,
        "convergence": convergence,
    }


def _measure_released(subject: Subject, ledger: Ledger) -> dict[str, Any]:
    """The number of the released script, added up over the batches of the run's own size."""
    cells, total = subject.probe.cells, None
    done = 0
    for name, indices in subject.chunks(subject.batch_size):
        done += len(indices)

        def compute(indices=indices):
            (batch,) = subject.batches(indices)
            real = {k: v[: batch.real] for k, v in batch.inputs.items()}
            return attribute_released(subject.probe, real)

        part = ledger.part(name, compute, f"{done} of {len(subject.questions)} questions")
        total = part if total is None else {k: total[k] + part[k] for k in total}
    return {
        "mode": "released",
        "points": 10,
        "batch_size": subject.batch_size,
        "operators": list(OPERATORS),
        "kinds": {cell.name: cell.kind for cell in cells},
        "one_at_a_time": {cell.name: {"operators": total[cell.name]} for cell in cells},
    }


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Table 5, a row a cell: one module at a time, then all together; then the columns of families."""
    table = []
    for mode in ("one_at_a_time", "together"):
        for name, cell in result.get(mode, {}).items():
            row = {"path": mode, "cell": name, "kind": result["kinds"][name], "family": "all"}
            table.append(row | dict(zip(OPERATORS, cell["operators"])))
            for family, values in cell.get("families", {}).items():
                table.append(row | {"family": family} | dict(zip(OPERATORS, values)))
    return table


def summary(result: Mapping[str, Any]) -> str:
    """Table 5, and whether the attributions are complete."""
    names = result["one_at_a_time"]
    width = max(map(len, [*names, ALL]))
    lines = [f"{'':{width}} " + "".join(f"{operator:>11}" for operator in OPERATORS)]
    for name, cell in names.items():
        lines.append(f"{name:{width}} " + "".join(f"{x:11.4g}" for x in cell["operators"]))
    for path, entry in result.get("paths", {}).items():
        lines.append(
            f"{path:{width}}  F(alpha) - F(0) = {entry['F_alpha'] - entry['F_0']:.4g}, attributed "
            f"{entry['sum']:.4g}: "
            + (
                f"complete within {100 * entry['error']:.2g} % with {entry['points']} points"
                if entry["complete"]
                else f"NOT complete, {100 * entry['error']:.2g} % off; expected more points"
            )
        )
    return "\n".join(lines)


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"": Table 5 as bars, and the convergence}."""
    from lnmn_tf.analysis.attribution_picture import draw_attribution

    return {"": draw_attribution(result)}
