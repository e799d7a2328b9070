"""Do seeds agree? How many nodes of two runs hold the same operator, and how many would by chance.

Two structures can be the same and look different. So, before nodes are compared,

* cells of one bank are matched, so that as many nodes agree as can: the assignment problem (Kuhn, 1955);
* a matched cell may exchange its two maps (choose_1 and choose_2 of its first node);
* a matched cell may turn its signs: max(a, b) = -min(-a, -b), and the weights around it take the signs up;
* a node that is idle (no operator there changes an answer) in both runs is left out. One that is idle in one
  run alone does not agree.

All of these make structures without anything in common look alike, too. So the same is done with random
structures, idle where the runs' are: `uniform` draws each operator out of six, `shuffled` gives each run its own
operators at other nodes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lnmn_tf.config.names import OPERATORS
from lnmn_tf.errors import InputError
from lnmn_tf.training.structure_history import FILE_NAME as HISTORY

IDLE = -1
DRAWS = 1000
_CHECKPOINT = "network/banks/{}/fusion/structure/.ATTRIBUTES/VARIABLE_VALUE"

Cells = dict[str, np.ndarray]  # by name: the place in OPERATORS of each node's operator, or IDLE


def _with(one: str, other: str) -> np.ndarray:
    """Two operators exchanged, as places in OPERATORS; IDLE, the last, is itself."""
    names = {one: other, other: one}
    return np.array([*(OPERATORS.index(names.get(name, name)) for name in OPERATORS), IDLE])


_TURNED, _EXCHANGED = _with("min", "max"), _with("choose_1", "choose_2")


class Pair(NamedTuple):
    """How two structures compare."""

    agree: int  # nodes that hold the same operator
    nodes: int  # nodes that are not idle in both
    matched: dict[str, str]  # cell of the first run -> cell of the second

    @property
    def share(self) -> float:
        """In [0, 1]; 1 where all nodes are idle."""
        return self.agree / self.nodes if self.nodes else 1.0


def cells_of(
    genotype: Mapping[str, Sequence[str]], live: Mapping[str, Sequence[bool]] = {}
) -> Cells:
    """A structure as this module compares it.

    Args:
        genotype: operators of each cell by its name, as in `models.genotype`.
        live: which nodes matter; cells that are not named matter wholly.
    """
    cells = {}
    for name, operators in genotype.items():
        places = np.array([OPERATORS.index(operator) for operator in operators])
        cells[name] = np.where(live.get(name, [True] * len(operators)), places, IDLE)
    return cells


def compare(first: Cells, second: Cells) -> Pair:
    """Matches the cells of two structures and counts the nodes that agree.

    Raises:
        InputError: the structures are of different models.
    """
    shapes = [{name: len(nodes) for name, nodes in cells.items()} for cells in (first, second)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"structures of the cells {', '.join(shapes[0])} and {', '.join(shapes[1])} do not compare; "
            "expected runs of one model"
        )
    agree, nodes, matched = 0, 0, {}
    for bank in dict.fromkeys(name.partition(".")[0] for name in first):
        names = [name for name in first if name.partition(".")[0] == bank]
        counts = np.array([[_cell(first[a], second[b]) for b in names] for a in names])
        # Agreement comes first; of equal ones, idle nodes beside idle nodes.
        choice = assign(counts[..., 0] - counts[..., 1] / 1000.0)
        for place, other in enumerate(choice):
            agree += counts[place, other, 0]
            nodes += counts[place, other, 1]
            matched[names[place]] = names[other]
    return Pair(int(agree), int(nodes), matched)


def assign(gains: np.ndarray) -> tuple[int, ...]:
    """The one-to-one assignment of rows to columns with the largest sum of gains, exactly.

    A bank has few cells: the best way for the last rows and a set of columns is looked for once.

    Args:
        gains: [n, n].

    Returns:
        The column of each row.
    """
    count = len(gains)

    @cache
    def best(row: int, taken: int) -> tuple[float, tuple[int, ...]]:
        if row == count:
            return 0.0, ()
        options = []
        for column in range(count):
            if not taken >> column & 1:
                rest, columns = best(row + 1, taken | 1 << column)
                options.append((gains[row, column] + rest, (column, *columns)))
        return max(options, key=lambda option: option[0])

    return best(0, 0)[1]


def _cell(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """(nodes that agree in the best form of the second cell, nodes that are not idle in both)."""
    turned = [second, _TURNED[second]]
    forms = list(turned)
    if len(first) == 3:  # a cell of two maps
        for form in turned:
            exchanged = form.copy()
            exchanged[0] = _EXCHANGED[exchanged[0]]
            forms.append(exchanged)
    lives = (first != IDLE) & (second != IDLE)
    agree = max(int(np.sum(lives & (first == form))) for form in forms)
    return agree, int(np.sum((first != IDLE) | (second != IDLE)))


def uniform(cells: Cells, rng: np.random.Generator) -> Cells:
    """Another operator out of six at each node that is not idle."""
    return {
        name: np.where(nodes == IDLE, IDLE, rng.integers(len(OPERATORS), size=len(nodes)))
        for name, nodes in cells.items()
    }


def shuffled(cells: Cells, rng: np.random.Generator) -> Cells:
    """The same operators at other nodes."""
    flat = np.concatenate(list(cells.values()))
    flat[flat != IDLE] = rng.permutation(flat[flat != IDLE])
    ends = np.cumsum([len(nodes) for nodes in cells.values()])[:-1]
    return dict(zip(cells, np.split(flat, ends)))


def mean_share(structures: Sequence[Cells]) -> float:
    """Mean over all pairs of the share of nodes that agree, in [0, 1]."""
    return float(np.mean([compare(a, b).share for a, b in itertools.combinations(structures, 2)]))


def by_chance(
    structures: Sequence[Cells],
    draw: Callable[[Cells, np.random.Generator], Cells],
    draws: int = DRAWS,
    seed: int = 0,
) -> np.ndarray:
    """`mean_share` of random structures in the place of these, [draws]."""
    rng = np.random.default_rng(seed)
    return np.array([mean_share([draw(cells, rng) for cells in structures]) for _ in range(draws)])


def measure(structures: Mapping[str, Cells], draws: int = DRAWS) -> dict[str, Any]:
    """Agreement of all pairs of runs, and what chance makes of it, as JSON.

    Args:
        structures: of each run by its name, two or more.
        draws: random structures.

    Raises:
        InputError: the runs are of different models.
    """
    pairs = []
    for (one, first), (other, second) in itertools.combinations(structures.items(), 2):
        pair = compare(first, second)
        pairs.append({"first": one, "second": other, "share": pair.share, **pair._asdict()})
    found = mean_share(list(structures.values()))
    result = {"runs": list(structures), "pairs": pairs, "share": found, "draws": draws}
    for draw in (uniform, shuffled):
        shares = by_chance(list(structures.values()), draw, draws)
        result[draw.__name__] = {
            "mean": float(shares.mean()),
            "95 %": float(np.quantile(shares, 0.95)),
            "as high": float(np.mean(shares >= found - 1e-9)),
        }
    return result


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each pair of runs."""
    return [
        {
            "first": pair["first"],
            "second": pair["second"],
            "agree": pair["agree"],
            "nodes": pair["nodes"],
            "share": pair["share"],
            "matched": " ".join(f"{a}={b}" for a, b in pair["matched"].items()),
        }
        for pair in result["pairs"]
    ]


