"""The paper's tables with the rows of runs, in all their forms."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil

import numpy as np
import pytest

from lnmn_tf.analysis import paper_numbers as paper
from lnmn_tf.analysis import report_curves
from lnmn_tf.analysis.report_forms import as_csv, as_latex, as_text
from lnmn_tf.analysis.report_tables import NOT_RUN, PAPER, RUN, tables
from lnmn_tf.analysis.run_results import Group, RunResults, open_runs
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_json
from lnmn_tf.main import main
from tests.conftest import to_arguments
from tests.export.demo.browser import find_chromium, opened

FAMILIES = {"count": 0.25, "exist": 0.75}
ANALYSES = {
    "hardmax": {"now": {"hard operators": {"overall": 0.4, "count": 0.3, "answers changed": 0.1}}},
    "formulas": {
        "cells": {"answer_3.0": {"kind": "Answer (3 inputs)", "formula": "W2[Σ a & b < c_1]"}}
    },
    "operators": {
        "original": {"overall": 0.5, "count": 0.25},
        "operators": {name: {"overall": 0.125, "count": 0.5} for name in paper.OPERATORS},
    },
    "attribution": {
        "kinds": {"look_3.0": "Attention (3 inputs)"},
        "one_at_a_time": {"look_3.0": {"operators": [1.5, -2.0, 0.0, 4.0, 5.0, 60.0]}},
    },
}


@pytest.fixture
def runs(tiny_run, tmp_path):
    """Two seeds of a run below one folder; the first has analyses."""
    for seed, accuracy in ((0, 0.5), (1, 0.7)):
        folder = shutil.copytree(tiny_run, tmp_path / "two" / f"seed_{seed}")
        config = json.loads((folder / "config.json").read_text())
        config["training"]["seed"] = seed
        write_json(folder / "config.json", config)
        metrics = json.loads((folder / "metrics.json").read_text())
        metrics["val"] = {"accuracy": accuracy, "families": FAMILIES, "questions": 4}
        write_json(folder / "metrics.json", metrics)
    for name, content in ANALYSES.items():
        write_json(tmp_path / "two" / "seed_0" / "analysis" / f"{name}.json", content)
    return tmp_path / "two"


def rows_of(groups, number: int, kind: str):
    (table,) = (table for table in tables(groups) if table.number == number)
    return [row for row in table.rows if row.kind == kind]


def test_the_papers_numbers_obey_what_the_paper_says_of_them():
    by_label = {row.label: row.values for row in paper.TABLE_1}
    stack = by_label["Stack-NMN (9 mod.)†"]
    # Section 4.1: overall 1.53 and 0.89 below Stack-NMN, CLEVR-Humans 1.71; counts are better.
    assert stack[0] - by_label["LNMN (9 modules)"][0] == pytest.approx(1.53)
    assert stack[0] - by_label["LNMN (11 modules)"][0] == pytest.approx(0.89)
    assert stack[6] - by_label["LNMN (9 modules)"][6] == pytest.approx(1.71)
    assert all(by_label[f"LNMN ({n} modules)"][1] > stack[1] for n in (9, 11, 14))
    ablations = {row.label: row.values[0] for row in paper.TABLE_2}
    assert ablations[paper.ORIGINAL] - ablations[paper.HARD_MAX] == pytest.approx(1.79)
    assert by_label["LNMN (9 modules)"][:6] == paper.TABLE_7[-1].values
    assert sum(sum(row.values) for row in paper.TABLE_5) == pytest.approx(2.5e7, rel=0.05)
    assert len(paper.TABLE_6) == 10


def test_seeds_are_one_row_with_mean_and_deviation(runs):
    (group,) = open_runs([str(runs)])
    assert (len(group.runs), group.name) == (2, "two")
    row = rows_of([group], 1, RUN)[-1]
    assert row.cells[0] == "60.0 ± 14.1" and row.cells[1].startswith("25.0 ± 0.0")
    assert "two: embedded world" in row.source or "two: data" in row.source
    assert row.source.endswith("mean ± deviation of 2 seeds")


def test_runs_that_differ_in_more_than_the_seed_are_rows_of_their_own(runs):
    path = runs / "seed_1" / "config.json"
    config = json.loads(path.read_text())
    config["training"]["sparsity"] = 0.125
    write_json(path, config)
    assert [len(group.runs) for group in open_runs([str(runs)])] == [1, 1]


def test_every_table_shows_the_paper_first_and_what_was_not_run(runs):
    groups = open_runs([str(runs)])
    made = tables(groups)
    assert [table.number for table in made] == [1, 2, 4, 5, 6, 7]
    for table in made:
        kinds = [row.kind for row in table.rows]
        assert kinds[0] == PAPER
        assert all(len(row.cells) == len(table.columns) for row in table.rows)
        assert all(row.source for row in table.rows)
    assert [row.source for row in rows_of(groups, 2, NOT_RUN)] == [
        "configs/clevr_lnmn9_t9.flags",
        "configs/clevr_concat.flags",
    ]
    assert len(rows_of(groups, 4, NOT_RUN)) == 1
    shutil.rmtree(runs / "seed_0" / "analysis")
    groups = open_runs([str(runs)])
    for number, what in ((5, "attribution"), (6, "formulas"), (7, "operators")):
        (row,) = rows_of(groups, number, NOT_RUN)
        assert row.source == f"--mode=analyze --what={what}"


def test_analyses_fill_the_rows_of_their_tables(runs):
    groups = open_runs([str(runs)])
    hard = [row for row in rows_of(groups, 2, RUN) if row.label.startswith("hard-max")]
    assert [row.cells[:3] for row in hard] == [("40.0", "30.0", "")]
    (attribution,) = rows_of(groups, 5, RUN)
    assert attribution.cells == (
        "1.50e+00",
        "-2.00e+00",
        "0.00e+00",
        "4.00e+00",
        "5.00e+00",
        "6.00e+01",
    )
    assert rows_of(groups, 6, RUN)[0].cells == ("W2[Σ a & b < c_1]",)
    without = rows_of(groups, 7, RUN)
    assert [row.label for row in without] == [
        *(f"without {name}" for name in paper.OPERATORS),
        paper.WITHOUT_NOTHING,
    ]
    assert without[0].cells[:2] == ("12.5", "50.0")


def test_text_csv_and_latex_say_the_same(runs):
    made = tables(open_runs([str(runs)]))
    text, latex = as_text(made), as_latex(made)
    for table in made:
        records = list(csv.reader(io.StringIO(as_csv(table))))
        assert [record[0] for record in records[1:]] == [row.label for row in table.rows]
        assert {len(record) for record in records} == {len(table.columns) + 3}
        for row in table.rows:
            assert row.source in text
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == len(made)
    assert r"\& b" in latex and r"c\_1" in latex and r"60.0 $\pm$ 14.1" in latex
    bare = re.sub(r"\\[&%_#{}$]", "", latex)
    assert not [line for line in bare.splitlines() if line.endswith("&")]
    widths = {
        line.split("%")[0].count("&")
        for line in bare.split(r"\midrule")[1].split(r"\bottomrule")[0].splitlines()
        if line
    }
    assert widths == {7}


def test_a_curve_is_the_mean_over_seeds_as_far_as_the_shortest_goes(runs):
    (group,) = open_runs([str(runs)])
    first, second = group.runs
    first.__dict__["curves"] = {"held_out": [(0, 10.0), (100, 30.0)], "loss": []}
    second.__dict__["curves"] = {"held_out": [(0, 20.0), (50, 20.0)], "loss": []}
    places, mean, deviation = report_curves.curve(group, "held_out")
    assert places.tolist() == [0, 50]
    assert mean.tolist() == [15.0, 20.0]
    np.testing.assert_allclose(deviation, [np.std([10, 20], ddof=1), 0.0])
    assert report_curves.curve(group, "loss") is None
    assert "currentColor" in report_curves.as_svg(report_curves.draw([group]))


def test_the_picture_marks_what_questions_alone_tell_and_counts_long_runs_in_millions(runs):
    (group,) = open_runs([str(runs)])
    for run, last in zip(group.runs, (900_000, 2_000_000)):
        run.__dict__["curves"] = {"held_out": [(0, 10.0), (last, 30.0)], "loss": []}
        run.metrics["baselines"] = {"question_only_lstm": {"accuracy": 0.43916}}
    assert report_curves.without_pictures([group]) == [43.9]
    left, _ = report_curves.draw([group]).axes
    assert left.get_xlabel() == "Training questions, in thousands"  # as far as the shortest goes
    plateau = [line for line in left.lines if "question-only" in line.get_label()]
    assert [line.get_ydata()[0] for line in plateau] == [43.9]
    group.runs[0].curves["held_out"].append((3_000_000, 40.0))
    left, _ = report_curves.draw([group]).axes
    assert left.get_xlabel() == "Training questions, in millions"
    assert max(left.lines[0].get_xdata()) == 2.0
    group.runs[0].metrics["baselines"] = group.runs[1].metrics["baselines"] = {}
    assert report_curves.without_pictures([group]) == []


def test_curves_and_structure_are_read_from_the_event_files_of_a_run(tiny_run):
    run = RunResults.open(tiny_run)
    metrics = run.metrics
    ((questions, accuracy),) = run.curves["held_out"]
    assert questions == metrics["steps"] * run.config.training.batch_size
    assert accuracy == pytest.approx(100 * metrics["held_out"]["accuracy"])
    assert run.structure_picture.startswith(b"\x89PNG")
    for path in (tiny_run / "tensorboard").glob("*.result"):
        assert path.stat().st_size < 5000
    assert Group((run,)).name == tiny_run.name


def test_main_writes_page_and_tables(runs, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(to_arguments(mode="report", runs=runs, output_dir=out)) == 0
    assert "Table 7." in capsys.readouterr().out
    names = {path.name for path in out.iterdir()}
    assert names == {"report.html", "tables.txt", "tables.tex", "curves.png"} | {
        *(f"table_{n}.csv" for n in (1, 2, 4, 5, 6, 7)),
        *(f"agreement_two.{kind}" for kind in ("csv", "json")),
    }
    html = (out / "report.html").read_text()
    assert all(
        address.startswith(("data:image/", "#"))
        for address in re.findall(r'(?<!xlink:)(?:src|href)="([^"]*)"', html)
    )
    assert "W2[Σ a &amp; b &lt; c_1]" in html
    if find_chromium():
        with opened(f"file://{out / 'report.html'}") as tab:
            tab.set_viewport_size({"width": 390, "height": 800})
            assert tab.locator("tr.run").count() > 5
            assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: "", "--runs is empty; expected run folders"),
        (lambda folder: str(folder / "none"), r"config\.json: is missing; expected a run folder"),
        (
            lambda folder: (folder / "seed_0/metrics.json").write_text("{}") and str(folder),
            r"has no field 'val'; expected a finished run",
        ),
        (
            lambda folder: (
                (folder / "seed_0/analysis/formulas.json").write_text("{") and str(folder)
            ),
            r"formulas\.json: cannot be read as JSON",
        ),
    ],
)
def test_what_is_no_finished_run_is_refused(runs, make, message, tmp_path):
    from lnmn_tf.analysis.report import report_runs

    with pytest.raises(InputError, match=message):
        report_runs(make(runs), tmp_path / "out")
    assert not (tmp_path / "out").exists()
