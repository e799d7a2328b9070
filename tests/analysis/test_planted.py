"""The experiment of the graded world: its arms, its runs on one graph, and its tables."""

import json

import numpy as np
import pytest

from lnmn_tf.analysis import agreement, planted, planted_runs
from lnmn_tf.analysis.planted_cells import describe_cells
from lnmn_tf.analysis.planted_picture import draw
from lnmn_tf.config.names import OPERATORS
from lnmn_tf.main import main
from lnmn_tf.models.genotype import genotype_text, read_genotype
from lnmn_tf.training.trials import Trial
from lnmn_tf.world.graded import KINDS, graded_world, write_graded

NODES = {cell: len(nodes) for cell, nodes in planted.HAND.items()}


def row(arm, seed, accuracy, operator="min"):
    row = {"arm": arm, "seed": seed, **dict.fromkeys(KINDS, accuracy)}
    for kind in ("and", "or", "same", "more"):
        row |= {f"{kind} operator": operator, f"{kind} weight": 1.0}
    return row


@pytest.mark.parametrize("name", ["hand", "product", "random"])
def test_genotypes_of_the_arms_fit_the_model(name, tmp_path):
    path = tmp_path / "genotype.json"
    path.write_text(genotype_text(planted.genotype(name, 3)))
    assert read_genotype(path, NODES) == planted.genotype(name, 3)


def test_random_genotypes_differ_by_seed_and_all_product_is_all_product():
    draws = [json.dumps(planted.genotype("random", seed)) for seed in range(planted.DRAWS)]
    assert len(set(draws)) == planted.DRAWS
    assert planted.genotype("random", 1) == planted.genotype("random", 1)
    assert {o for nodes in planted.genotype("product").values() for o in nodes} == {"product"}


def test_the_rung_joins_draws_only_what_is_not_told():
    told = planted.given("joins")
    open_ = [(cell, i) for cell, nodes in told.items() for i, name in enumerate(nodes) if not name]
    assert open_ == [(f"{bank}.{i}", 0) for bank in planted.JOINS for i in (0, 1)]
    drawn = planted.genotype("random", 2, "joins")
    for cell, nodes in told.items():
        assert [name for name, own in zip(drawn[cell], nodes) if own] == [n for n in nodes if n]
    assert drawn != planted.HAND
    assert planted.given("expert") == planted.given("answers") == {}


def test_the_best_pair_is_found_among_the_operators_that_are_allowed():
    def trial(pair, accuracy):
        return Trial(pair, {"accuracy": accuracy, "questions": 4000})

    trials = [
        trial(("min", "max"), 0.96),
        trial(("sum", "product"), 0.9),
        trial(("product", "choose_1"), 0.898),  # as good, and simpler
        trial(("max", "max"), 0.92),
    ]
    assert planted.found(trials, OPERATORS) == ("min", "max")
    assert planted.found(trials, planted.ARMS["forbidden"].tried) == ("product", "choose_1")


def test_a_pair_stands_in_both_banks_and_all_else_is_by_hand():
    made = planted.joined(("sum", "min"))
    for bank in planted.JOINS:
        assert [made[f"{bank}.{i}"][0] for i in (0, 1)] == ["sum", "min"]
        assert all(made[f"{bank}.{i}"][1:] == planted.HAND[f"{bank}.{i}"][1:] for i in (0, 1))
    assert all(made[cell] == planted.HAND[cell] for cell in ("look_3.0", "answer_3.0"))


def test_the_table_has_mean_and_deviation_of_each_arm():
    rows = [row("searched", 0, 0.5), row("searched", 1, 0.7), row("product", 0, 0.25, "product")]
    lines = planted.summary(rows).split("\n")
    assert "60.0 ± 14.1" in lines[1] and lines[1].endswith("min/min, min/min")
    assert "25.0" in lines[2] and "±" not in lines[2]


def test_the_picture_shows_each_run_and_each_pair():
    rows = [row("tried", 0, 0.5), row("tried", 1, 0.7, "max"), row("product", 0, 0.25)]
    assert len(draw(rows).axes) == 1  # nothing was tried
    trials = [
        [Trial(("min", "max"), {"families": dict.fromkeys(KINDS, accuracy)})]
        for accuracy in (0.8, 0.9)
    ]
    accuracies, *pairs = draw(rows, trials).axes
    marks = np.concatenate(
        [line.get_ydata() for line in accuracies.lines if line.get_zorder() == 3]
    )
    assert sorted(set(np.round(marks).tolist())) == [25, 50, 70]
    assert [axes.get_title(loc="left").partition(":")[0] for axes in pairs] == list(KINDS[1:])
    for axes in pairs:
        shades = axes.images[0].get_array().filled(np.nan)
        assert shades[1, 0] == pytest.approx(85) and np.isnan(shades).sum() == 35


