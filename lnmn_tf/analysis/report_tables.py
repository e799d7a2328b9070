"""Tables 1, 2 and 4 to 7 of the paper, with the rows of runs beside its own."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lnmn_tf.analysis import paper_numbers as paper
from lnmn_tf.analysis.run_results import Group, RunResults
from lnmn_tf.config.lnmn import LNMNConfig

NAMES = {
    "overall": "Overall",
    "count": "Count",
    "exist": "Exist",
    "compare_number": "Compare number",
    "query_attribute": "Query attribute",
    "compare_attribute": "Compare attribute",
}
PAPER, RUN, NOT_RUN = "paper", "run", "not run"
BASELINES = {
    "most_frequent_answer": "most frequent answer of the template",
    "question_only_lstm": "question-only LSTM",
}


@dataclass(frozen=True)
class Row:
    """A row of a report's table.

    Args:
        label: what was measured.
        cells: texts, one for each column; "" where there is nothing.
        kind: `PAPER`, `RUN` or `NOT_RUN`.
        source: table and row of the paper, or the run folder and its data, or what would run it.
    """

    label: str
    cells: tuple[str, ...]
    kind: str
    source: str


@dataclass(frozen=True)
class Table:
    """A table of the paper with the rows of runs."""

    number: int
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""


def tables(groups: Sequence[Group]) -> list[Table]:
    """All tables that can be made of runs."""
    return [
        _table_1(groups),
        _table_2(groups),
        _table_4(),
        _table_5(groups),
        _table_6(groups),
        _table_7(groups),
    ]


def _table_1(groups: Sequence[Group]) -> Table:
    rows = [_of_paper(row) for row in paper.TABLE_1]
    seen = set()
    for group in groups:
        first = group.runs[0]
        for name, label in BASELINES.items():
            table = first.metrics.get("baselines", {}).get(name)
            if table and (name, first.data) not in seen:
                seen.add((name, first.data))
                values = {"overall": table["accuracy"], **table["families"]}
                cells = _cells([{k: 100 * v for k, v in values.items()}])
                rows.append(Row(label, (*cells, ""), RUN, _where(first)))
        label = _told_apart(group.runs[0].label, group, groups)
        rows.append(_of_group(group, label, [r.accuracies() for r in group.runs], [""]))
    return Table(
        1,
        "Accuracy in percent by family of questions",
        (*NAMES.values(), "CLEVR-Humans"),
        tuple(rows),
        "The paper's rows are of CLEVR's test set. Rows of runs say which data they were measured on; "
        "those of other data do not compare with CLEVR's. CLEVR-Humans was not run.",
    )


def _table_2(groups: Sequence[Group]) -> Table:
    lnmn = [g for g in groups if isinstance(g.runs[0].config.model, LNMNConfig)]

    def is_concatenation(group):
        return group.runs[0].config.model.fusion == "concat"

    def is_longer(group):
        model = group.runs[0].config.model
        return (model.num_steps, model.stack_len) == (9, 9)

    rows = []
    for row in paper.TABLE_2:
        rows.append(_of_paper(row))
        found = []
        if row.label == paper.HARD_MAX:
            for group in lnmn:
                hard = [_hard_operators(run) for run in group.runs]
                measured = [values for values in hard if values]
                if measured:
                    found.append(_of_group(group, "hard-max for operation weights", measured))
        else:
            wanted = {
                paper.ORIGINAL: lambda g: not is_concatenation(g) and not is_longer(g),
                paper.LONGER: is_longer,
                paper.CONCATENATION: is_concatenation,
            }[row.label]
            for group in filter(wanted, lnmn):
                model: Any = group.runs[0].config.model
                label = f"T = {model.num_steps}, L = {model.stack_len}, map_dim = {model.map_dim}"
                label = _told_apart(label, group, groups)
                accuracies = [run.accuracies() for run in group.runs]
                found.append(_of_group(group, label, accuracies))
        how = {
            paper.HARD_MAX: "--mode=analyze --what=hardmax",
            paper.LONGER: "configs/clevr_lnmn9_t9.flags",
            paper.CONCATENATION: "configs/clevr_concat.flags",
        }.get(row.label, "--mode=train")
        rows += found or [_not_run(len(NAMES), how)]
    return Table(
        2,
        "Ablations: accuracy in percent",
        tuple(NAMES.values()),
        tuple(rows),
        "The paper's rows are of CLEVR's validation set.",
    )


def _table_4() -> Table:
    rows = [*map(_of_paper, paper.TABLE_4), _not_run(2, "no VQA data were at hand")]
    return Table(4, "VQA: test accuracy in percent", ("VQA v2", "VQA v1"), tuple(rows))


def _table_5(groups: Sequence[Group]) -> Table:
    rows = [
        Row(r.label, tuple(f"{v:.1e}" for v in r.values), PAPER, r.source) for r in paper.TABLE_5
    ]
    for run, result in _analyses(groups, "attribution"):
        for cell, entry in result.get("one_at_a_time", {}).items():
            cells = tuple(f"{value:.2e}" for value in entry["operators"])
            kind = result.get("kinds", {}).get(cell, "")
            rows.append(Row(f"{cell} {kind}".strip(), cells, RUN, _where(run)))
    how = "--mode=analyze --what=attribution"
    if rows[-1].kind == PAPER:
        rows.append(_not_run(6, how))
    return Table(
        5,
        "Integrated Gradients of alpha, one module at a time, summed over questions",
        paper.OPERATORS,
        tuple(rows),
        "Compare ranks within a table: the paper's entries exceed what complete attributions of a "
        "probability over some 150,000 questions can sum to.",
    )


def _table_6(groups: Sequence[Group]) -> Table:
    rows = [Row(k, (f,), PAPER, f"paper, Table 6, {k}") for k, f in paper.TABLE_6]
    for run, result in _analyses(groups, "formulas"):
        for cell, entry in result.get("cells", {}).items():
            label = f"{cell}: {entry['kind']}"
            rows.append(Row(label, (entry["formula"],), RUN, _where(run)))
    if rows[-1].kind == PAPER:
        rows.append(_not_run(1, "--mode=analyze --what=formulas"))
    return Table(
        6,
        "Analytical expressions of the learned modules",
        ("Module implementation",),
        tuple(rows),
        "The paper's are of LNMN (11 modules), as it simplifies them.",
    )


def _table_7(groups: Sequence[Group]) -> Table:
    rows = [_of_paper(row) for row in paper.TABLE_7]
    for run, result in _analyses(groups, "operators"):
        for name, values in result.get("operators", {}).items():
            rows.append(Row(f"without {name}", _cells([_percent(values)]), RUN, _where(run)))
        cells = _cells([_percent(result["original"])])
        rows.append(Row(paper.WITHOUT_NOTHING, cells, RUN, _where(run)))
    if rows[-1].kind == PAPER:
        rows.append(_not_run(len(NAMES), "--mode=analyze --what=operators"))
    return Table(
        7,
        "Accuracy in percent with one operator removed from all nodes",
        tuple(NAMES.values()),
        tuple(rows),
        "The paper's rows are of LNMN (9 modules) on CLEVR's validation set.",
    )


def _analyses(groups: Sequence[Group], name: str):
    for group in groups:
        for run in group.runs:
            result = run.analysis(name)
            if result is not None:
                yield run, result


def _hard_operators(run: RunResults) -> dict[str, float]:
    result = run.analysis("hardmax") or {}
    return _percent(result.get("now", {}).get("hard operators", {}))


def _percent(values: Mapping[str, float]) -> dict[str, float]:
    return {k: 100 * v for k, v in values.items() if k in NAMES}


def _of_paper(row: paper.PaperRow) -> Row:
    cells = tuple("–" if value is None else f"{value:g}" for value in row.values)
    return Row(row.label, cells, PAPER, row.source)


def _told_apart(label: str, group: Group, groups: Sequence[Group]) -> str:
    """A row's label, with the name of the run where there are several."""
    return label if len(groups) == 1 else f"{label} · {group.name}"


def _of_group(group: Group, label: str, accuracies, more: Sequence[str] = ()) -> Row:
    count = len(accuracies)
    seeds = f", mean ± deviation of {count} seeds" if count > 1 else ", one seed"
    return Row(label, (*_cells(accuracies), *more), RUN, _where(group.runs[0], group.name) + seeds)


def _cells(accuracies: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """Means, with the deviation where there are several; "" where a family has no questions."""
    cells = []
    for name in NAMES:
        values = [table[name] for table in accuracies if name in table]
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.1f}{spread}" if values else "")
    return tuple(cells)


def _where(run: RunResults, name: str = "") -> str:
    return f"{name or run.path.name}: {run.data}"


def _not_run(columns: int, how: str) -> Row:
    return Row("this program", ("not run", *[""] * (columns - 1)), NOT_RUN, how)
