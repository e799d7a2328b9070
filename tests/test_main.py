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
from lnmn_tf.main import main, parse

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


def test_main_is_short_and_alone_in_reading_flags():
    assert len((ROOT / "lnmn_tf" / "main.py").read_text().splitlines()) <= 170
    for path in (ROOT / "lnmn_tf").rglob("*.py"):
        if path.name != "main.py":
            assert not re.search(r"^(from|import) absl", path.read_text(), re.MULTILINE), path


def test_help_explains_every_flag(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in ("--mode", "--map_dim", "--structure_every", "--data_dir", "--train_images"):
        assert name in text


def test_the_command_line_wins_over_a_flagfile_before_it(tmp_path):
    path = tmp_path / "x.flags"
    path.write_text("# a comment\n--epochs=3\n--xla=off\n--encoder_filters=4,5\n")
    _, choices = parse([f"--flagfile={path}", "--epochs=7"])
    assert choices == {"epochs": 7, "xla": "off", "encoder_filters": (4, 5)}


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.flags")), ids=lambda p: p.stem)
def test_every_config_is_valid_and_headed_by_its_run_card(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    command, choices = parse([f"--flagfile=configs/{path.name}"])
    RunConfig.create(choices)
    assert command.run_dir == f"runs/{path.stem}"
    head = path.read_text().split("\n--")[0]
    for entry in ("Reproduces", "Command", "Time", "Result", "Paper"):
        assert re.search(f"^# {entry} ", head, re.MULTILINE), entry


def test_flags_txt_gives_the_same_config_again(tiny_run):
    _, choices = parse([f"--flagfile={tiny_run / 'flags.txt'}"])
    saved = RunConfig.load(tiny_run)
    RunConfig.create(choices).replace(
        num_words=saved.model.num_words, num_answers=saved.model.num_answers
    ).check_fits(saved, tiny_run)


def test_evaluate_repeats_what_training_reported(tiny_run, capsys):
    assert main(["--mode=evaluate", f"--run_dir={tiny_run}"]) == 0
    table = json.loads((tiny_run / "evaluation_val.json").read_text())
    assert table == json.loads((tiny_run / "metrics.json").read_text())["val"]
    written = (tiny_run / "predictions_val.txt").read_text()
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


def test_evaluating_with_another_size_names_the_field_and_both_values(tiny_run, capsys):
    assert main(["--mode=evaluate", f"--run_dir={tiny_run}", "--map_dim=17"]) == 1
    error = capsys.readouterr().err
    assert "--map_dim=3" in error and "17" in error
