"""VQA, CLEVR-Humans and CLOSURE from their files to a report, by `main`."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.data.question_set import NO_ANSWER
from lnmn_tf.data.transfer import NEW, map_vocabulary
from lnmn_tf.main import main
from lnmn_tf.training import evaluations
from lnmn_tf.training.examples import TrainingExamples, open_split
from lnmn_tf.training.networks import build_network
from lnmn_tf.training.trained import TrainedRun
from lnmn_tf.training.warm_start import begin, begin_with
from tests.conftest import TINY_MODEL, TINY_TRAINING, to_arguments
from tests.data import vqa_folder


@pytest.fixture(scope="module")
def vqa(tmp_path_factory):
    """A run on 40 questions, and its folder of data."""
    folder = tmp_path_factory.mktemp("vqa")
    entries = vqa_folder.QUESTIONS * 8
    for split in ("train2014", "val2014", "test-dev2015"):
        vqa_folder.write(folder / "data", split, entries=entries)
    flags = {
        **TINY_MODEL,
        **TINY_TRAINING,
        "data_format": "vqa_v2",
        "data_dir": folder / "data",
        "train_split": "train2014",
        "val_split": "val2014",
        "max_answers": 4,
        "answer_loss": "sigmoid",
        "run_dir": folder / "run",
    }
    assert main(to_arguments(mode="train", **flags)) == 0
    return folder


def test_vqa_is_trained_and_reported_with_the_official_accuracy(vqa):
    metrics = json.loads((vqa / "run" / "metrics.json").read_text())["val"]
    assert set(metrics["families"]) == {"yes/no", "number", "other"}
    assert set(metrics["question_types"]) == {q[2] for q in vqa_folder.QUESTIONS}
    assert (metrics["questions"], metrics["vqa_rules"]) == (40, "official")
    answers = (vqa / "run" / "predictions.txt").read_text().splitlines()
    assert len(answers) == 40
    assert set(answers) <= {"yes", "blue", "2", "no"}


def test_the_test_split_gives_a_file_for_the_server(vqa, capsys):
    arguments = to_arguments(mode="evaluate", run_dir=vqa / "run", split="test-dev2015")
    assert main(arguments) == 0
    path = vqa / "run" / "vqa_OpenEnded_mscoco_test-dev2015_run_results.json"
    assert f"wrote {path}" in capsys.readouterr().out
    results = json.loads(path.read_text())
    ids = [vqa_folder.question_id(i, vqa_folder.QUESTIONS * 8) for i in range(40)]
    assert [result["question_id"] for result in results] == ids
    assert "accuracy" not in evaluations.read(vqa / "run")[-1]


def test_an_answer_of_a_sigmoid_has_a_probability_of_its_own(vqa):
    run = TrainedRun.open(vqa / "run")
    picture = next((vqa / "data" / "images" / "val2014").iterdir())
    logits = run.network(run.inputs_of(picture, "Is this a dog?"))["logits"][0].numpy()
    wanted = dict(zip(run.vocabulary.answers, 1 / (1 + np.exp(-logits))))
    answers = run.answer(picture, "Is this a dog?")
    assert [p for _, p in answers] == pytest.approx(sorted(wanted.values(), reverse=True))
    for text, probability in answers:
        assert probability == pytest.approx(wanted[text], rel=1e-5)
    run.config = run.config.replace(answer_loss="softmax")
    assert sum(p for _, p in run.answer(picture, "Is this a dog?")) == pytest.approx(1.0)


def test_other_rules_are_said_in_the_report(vqa):
    assert main(to_arguments(mode="evaluate", run_dir=vqa / "run", vqa_rules="strict")) == 0
    assert evaluations.read(vqa / "run")[-1]["accuracy"]["vqa_rules"] == "strict"


def test_questions_without_a_known_answer_are_measured_and_not_trained_on(vqa):
    config = RunConfig.load(vqa / "run")
    examples = TrainingExamples.open(config)
    parts = examples.weights.questions, examples.structure.questions
    assert sum(map(len, parts)) == 32
    for part in parts:
        assert (part.answers != NO_ANSWER).all()
    val = open_split(config, "val2014", examples.vocabulary).questions
    assert (val.answers == NO_ANSWER).sum() == 8
    (batch,) = examples.weight_batches(0, 0).take(1)
    wanted = parts[0].annotations.targets(batch["position"].numpy(), 4)
    assert np.array_equal(batch["answer_scores"], wanted)


@pytest.fixture
def humans(tiny_world, tmp_path):
    """People's questions about the pictures of the tiny world: a few words of their own, no programs."""
    for split in ("train", "val"):
        path = tiny_world / "questions" / f"CLEVR_{split}_questions.json"
        questions = json.loads(path.read_text())["questions"]
        for number, question in enumerate(questions):
            del question["program"]
            question["question"] += " mate"
            if number % 7 == 3:
                question["question"] = "What beats the thingy?"
        if split == "train":
            questions[0]["answer"] = "mauve"
        (tmp_path / f"CLEVR-Humans-{split}.json").write_text(json.dumps({"questions": questions}))
    return str(tmp_path / "CLEVR-Humans-{split}.json")


