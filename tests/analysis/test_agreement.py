"""Agreement of structures: what is the same in other words agrees, and chance is known."""

import itertools
import json
import shutil

import numpy as np
import pytest

from lnmn_tf.analysis import agreement
from lnmn_tf.analysis.agreement import assign, by_chance, cells_of, compare, measure, uniform
from lnmn_tf.config.names import OPERATORS
from lnmn_tf.errors import InputError
from lnmn_tf.main import main

GENOTYPE = {
    "look_3.0": ["choose_1", "product"],
    "attention_4.0": ["min", "product", "choose_1"],
    "attention_4.1": ["max", "product", "choose_1"],
    "attention_4.2": ["choose_1", "sum", "sum"],
}


def changed(**cells):
    return cells_of({**GENOTYPE, **{name.replace("__", "."): ops for name, ops in cells.items()}})


@pytest.mark.parametrize("seed", range(5))
def test_an_assignment_is_the_best_of_all_permutations(seed):
    gains = np.random.default_rng(seed).normal(size=[5, 5])
    best = max(itertools.permutations(range(5)), key=lambda p: gains[range(5), p].sum())
    assert assign(gains) == best


def test_a_structure_agrees_with_itself_in_any_order_of_its_cells():
    cells = list(GENOTYPE.values())
    other = dict(zip(GENOTYPE, [cells[0], cells[3], cells[1], cells[2]]))
    pair = compare(cells_of(GENOTYPE), cells_of(other))
    assert pair.share == 1.0 and (pair.agree, pair.nodes) == (11, 11)
    assert pair.matched["attention_4.2"] == "attention_4.0"


def test_maps_may_be_exchanged_but_not_image_and_map():
    swapped = changed(attention_4__2=["choose_2", "sum", "sum"])
    assert compare(cells_of(GENOTYPE), swapped).share == 1.0
    other = changed(look_3__0=["choose_2", "product"])
    assert compare(cells_of(GENOTYPE), other).agree == 10


def test_min_and_max_of_a_cell_are_exchanged_together():
    first = cells_of({"attention_4.0": ["min", "max", "sum"]})
    assert compare(first, cells_of({"attention_4.0": ["max", "min", "sum"]})).share == 1.0
    assert compare(first, cells_of({"attention_4.0": ["max", "max", "sum"]})).agree == 2


def test_nodes_idle_in_both_are_left_out_and_in_one_disagree():
    live = {"look_3.0": [True, False]}
    both = compare(cells_of(GENOTYPE, live), cells_of(GENOTYPE, live))
    one = compare(cells_of(GENOTYPE, live), cells_of(GENOTYPE))
    assert (both.agree, both.nodes) == (10, 10)
    assert (one.agree, one.nodes) == (10, 11)


def test_random_nodes_without_symmetries_agree_in_a_sixth():
    """One cell of three nodes; the first has six or, with both exchanges, fewer classes, the others six."""
    cells = cells_of({"look_3.0": ["sum"], "answer_3.0": ["sum"]})
    shares = by_chance([cells, cells], uniform, draws=4000)
    # Alone in its cell, min agrees with max: (4 * 1 + 2 * 2) / 36 = 8 / 36.
    assert shares.mean() == pytest.approx(8 / 36, abs=0.015)


def test_equal_runs_are_beyond_chance_and_random_ones_are_not():
    cells = cells_of(GENOTYPE)
    same = measure({"a": cells, "b": cells}, draws=200)
    assert same["share"] == 1.0 and same["uniform"]["as high"] <= 0.01
    rng = np.random.default_rng(3)
    runs = {str(i): uniform(cells, rng) for i in range(8)}
    random = measure(runs, draws=100)
    assert 0.0 < random["uniform"]["as high"] < 1.0
    assert random["share"] < random["uniform"]["95 %"] + 0.1
    assert len(agreement.rows(random)) == 28


def test_runs_of_other_models_do_not_compare():
    with pytest.raises(InputError, match="expected runs of one model"):
        compare(cells_of(GENOTYPE), cells_of({"look_3.0": ["min", "min"]}))


def test_a_structure_is_read_from_analysis_history_and_checkpoint_alike(tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    (run / "structure.jsonl").unlink(missing_ok=True)
    from_checkpoint = agreement.read_cells(run)
    alpha = {name: np.eye(6)[nodes].tolist() for name, nodes in from_checkpoint.items()}
    lines = [{"step": 9, "cells": alpha}, {"step": 3, "cells": {"look_3.0": [[1, 0, 0, 0, 0, 0]]}}]
    (run / "structure.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    from_history = agreement.read_cells(run)
    genotype = {n: [OPERATORS[i] for i in nodes] for n, nodes in from_checkpoint.items()}
    dead = {name: {"live": [False] * len(ops)} for name, ops in genotype.items()}
    (run / "analysis").mkdir(exist_ok=True)
    (run / "analysis" / "structure.json").write_text(
        json.dumps({"genotype": genotype, "cells": dead})
    )
    from_analysis = agreement.read_cells(run)
    assert from_checkpoint.keys() == from_history.keys() == from_analysis.keys() != set()
    for name, nodes in from_checkpoint.items():
        np.testing.assert_array_equal(nodes, from_history[name])
        assert (from_analysis[name] == agreement.IDLE).all()
    (run / "analysis" / "structure.json").write_text('{"cells": {}}')
    with pytest.raises(InputError, match="field 'genotype'"):
        agreement.read_cells(run)


def test_the_report_says_whether_seeds_agree(tiny_run, tmp_path, capsys):
    for seed in (0, 1):
        run = shutil.copytree(tiny_run, tmp_path / "two" / f"seed_{seed}")
        config = json.loads((run / "config.json").read_text())
        config["training"]["seed"] = seed
        (run / "config.json").write_text(json.dumps(config))
    arguments = [f"--runs={tmp_path / 'two'}", f"--output_dir={tmp_path / 'report'}"]
    assert main(["--mode=report", *arguments]) == 0
    result = json.loads((tmp_path / "report" / "agreement_two.json").read_text())
    assert result["share"] == 1.0 and result["runs"] == ["seed_0", "seed_1"]
    assert "seed_0,seed_1" in (tmp_path / "report" / "agreement_two.csv").read_text()
    assert "structures agree in 100 % of their nodes" in capsys.readouterr().out
    assert "Agreement of seeds" in (tmp_path / "report" / "report.html").read_text()