def summary(result: Mapping[str, Any]) -> str:
    """What was found, in words."""
    lines = [
        f"{pair['first']} and {pair['second']}: {pair['agree']} of {pair['nodes']} nodes agree"
        for pair in result["pairs"]
    ]
    chances = [
        f"{100 * result[name]['mean']:.0f} % with {text} ({100 * result[name]['as high']:.1f} % of "
        f"{result['draws']} draws agree as much)"
        for name, text in (
            ("uniform", "random operators"),
            ("shuffled", "their own at other nodes"),
        )
    ]
    lines.append(
        f"structures agree in {100 * result['share']:.0f} % of their nodes; by chance "
        + ", and ".join(chances)
    )
    return "\n".join(lines)


def read_cells(run: Path) -> Cells | None:
    """The structure of a run folder; None where its model has none.

    That of `--mode=analyze --what=structure`, which knows idle nodes; else the last of `structure.jsonl`; else
    that of the last checkpoint. A run that is not finished has one, too.

    Raises:
        InputError: a damaged file.
    """
    path = run / "analysis" / "structure.json"
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            live = {k: x["live"] for k, x in found["cells"].items() if "live" in x}
            return cells_of(found["genotype"], live)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(
                f"{path}: has no field 'genotype' with operators of cells; expected what "
                "--mode=analyze --what=structure writes"
            ) from None
    alpha = _last_alpha(run)
    if not alpha:
        return None
    return {name: np.argmax(values, axis=-1) for name, values in alpha.items()}


def _last_alpha(run: Path) -> dict[str, np.ndarray]:
    """alpha of each cell, [nodes, 6], as the run has it last."""
    path = run / HISTORY
    if path.is_file():
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        if lines:
            try:
                entry = max(map(json.loads, lines), key=lambda entry: entry["step"])
                return {name: np.array(alpha, float) for name, alpha in entry["cells"].items()}
            except (ValueError, KeyError, TypeError, AttributeError):
                raise InputError(
                    f"{path}: a line is no object with 'step' and 'cells'; expected alpha after epochs"
                ) from None
    return _alpha_of_checkpoint(run)


def _alpha_of_checkpoint(run: Path) -> dict[str, np.ndarray]:
    import tensorflow as tf

    from lnmn_tf.training.checkpoints import CheckpointFolder

    folder = CheckpointFolder(run)
    if not folder.exists():
        return {}
    prefix, suffix = _CHECKPOINT.split("{}")
    reader = tf.train.load_checkpoint(str(folder.weights_path("last")))
    alpha = {}
    for key in sorted(reader.get_variable_to_shape_map()):
        if key.startswith(prefix) and key.endswith(suffix):
            bank = key[len(prefix) : -len(suffix)]
            for index, values in enumerate(reader.get_tensor(key)):
                alpha[f"{bank}.{index}"] = values
    return alpha