@pytest.mark.parametrize("frozen", [False, True])
def test_a_run_begins_with_what_another_knows(tiny_run, tiny_world, humans, frozen):
    config = RunConfig.load(tiny_run).replace(
        questions_file=humans, init_from=str(tiny_run), data_dir=str(tiny_world)
    )
    new = TrainingExamples.open(config).vocabulary
    old = TrainedRun.open(tiny_run)
    assert new.words[: old.vocabulary.num_words] == old.vocabulary.words
    assert "mate" in new.words
    assert "mauve" in new.answers
    sizes = {"num_words": new.num_words, "num_answers": new.num_answers}
    network = build_network(config.model.replace(**sizes))
    for each in (network, old.network):  # as where the run takes the encoder of another
        each.image_encoder.trainable = not frozen
    fresh = [variable.numpy() for variable in network.variables]
    report = begin_with(network, str(tiny_run), new, build_network)
    assert "1 answers begin fresh: mauve" in report
    mapping = map_vocabulary(old.vocabulary, new)
    for variable, theirs in zip(network.variables, old.network.variables):
        if variable.shape == theirs.shape:
            assert np.array_equal(variable, theirs), variable.name
    words = network.question_encoder.embedding.embeddings
    known = mapping.words != NEW
    theirs = old.network.question_encoder.embedding.embeddings.numpy()
    assert np.array_equal(words.numpy()[known], theirs[mapping.words[known]])
    (place,) = [i for i, v in enumerate(network.variables) if v is words]
    assert np.array_equal(words.numpy()[~known], fresh[place][~known])
    bias = network.classifier_output.bias.numpy()
    assert np.array_equal(bias[: old.vocabulary.num_answers], old.network.classifier_output.bias)


def test_fine_tuning_with_a_frozen_structure_moves_the_weights_alone(
    tiny_run, tiny_world, humans, tmp_path, capsys
):
    flags = {
        **TINY_MODEL,
        **TINY_TRAINING,
        "data_dir": tiny_world,
        "questions_file": humans,
        "init_from": tiny_run,
        "freeze_structure": True,
        "mix": f"{tiny_world}:0.5",
        "run_dir": tmp_path / "run",
    }
    assert main(to_arguments(mode="train", **flags)) == 0
    assert "answers keep their weights; 1 answers begin fresh: mauve" in capsys.readouterr().out
    before, after = TrainedRun.open(tiny_run).network, TrainedRun.open(tmp_path / "run").network
    for old, new in zip(before.structure_variables, after.structure_variables):
        assert np.array_equal(old, new)
    hidden = [n.classifier_hidden.kernel.numpy() for n in (before, after)]
    assert not np.array_equal(*hidden)


def test_init_from_a_run_of_other_sizes_is_refused(tiny_run, tiny_world, tmp_path, capsys):
    flags = {**TINY_MODEL, **TINY_TRAINING, "data_dir": tiny_world, "run_dir": tmp_path / "run"}
    flags |= {"init_from": tiny_run, "map_dim": 5}
    assert main(to_arguments(mode="train", **flags)) == 1
    assert "whose map_dim is 3; expected 5, as in this run" in capsys.readouterr().err


def test_words_begin_with_the_vectors_of_others_and_answers_as_rare(vqa, tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("dog 1 2 3 4 5\nzebra 1 1 1 1 1\nis 5 4 3 2 1\n")
    run = TrainedRun.open(vqa / "run")
    network = build_network(run.config.model)
    before = network.question_encoder.embedding.embeddings.numpy()
    training = dataclasses.replace(run.config.training, word_vectors=str(path))
    (line,) = begin(network, training, run.vocabulary)
    assert line.startswith("2 of ")
    after = network.question_encoder.embedding.embeddings.numpy()
    ids = [run.vocabulary.word_ids[word] for word in ("dog", "is")]
    assert after[ids].tolist() == [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]]
    assert np.array_equal(np.delete(after, ids, axis=0), np.delete(before, ids, axis=0))
    assert network.classifier_output.bias.numpy().tolist() == [-8.0] * 4


def test_closure_is_measured_on_the_pictures_of_clevr(tiny_run, tiny_world, tmp_path):
    run_dir = shutil.copytree(tiny_run, tmp_path / "run")
    path = tmp_path / "closure" / "and_mat_spa_val.json"
    path.parent.mkdir()
    shutil.copy(tiny_world / "questions" / "CLEVR_val_questions.json", path)
    arguments = to_arguments(
        mode="evaluate",
        run_dir=run_dir,
        questions_file=path.parent / "and_mat_spa_{split}.json",
        data_dir=tiny_world,
    )
    assert main(arguments) == 0
    table = evaluations.read(run_dir)[-1]["accuracy"]
    assert table == json.loads((tiny_run / "metrics.json").read_text())["val"]


def test_a_share_of_the_images_is_trained_on(tiny_run, tiny_world):
    config = RunConfig.load(tiny_run).replace(data_dir=str(tiny_world), limit_images="50%")
    examples = TrainingExamples.open(config)
    assert len(examples.weights.store) == 6
    images = [np.unique(p.questions.image_index) for p in (examples.weights, examples.structure)]
    assert sorted(np.concatenate(images).tolist()) == list(range(6))
    everything = TrainingExamples.open(config.replace(limit_images=""))
    assert examples.vocabulary == everything.vocabulary
