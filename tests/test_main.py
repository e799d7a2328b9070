"""The modes of `main`, in this process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lnmn_tf
from lnmn_tf.config import RunConfig
from lnmn_tf.config.command import COMMANDS
from lnmn_tf.config.flags import flag_names, flag_of, settable, to_flags
from lnmn_tf.config.modes import MODES, Mode
from lnmn_tf.config.registry import PRESETS
from lnmn_tf.config.run import of_run
from lnmn_tf.errors import InputError
from lnmn_tf.main import main, parse
from lnmn_tf.training import evaluations
from tests.conftest import to_arguments

ROOT = Path(__file__).resolve().parents[1]
PICTURE = "images/val/CLEVR_val_000001.png"


def test_the_public_names_are_few_and_there():
    assert lnmn_tf.__all__ == ["LNMN", "StackNMN", "Trace", "Vocabulary", "interop"]
    for name in lnmn_tf.__all__:
        assert getattr(lnmn_tf, name) is not None


def test_importing_the_package_loads_no_tensorflow():
    code = "import sys, lnmn_tf, lnmn_tf.main; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("version", [(3, 8), (3, 12), (2, 7)])
def test_another_python_is_refused_in_one_sentence(version):
    code = f"import sys; sys.version_info = {version} + (0,); import lnmn_tf"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "python3.11" in done.stderr


def test_main_is_alone_in_reading_flags():
    for path in (ROOT / "lnmn_tf").rglob("*.py"):
        if path.name != "main.py":
            assert not re.search(r"^(from|import) absl", path.read_text(), re.MULTILINE), path


def shown_flags(text):
    return re.findall(r"^  --(\w+):", text, re.MULTILINE)


def test_help_shows_what_people_need_and_helpfull_every_flag(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "Config(" not in text
    short = shown_flags(text)
    assert 20 <= len(short) == len(set(short)) <= 26
    assert main(["--helpfull"]) == 0
    full = capsys.readouterr().out
    assert sorted(shown_flags(full)) == sorted(("mode", *flag_names()))
    assert "Config(" not in full  # a default is a value
    fields = re.findall(r"^    --set=(\w+): .+\.", full, re.MULTILINE)
    assert sorted(fields) == sorted(name for name in settable() if flag_of(name) == "set")


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_mode_has_a_function_flags_that_exist_and_help_for_all_of_them(mode, capsys):
    assert callable(mode.load())
    assert set(mode.names) <= {*COMMANDS, *settable()}
    assert set(mode.shown) <= set(mode.flags) <= set(flag_names())
    assert main([f"--mode={mode.name}", "--help"]) == 0
    assert shown_flags(capsys.readouterr().out) == list(mode.flags)


def test_every_flag_belongs_to_a_mode():
    assert set().union(*(mode.flags for mode in MODES.values())) == set(flag_names())
    assert set().union(*(mode.names for mode in MODES.values())) == {*COMMANDS, *settable()}


def test_a_mode_is_added_by_one_entry(monkeypatch, capsys):
    mode = Mode("count", "Counts words.", "tests.test_main:count_words", ("question", "mix"))
    monkeypatch.setitem(MODES, "count", mode)
    assert main(["--mode=count", "--question=How many?", "--mix=x:10%"]) == 0
    assert capsys.readouterr().out == "2 {'mix': 'x:10%'}\n"
    assert main(["--mode=count", "--image=x.png"]) == 1
    assert "--image is no flag of --mode=count" in capsys.readouterr().err


def count_words(command, choices):
    print(len(command.question.split()), choices)


@pytest.mark.parametrize("first", [True, False])
def test_the_command_line_wins_over_a_flagfile_wherever_it_stands(tmp_path, first):
    path = tmp_path / "x.flags"
    path.write_text(
        "# a comment\n--mode=train\n--run_dir=theirs\n--epochs=3\n--xla=off\n"
        "--set=encoder_filters=4,5\n"
    )
    own, files = ["--epochs=7", "--run_dir=mine"], [f"--flagfile={path}"]
    command, choices = parse([*files, *own] if first else [*own, *files])
    assert choices == {"epochs": 7, "xla": "off", "encoder_filters": (4, 5)}
    assert (command.mode, command.run_dir) == ("train", "mine")
    own = ["--mode=evaluate", "--max_val_questions=5"]
    command, choices = parse([*files, *own] if first else [*own, *files])
    assert choices == {
        "max_val_questions": 5,
        "xla": "off",
    }  # what evaluate does not know is not used
    assert (command.mode, command.run_dir) == ("evaluate", "theirs")


def test_one_flag_sets_fields_that_are_chosen_together():
    given = ["--image_size=144x96", "--cells=2,1,1,3", "--decay=linear:0.7:0.02"]
    _, choices = parse(given)
    assert choices == {
        "image_width": 144,
        "image_height": 96,
        "attention_3": 2,
        "attention_4": 1,
        "answer_3": 1,
        "answer_4": 3,
        "decay": "linear",
        "decay_start": 0.7,
        "final_learning_rate": 0.02,
    }
    _, choices = parse(["--decay=cosine"])  # what is left out has its default
    assert choices == {"decay": "cosine", "decay_start": 0.0, "final_learning_rate": 0.0}


def test_set_is_typed_and_repeatable_and_the_command_line_wins(tmp_path):
    path = tmp_path / "x.flags"
    path.write_text("--set=clip_norm=3\n--set=unrolled=true\n--set=clip_norm=4\n")
    _, choices = parse(["--set=encoder_strides=2,1", f"--flagfile={path}", "--set=warmup_steps=7"])
    expected = {"clip_norm": 4.0, "unrolled": True, "encoder_strides": (2, 1), "warmup_steps": 7}
    assert choices == expected
    _, choices = parse([f"--flagfile={path}", "--set=clip_norm=5"])
    assert choices == {"clip_norm": 5.0, "unrolled": True}


def test_flags_are_the_inverse_of_parsing():
    given = ["--preset=quickstart", "--image_size=144x96", "--set=unrolled=true", "--generate"]
    _, choices = parse([*given, "--question_types=zero_hop:7,one_hop"])
    assert parse(to_flags(choices).splitlines())[1] == choices
    assert choices["kb_dim"] == 32 and choices["question_types"] == ("zero_hop:7", "one_hop")


def test_a_preset_gives_way_to_flags_and_leaves_out_what_the_model_has_not():
    _, choices = parse(["--preset=quickstart", "--map_dim=48"])
    assert (choices["map_dim"], choices["mem_dim"]) == (48, 64)
    _, choices = parse(["--preset=quickstart", "--model=stack_nmn"])
    assert "map_dim" not in choices and choices["mem_dim"] == 64
    for name in PRESETS:
        RunConfig.create({"features": "{split}.h5", **parse([f"--preset={name}"])[1]})


def test_a_flagfile_may_be_the_next_word_and_hold_another(tmp_path):
    (tmp_path / "inner").write_text("--epochs=3\n--seed=4\n")
    (tmp_path / "outer").write_text(f"--flagfile={tmp_path / 'inner'}\n--seed=5\n")
    _, choices = parse(["--flagfile", str(tmp_path / "outer"), "--batch_size=2"])
    assert choices == {"epochs": 3, "seed": 5, "batch_size": 2}


def test_generate_makes_the_embedded_world(tmp_path, capsys):
    sizes = {"train_images": 2, "val_images": 1, "picture_width": 24, "picture_height": 16}
    assert main(to_arguments(mode="generate", data_dir=tmp_path, workers=1, **sizes)) == 0
    assert len(list((tmp_path / "images" / "train").glob("*.png"))) == 2
    assert f"--mode=train --data_dir={tmp_path}" in capsys.readouterr().out


def test_no_config_says_which_mode():
    for path in (ROOT / "configs").glob("*.flags"):
        assert not re.search("^--mode=", path.read_text(), re.MULTILINE), path


@pytest.mark.parametrize(
    "arguments, words",
    [
        (
            ["--mode=generate", "--seed=5"],
            ["--seed", "generate", "did you mean --set=world_seed=VALUE?"],
        ),
        (["--mode=evaluate", "--epochs=5"], ["--epochs", "--mode=evaluate", "train"]),
        (["--mode=evaluate", "--map_dim=17"], ["--map_dim", "--mode=evaluate", "train"]),
        (["--mode=answer", "--batch_size=5"], ["--batch_size", "--mode=answer"]),
        (["--mode=answer", "--port=5"], ["--port", "serve"]),
        (["--mode=serve", "--export=true"], ["--export ", "train"]),
        (["--mode=train", "--hard_operators"], ["--hard_operators", "evaluate"]),
        (["--set=module_threshold=0.1"], ["--set=module_threshold", "evaluate"]),
        (["--mode=evaluate", "--spilt=val"], ["--spilt", "did you mean --split"]),
        (["--epoch=5"], ["--epoch ", "did you mean --epochs"]),
        (["--zork=5"], ["--zork"]),
        (["--kb_dim=5"], ["--kb_dim is no flag", "--set=kb_dim=VALUE"]),
        (["--kb_dims=5"], ["--kb_dims is no flag", "did you mean --set=kb_dim=VALUE?"]),
        (["--answer_3=2"], ["--answer_3 is no flag", "--cells=4,2,1,1"]),
        (["--mode=evaluate", "--cells=4,2,1,1"], ["--cells is no flag of --mode=evaluate"]),
        (["--mode=answer", "--set=clip_norm=5"], ["--set=clip_norm is no flag of --mode=answer"]),
        (["--set=clip_norms=5"], ["'clip_norms'", "did you mean --set=clip_norm=VALUE?"]),
        (["--set=zork=5"], ["'zork'", "--helpfull"]),
        (["--set=epochs=5"], ["epochs has a flag", "expected --epochs"]),
        (["--set=image_width=5"], ["image_width has a flag", "--image_size=144x96"]),
        (["--set=clip_norm"], ["no value", "--set=clip_norm=VALUE"]),
        (["--set=clip_norm=soft"], ["clip_norm is 'soft'", "a finite number"]),
        (["--image_size=96"], ["--image_size is '96'", "--image_size=144x96"]),
        (["--cells=4,2,1,x"], ["--cells is '4,2,1,x'", "--cells=4,2,1,1"]),
        (["--preset=huge"], ["--preset is 'huge'", "quickstart"]),
        (["--run_dir="], ["--run_dir", "empty"]),
        (["--flagfile"], ["--flagfile", "empty"]),
        (["--flagfile="], ["--flagfile", "empty"]),
    ],
)
def test_a_flag_that_the_mode_does_not_know_is_refused_with_advice(arguments, words, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in words:
        assert word in error


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.flags")), ids=lambda p: p.stem)
def test_every_config_is_valid_and_headed_by_its_run_card(path, monkeypatch, capfd):
    monkeypatch.chdir(ROOT)
    command, choices = parse([f"--flagfile=configs/{path.name}"])
    printed = capfd.readouterr()
    assert not printed.out + printed.err  # as for a file that includes itself
    RunConfig.create(of_run(choices))
    assert command.run_dir == f"runs/{path.stem}"
    head = path.read_text().split("\n--")[0]
    for entry in ("Reproduces", "Command", "Time", "Result", "Paper"):
        assert len(re.findall(f"^# {entry} ", path.read_text(), re.MULTILINE)) == 1, entry
        assert re.search(f"^# {entry} ", head, re.MULTILINE), entry


@pytest.mark.parametrize("model", ["paper", "released", "stack_nmn"])
def test_the_config_of_all_models_is_one_of_each(model, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, choices = parse(["--flagfile=configs/models.flags", f"--model={model}"])
    assert RunConfig.create(of_run(choices)).model.model == model


def test_flags_txt_gives_the_same_config_again(tiny_run):
    _, choices = parse([f"--flagfile={tiny_run / 'flags.txt'}"])
    saved = RunConfig.load(tiny_run)
    RunConfig.create(choices).replace(
        num_words=saved.model.num_words, num_answers=saved.model.num_answers
    ).check_fits(saved, tiny_run)


def test_evaluate_repeats_what_training_reported(tiny_run, capsys):
    assert main(["--mode=evaluate", f"--run_dir={tiny_run}"]) == 0
    record = evaluations.read(tiny_run)[-1]
    assert record["accuracy"] == json.loads((tiny_run / "metrics.json").read_text())["val"]
    written = (tiny_run / record["predictions"]).read_text()
    assert written == (tiny_run / "predictions.txt").read_text()
    assert "accuracy" in capsys.readouterr().out


def test_evaluate_takes_inference_switches(tiny_run):
    assert main(["--mode=evaluate", f"--run_dir={tiny_run}", "--hard_operators"]) == 0


def test_answer_gives_answers_by_falling_probability(tiny_run, tiny_world, capsys):
    arguments = ["--mode=answer", f"--run_dir={tiny_run}", f"--image={tiny_world / PICTURE}"]
    assert main([*arguments, "--question=Are there any zorkmids?"]) == 0
    captured = capsys.readouterr()
    shares = [float(line.split("%")[0]) for line in captured.out.splitlines()]
    assert shares == sorted(shares, reverse=True)
    assert 0.0 < sum(shares) <= 100.1
    assert "zorkmids" in captured.err


def test_the_command_of_a_finished_run_says_so_without_tensorflow_and_changes_nothing(tiny_run):
    before = {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*")}
    code = (
        "import sys; from lnmn_tf.main import main; code = main(sys.argv[1:]);"
        "sys.exit(code or 'tensorflow' in sys.modules)"
    )
    arguments = [f"--flagfile={tiny_run / 'flags.txt'}", f"--run_dir={tiny_run}"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "is finished" in done.stdout and "--epochs" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*")} == before


def test_evaluations_stand_side_by_side_and_say_what_they_are_of(tiny_run):
    before = evaluations.read(tiny_run)
    fewer = ["--max_val_questions=7", "--batch_size=5", "--cache_mb=0"]
    for flags in (["--hard_operators"], fewer, ["--checkpoint=last"]):
        assert main(["--mode=evaluate", f"--run_dir={tiny_run}", *flags]) == 0
    records = evaluations.read(tiny_run)
    assert records[: len(before)] == before
    hard, few, last = records[len(before) :]
    assert hard["flags"]["hard_operators"] and not few["flags"]["hard_operators"]
    assert few["limit"] == few["accuracy"]["questions"] == 7
    assert last["checkpoint"] == "last"
    names = [record["predictions"] for record in records]
    assert len({hard["predictions"], few["predictions"], records[0]["predictions"]}) == 3
    assert all((tiny_run / name).is_file() for name in names)


def test_an_evaluation_that_cannot_be_kept_is_shown(tiny_run, capsys, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "evaluations.jsonl")

    monkeypatch.setattr(evaluations, "append", refuse)
    assert main(["--mode=evaluate", f"--run_dir={tiny_run}"]) == 1
    captured = capsys.readouterr()
    assert "accuracy" in captured.out
    assert "evaluations.jsonl: Permission denied" in captured.err


def test_a_run_is_opened_with_the_sizes_that_it_was_trained_with(tiny_run):
    from lnmn_tf.training.trained import TrainedRun

    with pytest.raises(InputError, match="--map_dim is 17.*hard_operators"):
        TrainedRun.open(tiny_run, changes={"map_dim": 17})
