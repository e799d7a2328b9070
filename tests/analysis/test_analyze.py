"""`--mode=analyze` from end to end: what it writes, how it goes on, what it refuses."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from lnmn_tf.analysis import operators, stack
from lnmn_tf.analysis import run as runs
from lnmn_tf.analysis import sweep as sweeps
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import Probe
from lnmn_tf.analysis.run import INSTRUMENTS, analyze, run_instrument
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.errors import InputError
from lnmn_tf.main import main
from lnmn_tf.models.genotype import read_genotype
from lnmn_tf.models.registry import make_config
from lnmn_tf.training.networks import build_network

QUESTIONS = "questions/CLEVR_{}_questions.json"
QUICK = ("structure", "formulas", "layouts", "stack", "relations")
SLOW = tuple(name for name in INSTRUMENTS if name not in QUICK)


@pytest.fixture(scope="module")
def results(analysed_run):
    """The folder of results."""
    analyze({}, str(analysed_run), points="2", what=",".join(QUICK))
    return analysed_run / "analysis"


@pytest.fixture(scope="module")
def all_results(results, analysed_run):
    """The same, with those of the instruments that take their time."""
    analyze({}, str(analysed_run), points="2", what=",".join(SLOW))
    return results


@pytest.mark.parametrize("what", QUICK)
def test_an_instrument_writes_a_table_json_and_pictures(results, what):
    check_files(results, what)


@pytest.mark.slow
@pytest.mark.parametrize("what", SLOW)
def test_a_slow_instrument_writes_a_table_json_and_pictures(all_results, what):
    check_files(all_results, what)


def check_files(results, what):
    with open(results / f"{what}.csv", newline="") as stream:
        assert list(csv.DictReader(stream))
    assert json.loads((results / f"{what}.json").read_text())
    pictures = sorted(results.glob(f"{what}*.png"))
    assert pictures
    for path in pictures:
        assert path.with_suffix(".svg").read_text().startswith("<?xml")
        pixels = np.asarray(Image.open(path).convert("L"), float)
        assert pixels.shape[1] >= 700 and pixels.std() > 5


def test_the_genotype_that_is_written_is_read_back(results, subject):
    nodes = {cell.name: cell.nodes for cell in subject.probe.cells}
    genotype = read_genotype(results / "structure_genotype.json", nodes)
    told = json.loads((results / "structure.json").read_text())["cells"]
    assert genotype == {name: cell["strongest"] for name, cell in told.items()}


def test_a_stopped_analysis_goes_on_where_it_was(subject, tmp_path, monkeypatch):
    """Three parts; the process is stopped in the third, and the next one computes that alone."""
    subject = dataclasses.replace(subject, folder=tmp_path)
    monkeypatch.setattr(
        type(subject), "batch_size", 5
    )  # a part has a batch, and there are 15 questions
    monkeypatch.setattr(sweeps, "_ANSWERS_PER_PART", 5)
    count, counted = sweeps._count, []

    def stopping(*arguments):
        if len(counted) == 2 and not stopping.again:
            raise KeyboardInterrupt
        counted.append(1)
        return count(*arguments)

    stopping.again, once = False, {"retrain_steps": 0}
    monkeypatch.setattr(sweeps, "_count", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_instrument("hardmax", subject, once)
    assert len(counted) == 2
    stopping.again = True
    result = run_instrument("hardmax", subject, once)
    assert len(counted) == 3
    assert result == run_instrument("hardmax", dataclasses.replace(subject, folder=None), once)


def complaint(capsys, *arguments) -> str:
    assert main(["--mode=analyze", *arguments]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    return error


@pytest.mark.parametrize(
    "options, words",
    [
        ({"points": "0"}, ["points", "'0'", "at least 1"]),
        ({"points": "many"}, ["points", "'many'"]),
        ({"attribution": "mine"}, ["attribution", "'mine'", "released"]),
    ],
)
def test_wrong_options_get_one_sentence(analysed_run, options, words):
    with pytest.raises(InputError) as caught:
        analyze({}, str(analysed_run), what="attribution", **options)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--what=colour"], ["--what", "'colour'", "structure"]),
        (["--split=nowhere"], ["nowhere", "val"]),
    ],
)
def test_wrong_flags_get_one_sentence(capsys, analysed_run, flags, words):
    error = complaint(capsys, f"--run_dir={analysed_run}", *flags)
    for word in words:
        assert word in error


def test_an_unfinished_run_is_refused_but_for_its_last_checkpoint(capsys, tiny_run, tmp_path):
    run_dir = shutil.copytree(tiny_run, tmp_path / "run")
    (run_dir / "metrics.json").unlink()
    error = complaint(capsys, f"--run_dir={run_dir}", "--what=structure")
    assert "metrics.json" in error and "not finished" in error
    assert (
        main(["--mode=analyze", f"--run_dir={run_dir}", "--what=formulas", "--checkpoint=last"])
        == 0
    )


def edited_world(tiny_world, folder, split, change):
    world = shutil.copytree(tiny_world, folder)
    path = world / QUESTIONS.format("val")
    content = json.loads(path.read_text())
    for question in content["questions"]:
        change(question)
    (world / QUESTIONS.format(split)).write_text(json.dumps(content))
    if split != "val":
        shutil.copytree(world / "images" / "val", world / "images" / split)
    return world


def test_questions_of_other_data_are_refused(capsys, analysed_run, tiny_world, tmp_path):
    world = edited_world(
        tiny_world,
        tmp_path / "world",
        "val",
        lambda q: q.update(question="Wer hat den Ball gesehen ?"),
    )
    flags = [f"--run_dir={analysed_run}", f"--data_dir={world}", "--what=hardmax"]
    error = complaint(capsys, *flags)
    assert "CLEVR_val_questions.json" in error and "unknown" in error and "trained on" in error


@pytest.mark.parametrize("what", ["attribution", "operators", "hardmax", "layouts", "stack"])
def test_a_split_without_answers_is_refused(capsys, analysed_run, tiny_world, tmp_path, what):
    world = edited_world(tiny_world, tmp_path / "world", "test", lambda q: q.pop("answer"))
    flags = [f"--run_dir={analysed_run}", f"--data_dir={world}", "--split=test"]
    error = complaint(capsys, *flags, f"--what={what}")
    assert "CLEVR_test_questions.json" in error and "answers" in error and what in error


def test_layouts_of_a_split_without_programs_are_refused(
    capsys, analysed_run, tiny_world, tmp_path
):
    world = edited_world(tiny_world, tmp_path / "world", "val", lambda q: q.pop("program"))
    error = complaint(capsys, f"--run_dir={analysed_run}", f"--data_dir={world}", "--what=layouts")
    assert "CLEVR_val_questions.json" in error and "programs" in error


def test_stack_nmn_is_analysed_as_far_as_it_goes(capsys, subject, tmp_path, monkeypatch):
    """It has modules and a stack, but no nodes."""
    sizes = ("num_words", "num_answers", "embed_dim", "text_dim", "kb_dim", "mem_dim", "mlp_dim")
    encoder = ("image_height", "image_width", "encoder_filters", "encoder_strides")
    config = subject.probe.network.config
    same = {name: getattr(config, name) for name in sizes + encoder}
    network = build_network(make_config("stack_nmn", **same, num_steps=2, stack_len=3))
    run = dataclasses.replace(subject.config, model=network.config)
    other = dataclasses.replace(subject, probe=Probe(network), config=run, folder=tmp_path)
    monkeypatch.setattr(Subject, "open", lambda *arguments: other)
    error = complaint(capsys, f"--run_dir={tmp_path}", "--what=structure,stack")
    assert "no nodes" in error and "stack_nmn" in error and "structure" in error
    ran = []
    monkeypatch.setattr(runs, "run_instrument", lambda name, *others: ran.append(name))
    assert main(["--mode=analyze", f"--run_dir={tmp_path}"]) == 0
    assert ran == [name for name in INSTRUMENTS if name not in runs.NEED_NODES]
    result = stack.measure(other, Ledger(), {})
    assert result["accuracy"].keys() == {"as it is", "one slot"}
    assert set(operators.measure(other, Ledger(), {})["modules"]) == {*network.module_names} - {
        "no_op"
    }
