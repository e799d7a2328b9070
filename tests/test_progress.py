"""Signs of life: lines in a log, a bar on a terminal, and the summary of the stages."""

from __future__ import annotations

import io
import sys
import time

import pytest

from lnmn_tf import progress
from lnmn_tf.progress import Finished, Stage, recorded, say, span, summary


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    monkeypatch.setattr(progress, "SHORT", 0.0)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.05)


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_log_says_what_is_done_how_far_it_is_and_when_it_ends(capsys):
    with Stage("encode", 10, "pictures", made="runs/here") as stage:
        stage.update(4)
        stage.note("loss 0.5")
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "encode: 10 pictures"
    assert lines[1].startswith("encode: 4 of 10 pictures, 00:00 so far, 00:00 left")
    assert lines[1].endswith("loss 0.5")
    assert lines[-1] == "encode: done in 0 s -> runs/here"
    assert not any("\r" in line for line in lines)


def test_a_stage_that_is_stuck_in_one_call_is_still_heard_of(capsys):
    with Stage("export"):
        time.sleep(0.2)
    assert capsys.readouterr().err.splitlines()[:2] == ["export ...", "export: 0 s so far"]


def test_a_stage_that_goes_on_says_what_was_done_before(capsys):
    with Stage("train", 1200, "steps", done=1000):
        time.sleep(0.02)
    assert capsys.readouterr().err.startswith("train: 1,000 of 1,200 steps\n")


def test_a_terminal_has_a_bar_and_no_lines(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Stage("generate", 4, "pictures") as stage:
        assert list(stage.of("abcd")) == list("abcd")
    text = terminal.getvalue()
    assert "generate: 100%" in text and "4/4" in text
    assert "done in" not in text


def test_a_stage_that_is_short_says_nothing_and_is_recorded(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SHORT", 60.0)
    with recorded() as stages, Stage("quick", 3, "steps") as stage:
        stage.update(3)
    assert capsys.readouterr().err == ""
    assert [stage.name for stage in stages] == ["quick"]


def test_a_stage_that_is_not_shown_writes_and_records_nothing(capsys):
    with recorded() as stages, Stage("quiet", 3, "steps", shown=False) as stage:
        stage.update(3)
    assert capsys.readouterr().err == ""
    assert stages == []


def test_a_stage_that_fails_is_not_recorded():
    with recorded() as stages, pytest.raises(KeyError), Stage("broken"):
        raise KeyError
    assert stages == []


def test_stages_outside_of_a_record_are_not_kept():
    with Stage("before"):
        pass
    with recorded() as stages:
        pass
    assert stages == []


def test_the_summary_adds_up_stages_of_one_name_and_leaves_out_what_took_no_time(monkeypatch):
    monkeypatch.setattr(progress, "SHORT", 1.0)
    stages = [
        Finished("train", 200.0, "runs/here"),
        Finished("encode", 2.0, ""),
        Finished("encode", 3.0, ""),
        Finished("decode", 0.5, ""),
    ]
    assert [line.split() for line in summary(stages).splitlines()] == [
        ["train", "3", "min", "20", "s", "runs/here"],
        ["encode", "5", "s"],
        ["in", "all", "3", "min", "25", "s"],
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (7500, "2 h 5 min")]
)
def test_times_are_in_words(seconds, text):
    assert span(seconds) == text


def test_what_is_said_stands_in_the_standard_output(capsys):
    with Stage("train", 2, "steps"):
        say("epoch 1/2")
    assert capsys.readouterr().out == "epoch 1/2\n"
