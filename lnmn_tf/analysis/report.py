"""`--mode=report`: the results of run folders in the paper's tables, as files and as one page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lnmn_tf.analysis import agreement, report_curves
from lnmn_tf.analysis.figures import write_png
from lnmn_tf.analysis.output import write_csv, write_result
from lnmn_tf.analysis.pages import data_uri, picture_uri, render, shared
from lnmn_tf.analysis.report_forms import as_csv, as_latex, as_text
from lnmn_tf.analysis.report_tables import tables
from lnmn_tf.analysis.run_results import Group, open_runs
from lnmn_tf.files import write_text

EXPLAINED = 4  # pictures of each run on the page


def report_runs(runs: str, folder: str | os.PathLike) -> list[Path]:
    """Writes `report.html`, `tables.txt`, `tables.tex`, `table_<n>.csv` and `curves.png`.

    Of runs that differ in their seed alone, `agreement_<run>.csv` and `.json` say whether their structures
    agree (`analysis/agreement.py`).

    Args:
        runs: run folders, with commas between them; one with seeds stands for all of them.
        folder: made where it is missing.

    Returns:
        The paths, the page first.

    Raises:
        InputError: no run folder, an unfinished run, or a damaged file.
    """
    groups = open_runs(runs.split(","))
    made, folder = tables(groups), Path(folder)
    figure = report_curves.draw(groups)
    paths = [folder / "report.html", folder / "tables.txt", folder / "tables.tex"]
    write_text(paths[0], page(groups, made, figure))
    write_text(paths[1], as_text(made))
    write_text(paths[2], as_latex(made))
    for table in made:
        paths.append(folder / f"table_{table.number}.csv")
        write_text(paths[-1], as_csv(table))
    if figure is not None:
        paths.append(folder / "curves.png")
        write_png(paths[-1], figure, 160)
    print(as_text(made))
    for group, result in agreements(groups):
        paths += [folder / f"agreement_{group.name}{suffix}" for suffix in (".csv", ".json")]
        write_csv(paths[-2], agreement.rows(result))
        write_result(paths[-1], result)
        print(f"Agreement of seeds, {group.label}:\n{agreement.summary(result)}\n")
    print(f"wrote {paths[0]} and {', '.join(path.name for path in paths[1:])}")
    return paths


def agreements(groups: Sequence[Group]) -> list[tuple[Group, dict[str, Any]]]:
    """Whether the seeds of each group agree, for groups of several runs that have a structure."""
    found = []
    for group in groups:
        structures = {run.path.name: agreement.read_cells(run.path) for run in group.runs}
        structures = {name: cells for name, cells in structures.items() if cells}
        if len(structures) > 1:
            found.append((group, agreement.measure(structures)))
    return found


def page(groups: Sequence[Group], made, figure) -> str:
    """All on one page that needs no network."""
    from markupsafe import Markup

    return render(
        "report.html",
        title="Results",
        about=" · ".join(group.label for group in groups),
        tables=made,
        curves=Markup(report_curves.as_svg(figure)) if figure is not None else "",
        agreements=[
            (group.label, agreement.summary(result).split("\n"))
            for group, result in agreements(groups)
        ],
        runs=[_view(group, run) for group in groups for run in group.runs],
        icon=data_uri(shared("icon.svg").encode(), "image/svg+xml"),
    )


def _view(group: Group, run) -> dict[str, Any]:
    formulas = (run.analysis("formulas") or {}).get("cells", {})
    structure = run.structure_picture
    seconds = run.metrics.get("seconds")
    facts = [
        ("model", run.label),
        ("data", run.data),
        ("seed", run.config.training.seed),
        ("accuracy", f"{run.accuracies()['overall']:.1f} %"),
        ("weights", f"{run.metrics['parameters']:,}" if "parameters" in run.metrics else ""),
        ("trained in", f"{seconds / 60:.1f} minutes" if seconds else ""),
    ]
    return {
        "name": group.name if len(group.runs) == 1 else f"{group.name}/{run.path.name}",
        "facts": [(name, value) for name, value in facts if value != ""],
        "structure": picture_uri(structure)[0] if structure else "",
        "formulas": [(cell, entry["formula"]) for cell, entry in formulas.items()],
        "explained": [
            (picture_uri(path.read_bytes())[0], path.stem.replace("_", " "))
            for path in run.pictures("explained", EXPLAINED)
        ],
    }
