"""Bad input at every entrance: one sentence that names it, exit code 1, no traceback, in no time.

Everything here is refused before TensorFlow is loaded; `test_bad_input.py` has what needs it.
"""

from __future__ import annotations

import json
import sys

import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.main import main

PIXELS = ["--image_size=24x16"]
FEATURES = ["--features=x_{split}.h5"]
DEEP = "[" * 100_000

# (arguments, words of the refusal)
COMMAND_LINES = [
    # what is no flag, and flags of other modes
    (["zork"], ["'zork'", "--name=value"]),
    (["--zork"], ["--zork"]),
    (["--epoch=3"], ["--epoch", "--epochs"]),
    (["--mode=fly"], ["--mode", "fly"]),
    (["--mode="], ["--mode"]),
    (["--mode"], ["mode"]),
    (["--mode=generate", "--seed=5"], ["--seed", "--set=world_seed"]),
    (["--mode=generate", "--run_dir=x"], ["--run_dir", "generate"]),
    (["--mode=evaluate", "--learning_rate=1"], ["--learning_rate", "evaluate"]),
    (["--mode=evaluate", "--question=Why?"], ["--question", "answer"]),
    (["--mode=answer", "--split=val"], ["--split", "evaluate"]),
    (["--mode=export", "--port=80"], ["--port", "serve"]),
    (["--mode=serve", "--hard_operators"], ["--hard_operators", "export"]),
    (["--hard_operators"], ["--hard_operators", "evaluate"]),
    (["--zeroed_operators=min"], ["--zeroed_operators is no flag", "--set=zeroed_operators="]),
    (["--set=module_threshold=0.1"], ["--set=module_threshold", "evaluate"]),
    # values of the wrong type
    (["--epochs=many"], ["epochs", "many"]),
    (["--epochs="], ["epochs"]),
    (["--epochs=1.5"], ["epochs", "1.5"]),
    (["--epochs"], ["epochs"]),
    (["--learning_rate=fast"], ["learning_rate", "fast"]),
    (["--generate=perhaps"], ["generate", "perhaps"]),
    (["--set=encoder_filters=4,x"], ["encoder_filters", "4,x"]),
    (["--set=encoder_filters=4,,5"], ["encoder_filters"]),
    # values out of bounds
    ([*PIXELS, "--epochs=0"], ["--epochs", "at least 1"]),
    ([*PIXELS, "--epochs=-3"], ["--epochs", "-3"]),
    ([*PIXELS, "--seed=99999999999999999999"], ["--seed", "2147483647"]),
    ([*PIXELS, "--seed=-1"], ["--seed", "-1"]),
    ([*PIXELS, "--batch_size=0"], ["--batch_size"]),
    ([*PIXELS, "--learning_rate=0"], ["--learning_rate", "more than 0"]),
    ([*PIXELS, "--learning_rate=nan"], ["--learning_rate", "finite"]),
    ([*PIXELS, "--learning_rate=inf"], ["--learning_rate", "finite"]),
    ([*PIXELS, "--learning_rate=1e999"], ["--learning_rate", "finite"]),
    ([*PIXELS, "--set=ema_decay=1"], ["ema_decay", "less than 1"]),
    ([*PIXELS, "--cache_mb=-1"], ["--cache_mb"]),
    ([*PIXELS, "--set=grow_shares=0.1,0.5,1.5"], ["grow_shares", "at most 1"]),
    ([*PIXELS, "--set=grow_shares=0.1,nan,0.6"], ["grow_shares", "nan"]),
    ([*PIXELS, "--set=grow_shares=0.1,0.6,0.5"], ["grow_shares is 0.1,0.6,0.5", "three shares"]),
    ([*PIXELS, "--set=grow_shares=0.1,0.6"], ["grow_shares is 0.1,0.6", "three shares"]),
    ([*PIXELS, "--set=structure_fraction=1"], ["structure_fraction"]),
    ([*PIXELS, "--decay=slow"], ["--decay", "cosine"]),
    ([*PIXELS, "--model=mine"], ["--model", "'mine'"]),
    ([*PIXELS, "--strategy=all"], ["--strategy", "mirrored"]),
    ([*PIXELS, "--mixed_precision=float8"], ["--mixed_precision"]),
    # values that contradict one another
    ([], ["--image_size", "--features"]),
    ([*PIXELS, *FEATURES], ["--features", "not both"]),
    (["--features=x.h5"], ["--features", "{split}"]),
    (["--image_size=0x16"], ["--image_size", "both"]),
    ([*FEATURES, "--pretrain_epochs=2"], ["--pretrain_epochs", "--features"]),
    ([*PIXELS, "--train_split=val"], ["--train_split"]),
    ([*PIXELS, "--val_split=train"], ["--val_split"]),
    ([*PIXELS, "--data_dir="], ["--data_dir", "empty"]),
    ([*PIXELS, "--export", "--num_seeds=2"], ["--num_seeds"]),
    ([*PIXELS, "--generate", "--strategy=multi_worker"], ["--generate", "multi_worker"]),
    (["--run_dir="], ["--run_dir", "empty"]),
    # more than the machine has
    (["--image_size=20000x20000"], ["GB", "--image_size"]),
    ([*PIXELS, "--map_dim=2000000000"], ["GB", "--map_dim"]),
    ([*PIXELS, "--batch_size=2000000000"], ["GB", "--batch_size"]),
    # worlds
    (["--mode=generate", "--picture_size=100000x9"], ["--picture_size", "4096"]),
    (["--mode=generate", "--questions_per_image=100000"], ["--questions_per_image", "1000"]),
    (["--mode=generate", "--train_images=2000000000"], ["GB", "--train_images"]),
    (["--mode=generate", "--set=max_objects=11"], ["max_objects is 11", "at most 10"]),
    (["--mode=generate", "--data_dir="], ["--data_dir", "empty"]),
    (["--mode=generate", "--set=world_seed=-1"], ["world_seed"]),
    # flagfiles
    (["--flagfile"], ["--flagfile", "empty"]),
    (["--flagfile="], ["--flagfile", "empty"]),
    (["--flagfile=nowhere.flags"], ["nowhere.flags"]),
    (["--flagfile=."], ["flagfile"]),
]
FLAGFILES = [
    ("--epoch=3\n", ["--epoch", "--epochs"]),
    ("epochs=3\n", ["epochs=3"]),
    ("--epochs=x\n", ["epochs", "x"]),
    ("\x00\x01\n", ["no flag"]),
    (b"\xff\xfe\x00", ["flagfile"]),
]
METRICS = {"val": {"accuracy": 0.5}}
# What stands in files of a run folder, and words of the refusal.
RUN_FILES = [
    ({"config.json": ""}, ["config.json", "JSON"]),
    ({"config.json": "{"}, ["config.json", "JSON"]),
    ({"config.json": DEEP}, ["config.json", "JSON"]),
    ({"config.json": "[]"}, ["config.json", "object"]),
    ({"config.json": "{}"}, ["config.json", "fields"]),
    ({"config.json": b"\xff\xfe"}, ["config.json", "JSON"]),
    ({"config.json": "null"}, ["config.json", "object"]),
    ({"metrics.json": "{"}, ["metrics.json", "JSON"]),
    ({"metrics.json": DEEP}, ["metrics.json", "JSON"]),
    ({"metrics.json": "[]"}, ["metrics.json", "metrics"]),
    ({"metrics.json": '{"val": {"accuracy": "good"}}'}, ["metrics.json", "metrics"]),
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working folder, which a refusal leaves empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, arguments, words) -> None:
    loaded = "tensorflow" in sys.modules
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1, captured.err
    assert "Traceback" not in captured.err and captured.out == ""
    assert ("tensorflow" in sys.modules) == loaded
    for word in words:
        assert word in captured.err, captured.err