def test_wrong_arguments_are_refused(capsys):
    for arguments, text in (
        (["--arms=found"], "expected some of tried"),
        (["--rung=plan"], "expected one of answers"),
        (["--seeds=0"], "at least 1"),
    ):
        with pytest.raises(planted.InputError, match=text):
            planted.run(arguments)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graded")
    with pytest.MonkeyPatch.context() as patch:
        small = {"epochs": 1, "batch_size": 16, "warmup_steps": 1, "xla": "off"}
        patch.setattr(planted_runs, "TRAINING", {**planted_runs.TRAINING, **small})
        write_graded(
            folder / "data",
            {"train": graded_world(80, 1, contested=0), "val": graded_world(30, 2, contested=0)},
        )
        yield planted_runs.SharedRuns(folder / "data"), folder


def test_a_run_on_the_shared_graph_is_a_run_folder_and_begins_anew(runs, capsys):
    shared, folder = runs
    first = shared.run(folder / "a", seed=1)
    cells = describe_cells(shared)
    path = folder / "hand.json"
    path.write_text(genotype_text(planted.HAND))
    hand = shared.run(folder / "hand", seed=1, genotype=str(path))
    told = planted.given("joins")
    shared.run(folder / "told", seed=1, given=told)
    kept = agreement.read_cells(folder / "told")
    for cell, nodes in told.items():
        assert all(OPERATORS[i] == name for i, name in zip(kept[cell], nodes) if name)
    again = shared.run(folder / "b", seed=1)
    assert first["kinds"] == again["kinds"]
    one, other = (agreement.read_cells(folder / name) for name in ("a", "b"))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    given = agreement.read_cells(folder / "hand")
    assert {k: [OPERATORS[i] for i in v] for k, v in given.items()} == planted.HAND
    assert "expert layouts" in hand["supervision"]["layout"]
    assert set(cells["kinds"]) == {"and", "or", "same", "more"} and -1 <= cells["sign"] <= 1
    assert np.allclose(np.sum(cells["layouts"]["and"], axis=-1), 1, atol=0.01)
    assert main(["--mode=evaluate", f"--run_dir={folder / 'a'}"]) == 0
    assert f"{100 * first['val']['accuracy']:.1f}" in capsys.readouterr().out


def test_what_a_run_is_given_stays_given_whatever_a_decay_does(runs, monkeypatch):
    shared, folder = runs
    told, train = planted.given("joins"), shared.trainer.fit

    def fit_and_decay(*args, **kwargs):
        train(*args, **kwargs)
        for structure in shared.network.structure.values():
            structure.assign(1e-3 * structure)

    monkeypatch.setattr(shared.trainer, "fit", fit_and_decay)
    shared.run(folder / "decayed", seed=1, given=told)
    alpha = {name: structure.numpy() for name, structure in shared.network.structure.items()}
    for cell, operators in told.items():
        bank, _, number = cell.partition(".")
        for mixture, name in zip(np.exp(alpha[bank][int(number)]), operators):
            if name:
                assert mixture.max() == pytest.approx(1.0) == mixture.sum()
                assert OPERATORS[mixture.argmax()] == name
            else:
                assert mixture.sum() == pytest.approx(6.0, abs=0.5)  # decayed


def test_a_trial_trains_what_a_run_with_that_structure_trains(runs):
    shared, folder = runs
    structure = planted.joined(("min", "sum"))
    table = shared.held_out(1, structure)
    after_trial = [variable.numpy() for variable in shared.network.trainable_variables]
    path = folder / "min_sum.json"
    path.write_text(genotype_text(structure))
    shared.run(folder / "min_sum", seed=1, genotype=str(path))
    for one, other in zip(after_trial, shared.network.trainable_variables):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-6)
    assert table["questions"] == 20 and set(table["families"]) == set(KINDS)
    assert 0.0 <= table["accuracy"] <= 1.0


def test_what_was_tried_is_in_the_ledger(runs, tmp_path):
    shared, _ = runs
    path = tmp_path / "genotype.json"
    path.write_text(genotype_text(planted.HAND))
    metrics = shared.run(tmp_path / "run", seed=1, genotype=str(path), how="trials choose")
    assert metrics["supervision"]["structure of modules"] == "trials choose"
