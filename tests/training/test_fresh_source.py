"""Fresh questions in a run: of the training images alone, the same after a kill, never a new shape."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lnmn_tf.data.vocabulary import UNKNOWN, Vocabulary
from lnmn_tf.errors import InputError
from lnmn_tf.training.examples import TrainingExamples
from lnmn_tf.world.fresh import fresh_questions
from lnmn_tf.world.programs import execute
from tests.training.tiny_network import tiny_config, train_tiny

ROOT = Path(__file__).resolve().parents[2]
CHOICES = {"epochs": 4, "warmup_steps": 0}


@pytest.fixture(scope="module")
def filed(tiny_world):
    return TrainingExamples.open(tiny_config(tiny_world, **CHOICES))


@pytest.fixture(scope="module")
def examples(tiny_world):
    return TrainingExamples.open(tiny_config(tiny_world, fresh_questions=True, **CHOICES))


def as_trained_on(examples, epoch: int, start: int = 0) -> list[tuple]:
    """(word ids, answers) of each weight batch of an epoch."""
    return [
        (weights["question"].numpy().tolist(), weights["answer"].numpy().tolist())
        for weights, _ in examples.epoch(epoch, start)
    ]


def test_every_epoch_asks_others_and_a_second_run_the_same(examples, tiny_world):
    again = TrainingExamples.open(tiny_config(tiny_world, fresh_questions=True, **CHOICES))
    epochs = [set(examples.asked(epoch).questions.texts) for epoch in (2, 3)]
    assert len(epochs[0] & epochs[1]) < 0.3 * len(epochs[0])
    assert as_trained_on(again, 3) == as_trained_on(examples, 3)
    assert as_trained_on(examples, 2) == as_trained_on(again, 2)  # whatever was asked before


def test_a_run_that_was_killed_goes_on_with_the_same_questions(examples, tiny_world):
    whole = as_trained_on(examples, 2)
    resumed = TrainingExamples.open(tiny_config(tiny_world, fresh_questions=True, **CHOICES))
    assert as_trained_on(resumed, 2, start=1) == whole[1:]
    assert len(whole) > 2


def test_another_seed_asks_others(examples, tiny_world):
    config = tiny_config(tiny_world, fresh_questions=True, seed=5, **CHOICES)
    other = TrainingExamples.open(config).asked(2).questions.texts
    assert set(other) != set(examples.asked(2).questions.texts)


def test_held_out_images_stay_held_out_with_their_own_questions(examples, filed):
    held_out, trained = examples.structure.questions, examples.weights.questions
    assert held_out.texts.tolist() == filed.structure.questions.texts.tolist()
    np.testing.assert_array_equal(held_out.question_ids, filed.structure.questions.question_ids)
    for epoch in range(4):
        asked = examples.asked(epoch).questions
        assert set(asked.image_index) <= set(trained.image_index)
        assert not set(asked.image_index) & set(held_out.image_index)
        assert set(asked.texts) != set(trained.texts)


def test_epochs_have_the_steps_and_shapes_of_the_files_questions(examples, filed):
    assert examples.steps_per_epoch == filed.steps_per_epoch
    for epoch in range(4):
        asked, part = examples.asked(epoch).questions, filed.weights.questions
        assert asked.question_ids.shape == part.question_ids.shape
        assert asked.hop_counts.max() <= part.hop_counts.max()


def test_the_vocabulary_holds_all_that_will_ever_be_asked(examples, filed):
    known, before = examples.vocabulary, filed.vocabulary
    assert known.words[: before.num_words] == before.words
    assert known.answers[: before.num_answers] == before.answers
    for epoch in range(4):
        assert UNKNOWN not in examples.asked(epoch).questions.question_ids


def test_each_question_is_about_its_own_picture_and_has_its_programs_answer(examples, tiny_world):
    path = tiny_world / "scenes" / "CLEVR_train_scenes.json"
    scenes = {s["image_filename"]: s for s in json.loads(path.read_text())["scenes"]}
    part, asked = examples.weights.questions, examples.asked(3).questions
    shown = [scenes[part.image_filenames[image]] for image in np.unique(part.image_index)]
    types = json.loads((tiny_world / "world.json").read_text())["world"]["question_types"]
    made = fresh_questions(shown, types, 5, examples.config.training.seed, 3)
    expected = set()
    for position, row in enumerate(made.scenes):
        record = made.record(position, shown[row])
        answer = execute(record["program"], shown[row])
        expected.add((record["image_filename"], record["question"], answer))
    names = [asked.image_filenames[image] for image in asked.image_index]
    answers = [asked.vocabulary.answers[answer] for answer in asked.answers]
    assert len(asked) > 20
    assert set(zip(names, asked.texts, answers)) <= expected


def test_the_process_that_asks_does_not_import_tensorflow():
    code = "import sys, lnmn_tf.training.fresh; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_run_trains_on_them_and_a_second_start_finds_it_finished(tiny_world, tmp_path, capsys):
    config = tiny_config(tiny_world, fresh_questions=True, max_val_questions=8, **CHOICES)
    first = train_tiny(config, tmp_path)
    assert np.isfinite(first["val"]["accuracy"])
    saved = Vocabulary.load(tmp_path / "vocabulary.json")
    assert saved.num_words > TrainingExamples.open(tiny_config(tiny_world)).vocabulary.num_words
    again = train_tiny(config, tmp_path)
    assert again["val"]["accuracy"] == first["val"]["accuracy"]
    assert "goes on from step" not in capsys.readouterr().out


def test_a_killed_asking_process_is_named(tiny_world):
    fresh = TrainingExamples.open(tiny_config(tiny_world, fresh_questions=True, **CHOICES))
    fresh.fresh._worker.submit(os._exit, 1)
    with pytest.raises(
        InputError, match="--fresh_questions: the process that asks them was killed"
    ):
        fresh.asked(0)


def test_a_folder_that_is_no_world_is_refused(tiny_world, tmp_path):
    folder = shutil.copytree(tiny_world, tmp_path / "foreign")
    (folder / "world.json").unlink()
    with pytest.raises(InputError, match=r"world\.json: is missing; --fresh_questions needs"):
        TrainingExamples.open(tiny_config(folder, fresh_questions=True, **CHOICES))
    (folder / "world.json").write_text('{"world": {"question_types": ["zero_hop"]}}')
    with pytest.raises(InputError, match=r"world\.json: is not what --mode=generate writes"):
        TrainingExamples.open(tiny_config(folder, fresh_questions=True, **CHOICES))


def test_a_scene_that_is_missing_is_named(tiny_world, tmp_path):
    folder = shutil.copytree(tiny_world, tmp_path / "cut")
    path = folder / "scenes" / "CLEVR_train_scenes.json"
    path.write_text(json.dumps({"scenes": json.loads(path.read_text())["scenes"][1:]}))
    with pytest.raises(InputError, match="has no scene of CLEVR_train_000000.png"):
        TrainingExamples.open(tiny_config(folder, fresh_questions=True, **CHOICES))