def test_there_are_at_least_sixty_bad_inputs():
    assert len(COMMAND_LINES) + len(FLAGFILES) + len(RUN_FILES) >= 60


@pytest.mark.parametrize("arguments, words", COMMAND_LINES, ids=lambda x: " ".join(x)[:60])
def test_a_bad_command_line_is_refused_and_leaves_nothing_behind(
    arguments, words, capsys, elsewhere
):
    refused(capsys, arguments, words)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("content, words", FLAGFILES, ids=range(len(FLAGFILES)))
def test_a_bad_flagfile_is_refused(content, words, capsys, elsewhere):
    path = elsewhere / "x.flags"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(capsys, ["--flagfile=x.flags"], words)


def test_a_flagfile_that_holds_itself_ends(capsys, elsewhere):
    (elsewhere / "x.flags").write_text("--flagfile=x.flags\n--epochs=0\n")
    assert main(["--flagfile=x.flags", *PIXELS]) == 1
    assert "error: --epochs is 0" in capsys.readouterr().err


@pytest.mark.parametrize("files, words", RUN_FILES, ids=range(len(RUN_FILES)))
def test_a_damaged_run_folder_is_named(files, words, capsys, elsewhere):
    run_dir = elsewhere / "run"
    RunConfig.create({"image_height": 16, "image_width": 24}).save(run_dir)
    (run_dir / "metrics.json").write_text(json.dumps(METRICS))
    for name, content in files.items():
        (run_dir / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(capsys, [*PIXELS, f"--run_dir={run_dir}"], words)


@pytest.mark.parametrize(
    "flag", ["--seed=3", "--epochs=2", "--map_dim=5", "--data_dir=other", "--model=paper"]
)
def test_a_finished_run_of_other_flags_asks_for_another_folder(flag, capsys, elsewhere):
    run_dir = elsewhere / "run"
    RunConfig.create({"image_height": 16, "image_width": 24}).save(run_dir)
    (run_dir / "metrics.json").write_text(json.dumps(METRICS))
    before = {path.name: path.read_bytes() for path in run_dir.iterdir()}
    words = [flag.partition("=")[0], "another --run_dir"]
    refused(capsys, [*PIXELS, f"--run_dir={run_dir}", flag], words)
    assert {path.name: path.read_bytes() for path in run_dir.iterdir()} == before
