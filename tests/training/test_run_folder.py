"""A run folder is one experiment: what a finished one allows, and the lock."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.config.registry import MODELS
from lnmn_tf.errors import InputError
from lnmn_tf.training import evaluations
from lnmn_tf.training.run_folder import RunFolder

CHOICES = {"image_height": 11, "image_width": 13, "epochs": 4, "data_dir": "data/x"}
METRICS = {"val": {"accuracy": 0.5}}
HOLD = """
import sys, time
from lnmn_tf.training.run_folder import RunFolder
with RunFolder(sys.argv[1]).locked():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def finished(tmp_path):
    RunConfig.create(CHOICES).replace(num_words=7, num_answers=5).save(tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    return RunFolder(tmp_path)


@pytest.fixture
def holder(tmp_path):
    """A process that trains in a folder, as far as its lock goes."""
    folder = tmp_path / "held"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield RunFolder(folder), process
        process.kill()


@pytest.mark.parametrize("same", [{}, {"xla": "off"}, {"workers": 3}, {"data_dir": "./data/x"}])
def test_the_same_flags_find_a_run_finished(finished, same):
    assert finished.finished(RunConfig.create({**CHOICES, **same})) == METRICS


@pytest.mark.parametrize(
    "other, words",
    [
        ({"seed": 5}, "--seed=0, but --seed is 5"),
        ({"epochs": 3}, "--epochs=4, but --epochs is 3"),
        ({"epochs": 5, "seed": 5}, "--seed=0|--epochs=4"),
        ({"data_dir": "data/y"}, "--data_dir=data/x, but --data_dir is data/y"),
        ({"max_val_questions": 9}, "--max_val_questions"),
        ({"baselines": False}, "--baselines"),
        ({"map_dim": 9}, "--map_dim"),
    ],
)
def test_other_flags_are_refused_with_the_advice_to_take_another_folder(finished, other, words):
    with pytest.raises(InputError, match=f"({words}).*another --run_dir"):
        finished.finished(RunConfig.create({**CHOICES, **other}))


def test_more_epochs_and_a_run_without_metrics_are_left_to_train(finished):
    assert finished.finished(RunConfig.create({**CHOICES, "epochs": 5})) is None
    finished.set_results_aside()
    assert finished.finished(RunConfig.create(CHOICES)) is None
    assert json.loads((finished.path / "metrics_4_epochs.json").read_text()) == METRICS


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"val": {}}', "[" * 100_000])
def test_metrics_that_are_none_are_named(finished, content):
    (finished.path / "metrics.json").write_text(content)
    with pytest.raises(
        InputError, match=r"metrics\.json: (is no file of metrics|cannot be read as JSON)"
    ):
        finished.finished(RunConfig.create(CHOICES))


def test_a_second_training_is_refused_while_the_first_lives_and_not_after_its_kill(holder):
    folder, process = holder
    for wanted in (folder.check_free, lambda: folder.locked().__enter__()):
        with pytest.raises(InputError, match=f"process {process.pid} of .*another --run_dir"):
            wanted()
    process.kill()
    process.wait()
    folder.check_free()
    with folder.locked():
        assert folder.path.is_dir()


@pytest.mark.parametrize(
    "made, words",
    [
        ("checkpoints/index.json", "goes on from the last checkpoint"),
        ("seed_1/checkpoints/index.json", "goes on from the last checkpoint"),
        ("encoder/epoch_0003/state.json", "image encoder's last finished epoch"),
        ("config.json", "begins anew"),
    ],
)
def test_who_stops_a_run_is_told_where_it_goes_on(tmp_path, made, words):
    (tmp_path / made).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / made).write_text("{}")
    assert words in RunFolder(tmp_path).where_it_goes_on()


def test_looking_whether_a_folder_is_free_does_not_make_it(tmp_path):
    RunFolder(tmp_path / "none").check_free()
    assert not (tmp_path / "none").exists()


def test_a_record_is_found_by_step_and_flags_and_the_one_of_most_questions_wins(tmp_path):
    config = RunConfig.create(CHOICES)
    hard = config.replace(hard_operators=True)
    for step, of, questions in [(3, config, 10), (3, config, 90), (3, config, 20), (3, hard, 100)]:
        flags = evaluations.answering_flags(of)
        table = {"accuracy": {"questions": questions}}
        evaluations.append(tmp_path, {"step": step, "flags": flags}, table)
    with open(tmp_path / evaluations.FILE, "a") as stream:
        stream.write('{"step": 3, "cut sh')
    assert evaluations.find(tmp_path, config, 3)["accuracy"]["questions"] == 90
    assert evaluations.find(tmp_path, hard, 3)["accuracy"]["questions"] == 100
    assert evaluations.find(tmp_path, config, 4) is None
    assert evaluations.find(tmp_path, config.replace(mixed_precision="bfloat16"), 3) is None
    assert evaluations.find(tmp_path / "nowhere", config, 3) is None


def test_evaluations_at_once_lose_no_record_nor_does_one_after_a_kill(tmp_path):
    with open(tmp_path / evaluations.FILE, "a") as stream:
        stream.write('{"step": 3, "cut sh')

    def add(first):
        for number in range(first, first + 40):
            evaluations.append(tmp_path, {"step": number}, {"text": "x" * 5000})

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(add, range(0, 200, 40)))
    assert sorted(record["step"] for record in evaluations.read(tmp_path)) == list(range(200))


@pytest.mark.parametrize("model", MODELS)
def test_a_record_has_the_flags_that_its_model_has(model):
    config = RunConfig.create({**CHOICES, "model": model})
    has_operators = hasattr(config.model, "hard_operators")
    assert ("hard_operators" in evaluations.answering_flags(config)) == has_operators
