"""What bad input gets: one clear line, exit code 1, no traceback, and before training begins."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.main import main

FLAGS = ["--image_size=24x16", "--batch_size=8", "--set=structure_fraction=0.3"]
QUESTIONS = "questions/CLEVR_train_questions.json"
VAL_QUESTIONS = "questions/CLEVR_val_questions.json"
PICTURE = "images/train/CLEVR_train_000001.png"


@pytest.fixture
def world(tiny_world, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(tiny_world, tmp_path / "world")


@pytest.fixture
def complaint(tmp_path, capsys):
    """Runs main, which must fail before it writes a run folder, and returns what it says."""

    def run(*arguments, run_dir=tmp_path / "run"):
        place = [] if "--mode=generate" in arguments else [f"--run_dir={run_dir}"]
        assert main([*arguments, *place]) == 1
        error = capsys.readouterr().err.strip()
        *_, last = error.splitlines()
        assert last.startswith("error: ")
        assert "Traceback" not in error
        assert not (tmp_path / "run").exists()
        return last

    return run


def edit(path, change):
    content = json.loads(path.read_text())
    change(content["questions"])
    path.write_text(json.dumps(content))


def has(text, *words):
    for word in words:
        assert word in text, (word, text)


def test_a_missing_folder(complaint, tmp_path):
    has(complaint(*FLAGS, f"--data_dir={tmp_path / 'nowhere'}"), "nowhere", "questions")


def test_a_missing_split(complaint, world):
    (world / VAL_QUESTIONS).unlink()
    has(complaint(*FLAGS, f"--data_dir={world}"), "CLEVR_val_questions.json", "train")


def test_truncated_json(complaint, world):
    path = world / QUESTIONS
    path.write_text(path.read_text()[:-100])
    has(complaint(*FLAGS, f"--data_dir={world}"), "CLEVR_train_questions.json", "JSON")


def test_malformed_json(complaint, world):
    (world / QUESTIONS).write_text("[1, 2")
    has(complaint(*FLAGS, f"--data_dir={world}"), "CLEVR_train_questions.json")


def test_a_question_without_answer(complaint, world):
    edit(world / QUESTIONS, lambda questions: questions[3].pop("answer"))
    has(complaint(*FLAGS, f"--data_dir={world}"), "questions[3]", "answer")


def test_an_empty_question(complaint, world):
    edit(world / QUESTIONS, lambda questions: questions[4].update(question=" "))
    has(complaint(*FLAGS, f"--data_dir={world}"), "questions[4]", "question")


def test_an_unknown_function(complaint, world):
    edit(world / QUESTIONS, lambda questions: questions[2]["program"][-1].update(function="sum"))
    has(complaint(*FLAGS, f"--data_dir={world}"), "questions[2]", "'sum'")


def test_an_answer_outside_the_vocabulary(complaint, world):
    edit(world / VAL_QUESTIONS, lambda questions: questions[1].update(answer="mauve"))
    has(complaint(*FLAGS, f"--data_dir={world}"), "questions[1]", "'mauve'")


def without_programs(questions):
    for question in questions:
        del question["program"]


def test_questions_of_people_have_no_programs_to_supervise_the_layout_with(complaint, world):
    edit(world / QUESTIONS, without_programs)
    last = complaint(*FLAGS, f"--data_dir={world}", "--layout_loss_weight=1")
    has(last, "CLEVR_train_questions.json", "has no program", "--layout_loss_weight needs")


def test_a_machine_that_grows_is_not_given_layouts_that_answer_early(complaint, world):
    last = complaint(*FLAGS, f"--data_dir={world}", "--layout_loss_weight=1", "--set=growing=true")
    has(last, "--layout_loss_weight is 1", "answers at its last step", "--set=growing=false")


def test_no_layout_is_as_short_as_the_steps(complaint, world):
    last = complaint(*FLAGS, f"--data_dir={world}", "--layout_loss_weight=1", "--num_steps=1")
    has(last, "shortest expert layout has 2 modules", "--num_steps is 1", "--layout_loss_weight=0")


def test_an_answer_outside_the_vocabulary_at_fine_tuning(complaint, world, tiny_run):
    edit(world / VAL_QUESTIONS, lambda questions: questions[1].update(answer="mauve"))
    last = complaint(*FLAGS, f"--data_dir={world}", f"--init_from={tiny_run}")
    has(last, "CLEVR_val_questions.json", "questions[1]", "'mauve'", "answers of")


def test_fine_tuning_from_a_folder_that_is_no_run(complaint, world, tmp_path):
    last = complaint(*FLAGS, f"--data_dir={world}", f"--init_from={tmp_path / 'nothing'}")
    has(last, "nothing", "vocabulary.json")


def test_a_missing_picture(complaint, world):
    (world / PICTURE).unlink()
    has(complaint(*FLAGS, f"--data_dir={world}"), "CLEVR_train_000001.png", "missing")


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_a_picture_that_is_none(complaint, world, content):
    (world / PICTURE).write_bytes(content)
    has(complaint(*FLAGS, f"--data_dir={world}"), "CLEVR_train_000001.png")


def test_a_picture_cut_short(complaint, world):
    path = world / PICTURE
    path.write_bytes(path.read_bytes()[:200])
    has(complaint(*FLAGS, f"--data_dir={world}"), "CLEVR_train_000001.png")


@pytest.mark.parametrize("shape, words", [([11, 5, 3, 3], ["11", "12"]), ([12, 5], ["12, 5"])])
def test_features_that_do_not_fit(complaint, world, shape, words):
    with h5py.File(world / "train.h5", "w") as file:
        file["features"] = np.zeros(shape, np.float32)
    flags = ["--batch_size=8", f"--features={world}/{{split}}.h5", f"--data_dir={world}"]
    has(complaint(*flags), "train.h5", *words)


def test_missing_features(complaint, world):
    flags = [f"--features={world}/{{split}}.h5", f"--data_dir={world}"]
    has(complaint(*flags), "train.h5")


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--mode=fly"], ["--mode", "fly", "evaluate"]),
        (["--epochs=0"], ["--epochs", "0"]),
        (["--epochs=many"], ["epochs", "many"]),
        (["--epoch=3"], ["epoch"]),
        (["train"], ["'train'"]),
        (["--flagfile=/nowhere.flags"], ["/nowhere.flags"]),
        (["--set=encoder_filters=4,x"], ["encoder_filters", "4,x"]),
        (["--set=looking_cells=5"], ["looking_cells", "5"]),
        (["--features={split}.h5"], ["--features", "--image_size"]),
        (["--model=stack_nmn", "--set=looking_cells=1"], ["looking_cells", "stack_nmn"]),
    ],
)
def test_wrong_and_contradictory_flags(complaint, tiny_world, flags, words):
    has(complaint(*FLAGS, f"--data_dir={tiny_world}", *flags), *words)


def test_more_warm_up_than_steps(complaint, tiny_world):
    has(complaint(*FLAGS, f"--data_dir={tiny_world}", "--set=warmup_steps=9999"), "warmup_steps")


def test_a_run_that_is_none(complaint, tmp_path):
    has(complaint("--mode=evaluate", run_dir=tmp_path / "nothing"), "config.json", "train")


@pytest.mark.parametrize(
    "mode, flag",
    [
        *((mode, "--hard_operators") for mode in ("evaluate", "answer", "export")),
        ("evaluate", "--set=zeroed_operators=max"),
        ("evaluate", "--set=module_threshold=0.1"),
    ],
)
def test_switches_of_operators_for_a_run_of_stack_nmn(complaint, tmp_path, mode, flag):
    RunConfig.create({"model": "stack_nmn", "image_height": 8, "image_width": 8}).save(
        tmp_path / "stack"
    )
    asked = ["--question=is it red?", "--image=picture.png"] if mode == "answer" else []
    error = complaint(f"--mode={mode}", flag, *asked, run_dir=tmp_path / "stack")
    name = flag.replace("--set=", "").partition("=")[0]
    has(error, f"{name} is unknown to --model=stack_nmn", str(tmp_path / "stack"), "leave it out")


def test_a_checkpoint_that_is_missing(complaint, tiny_run, tmp_path):
    run_dir = tmp_path / "copy"
    shutil.copytree(tiny_run, run_dir, ignore=shutil.ignore_patterns("checkpoints"))
    has(complaint("--mode=evaluate", run_dir=run_dir), "checkpoints")


def test_a_checkpoint_of_another_config(complaint, tiny_run, tmp_path):
    run_dir = shutil.copytree(tiny_run, tmp_path / "copy")
    arguments = [f"--flagfile={tiny_run / 'flags.txt'}", "--stack_len=7"]
    has(complaint(*arguments, run_dir=run_dir), "--stack_len=3", "7")


def test_a_checkpoint_cut_short(complaint, tiny_run, tmp_path):
    run_dir = shutil.copytree(tiny_run, tmp_path / "copy")
    for path in (run_dir / "checkpoints").glob("*/weights.data*"):
        path.write_bytes(path.read_bytes()[:-500])
    has(complaint("--mode=evaluate", run_dir=run_dir), "weights")


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--question="], ["--question"]),
        (["--question=Why?", "--image=/nowhere.png"], ["/nowhere.png"]),
        (["--question=Why?", f"--image={__file__}"], ["test_bad_input.py", "picture"]),
        (["--question=Why?"], ["--image"]),
        ([f"--question={'why ' * 257}?", f"--image={__file__}"], ["--question", "258", "256"]),
        (["--question=Why?", "--checkpoint=first"], ["--checkpoint", "first", "best"]),
    ],
)
def test_a_question_that_cannot_be_answered(complaint, tiny_run, flags, words):
    has(complaint("--mode=answer", *flags, run_dir=tiny_run), *words)


def test_a_loop_of_links_as_a_picture(complaint, tiny_run, tmp_path):
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    flags = ["--question=Why?", f"--image={tmp_path / 'loop.png'}"]
    has(complaint("--mode=answer", *flags, run_dir=tiny_run), "loop.png", "cannot be read")


def test_a_checkpoint_that_may_not_be_read(complaint, tiny_run, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    has(complaint("--mode=evaluate", run_dir=tiny_run), "weights", "permission denied")


def test_a_picture_damaged_in_its_middle_beyond_the_cache(complaint, tiny_run, world):
    path = world / "images/val/CLEVR_val_000001.png"
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)  # its end is as it should be: found when it is decoded
    path.write_bytes(content)
    flags = ["--mode=evaluate", f"--data_dir={world}", "--cache_mb=0"]
    has(complaint(*flags, run_dir=tiny_run), "CLEVR_val_000001.png", "damaged")


def test_a_world_over_other_data(complaint, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("kept")
    has(complaint("--mode=generate", f"--data_dir={tmp_path / 'precious'}"), "precious")
    assert (tmp_path / "precious" / "file").read_text() == "kept"


def test_unknown_words_are_counted_in_one_warning(world, caplog, tmp_path):
    from lnmn_tf.training.examples import open_split

    edit(world / VAL_QUESTIONS, lambda qs: [q.update(question="zork Zork gnusto?") for q in qs])
    config = RunConfig.create({"image_height": 5, "image_width": 7, "data_dir": str(world)})
    vocabulary = open_split(config, "train").questions.vocabulary
    with caplog.at_level("WARNING"):
        examples = open_split(config, "val", vocabulary)
    (record,) = caplog.records
    assert str(3 * len(examples.questions)) in record.getMessage()
