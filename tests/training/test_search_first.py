"""A search before the training: trials are alike but for the structure, and what is found is what is trained."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.analysis import history
from lnmn_tf.config import RunConfig
from lnmn_tf.config.names import OPERATORS
from lnmn_tf.errors import InputError
from lnmn_tf.training import search_first, structure_history, trials
from lnmn_tf.training.checkpoints import CheckpointFolder
from lnmn_tf.training.evaluation import Predictor
from lnmn_tf.training.examples import TrainingExamples
from lnmn_tf.training.networks import build_network, sizes_of
from lnmn_tf.training.run import train
from lnmn_tf.training.schedules import first_step
from tests.conftest import TINY_MODEL, TINY_TRAINING

MODEL = {
    **TINY_MODEL,
    "encoder_filters": (4, 5),
    "encoder_strides": (2, 1),
    "num_steps": 3,
    "answer_3": 0,
    "answer_4": 2,
    "growing": True,
    "draws": True,
    "lone_answers": True,
    "joining": True,
}
COURSE = {
    **TINY_TRAINING,
    "search_epochs": 1,
    "search_beginnings": 1,
    "learning_rate": 1e-2,
    "ema_decay": 0.9,
}
ONE_TRIAL = ("product", "choose_2", "product")


def config_on(data_dir, **choices) -> RunConfig:
    course = {**COURSE, "batch_size": 2}
    return RunConfig.create({**MODEL, **course, "data_dir": str(data_dir), **choices})


@pytest.fixture(scope="module")
def opened(tiny_world):
    """(config, examples) of a run that searches first."""
    config = config_on(tiny_world)
    examples = TrainingExamples.open(config)
    return config.replace(**sizes_of(examples)), examples


@pytest.fixture(scope="module")
def some_trials(opened):
    """Trials of a network as it is built."""
    config, examples = opened
    tf.keras.utils.set_random_seed(0)
    easy = search_first.balanced(examples, 0, seed=0)
    part = search_first.part_of(easy, config, 1, freeze_structure=True)
    return trials.Trials(build_network(config.model), part, "answer_4")


@pytest.mark.parametrize("hops", [0, 1])
def test_the_search_asks_as_much_of_each_kind_of_question(opened, hops):
    _, examples = opened

    def kinds(questions):
        return np.stack([questions.families, questions.hop_counts], axis=-1)

    everything = kinds(examples.weights.questions)
    everything = everything[everything[:, 1] <= hops]
    present, sizes = np.unique(everything, axis=0, return_counts=True)
    questions = search_first.balanced(examples, hops, seed=3).weights.questions
    asked, times = np.unique(kinds(questions), axis=0, return_counts=True)
    np.testing.assert_array_equal(asked, present)
    assert set(times) == {sizes.min()}
    assert len(set(questions.question_index)) == len(questions)
    again = search_first.balanced(examples, hops, seed=3).weights.questions
    np.testing.assert_array_equal(again.question_index, questions.question_index)


def test_weights_and_structure_see_other_pictures_in_every_part(opened):
    _, examples = opened
    for part in (search_first.without_relation(examples), search_first.balanced(examples, 1, 0)):
        seen = [set(x.questions.image_index) for x in (part.weights, part.structure)]
        assert all(seen) and not seen[0] & seen[1]
        assert part.weights.store is examples.weights.store


def test_every_operator_begins_alike_but_those_left_out(some_trials):
    chain = some_trials.network.banks["answer_4"].fusion
    kept = chain.structure.numpy()
    chain.begin_alike()
    mixture = tf.nn.softmax(chain.structure, axis=-1).numpy()
    chain.structure.assign(kept)
    left_out = [("choose_1", "choose_2"), ("choose_1",), ("choose_1", "choose_2")]
    for node, names in enumerate(left_out):
        expected = np.array([0.0 if name in names else 1.0 for name in OPERATORS])
        expected = np.tile(expected / expected.sum(), [len(mixture), 1])
        np.testing.assert_allclose(mixture[:, node], expected, atol=1e-6)


def test_a_trial_is_measured_with_its_structure_and_leaves_no_trace(some_trials, monkeypatch):
    network, seen = some_trials.network, []
    answer = Predictor.__call__

    def watched(self, examples, **kwargs):
        seen.append({name: alpha.numpy() for name, alpha in network.structure.items()})
        return answer(self, examples, **kwargs)

    monkeypatch.setattr(Predictor, "__call__", watched)
    order = [ONE_TRIAL, ("max", "min", "sum"), ONE_TRIAL]
    before = [variable.numpy() for variable in network.variables]
    tables = [some_trials(structure) for structure in order]
    assert tables[0] == tables[2]  # whatever was tried between
    for alphas, structure in zip(seen, order):
        mixture = tf.nn.softmax(alphas["answer_4"]).numpy()
        assert mixture.max(axis=-1).min() > 0.999  # of the moving average, too
        assert {tuple(x) for x in np.array(OPERATORS)[mixture.argmax(axis=-1)]} == {structure}
    alphas = {id(variable) for variable in network.structure.values()}
    assert any(  # it did train
        not np.array_equal(old, variable.numpy())
        for old, variable in zip(before, network.variables)
        if id(variable) not in alphas
    )
    some_trials.go_back()
    for old, variable in zip(before, network.variables):
        np.testing.assert_array_equal(old, variable, err_msg=variable.name)


def searched(config, examples, run_dir, frozen=False):
    """The network as a search leaves it, and the file of what was found."""
    tf.keras.utils.set_random_seed(config.training.seed)
    network = build_network(config.model)
    network.image_encoder.trainable = not frozen
    return network, search_first.search_first(network, config, examples, run_dir)


def assert_same_weights(network, other):
    for mine, theirs in zip(network.variables, other.variables):
        np.testing.assert_array_equal(mine, theirs, err_msg=mine.name)


@pytest.mark.parametrize("part", ["answers", "looks"])
def test_trials_go_on_where_they_were_stopped(opened, tmp_path, monkeypatch, part):
    config, examples = opened
    parts = []

    def record_part(network, examples, folder, like=None):
        folder.mkdir(parents=True, exist_ok=True)
        training = examples.config.training
        parts.append((folder.name, training.epochs, set(examples.weights.questions.hop_counts)))

    monkeypatch.setattr(search_first, "_learn", record_part)
    monkeypatch.setattr(search_first, "families_guessed", lambda *_: [])
    monkeypatch.setattr(trials, "MOST_TRIALS", 2)
    monkeypatch.setattr(trials, "OPEN", 0.0)
    network, path = searched(config, examples, tmp_path)
    assert parts == [("begin", 1, {0}), ("answers", 1, {0}), ("looks", 3, {0, 1})]
    records = {name: tmp_path / "search" / name / "trials.jsonl" for name in ("answers", "looks")}
    found = {name: trials.read(record) for name, record in records.items()}
    best = {name: trials.best(x).structure for name, x in found.items()}
    whole = path.read_bytes()
    cells = json.loads(whole)["cells"]
    assert cells["answer_4.0"] == cells["answer_4.1"] == list(best["answers"])
    assert cells["look_3.0"] == list(best["looks"])
    assert network.banks["answer_4"].fusion.strongest() == [list(best["answers"])] * 2
    assert network.banks["look_3"].fusion.strongest() == [list(best["looks"])]
    for alpha in network.structure.values():  # one operator a node, whoever reads the weights
        assert tf.nn.softmax(alpha).numpy().max(axis=-1).min() > 0.999

    path.unlink()
    first, second = records[part].read_text().splitlines()
    records[part].write_text(f"{first}\n{second[:20]}")  # killed as it wrote
    left = [tuple(json.loads(second)["structure"])]
    if part == "answers":
        records["looks"].unlink()
        left += [trial.structure for trial in found["looks"]]
    asked = []
    try_one = trials.Trials.__call__

    def counted(self, structure):
        asked.append(structure)
        return try_one(self, structure)

    monkeypatch.setattr(trials.Trials, "__call__", counted)
    again, path = searched(config, examples, tmp_path)
    assert path.read_bytes() == whole
    assert asked == left
    assert {name: trials.read(record) for name, record in records.items()} == found
    assert_same_weights(network, again)


@pytest.mark.parametrize("lost", [True, False])
def test_what_a_trial_answers_is_not_lost_again(opened, tmp_path, monkeypatch, lost):
    config, examples = opened
    (tmp_path / "answers").mkdir()
    guessed = iter([["count"], [] if lost else ["count"]])  # by alpha's weights, by the trial
    monkeypatch.setattr(search_first, "families_guessed", lambda *_: next(guessed))
    monkeypatch.setattr(search_first, "_learn", lambda *_: None)
    monkeypatch.setattr(trials, "MOST_TRIALS", 1)
    ended = []
    try_one = trials.Trials.__call__

    def watched(self, structure):
        table = try_one(self, structure)
        with self._trainer.answering():
            ended.append([variable.numpy() for variable in self.network.variables])
        return table

    monkeypatch.setattr(trials.Trials, "__call__", watched)
    network = build_network(config.model)
    bank, _ = search_first.searched_banks(network)
    first = [variable.numpy() for variable in network.variables]
    part = search_first.part_of(search_first.balanced(examples, 0, 0), config, 1)
    search_first._part(network, config, part, bank, tmp_path / "answers")
    assert len(ended) == 1 + lost
    alphas = {id(variable) for variable in network.structure.values()}
    kept, other = (ended[-1], first) if lost else (first, ended[-1])
    differ = 0
    for variable, value, of_other in zip(network.variables, kept, other):
        if id(variable) not in alphas:
            np.testing.assert_array_equal(variable, value, err_msg=variable.name)
            differ += not np.array_equal(value, of_other)
    assert differ > 10
    assert network.banks[bank].fusion.hard


@pytest.mark.parametrize("frozen", [False, True])
def test_a_beginning_that_only_guesses_is_given_up(opened, tmp_path, monkeypatch, frozen):
    config, examples = opened
    config = config.replace(search_beginnings=3)
    first_weights = []

    def record_part(network, examples, folder, like=None):
        folder.mkdir(parents=True, exist_ok=True)
        if folder.name == "begin":
            first_weights.append([variable.numpy() for variable in network.variables])

    def record_search(network, config, examples, bank, folder, like=None):
        folder.mkdir(exist_ok=True)
        network.banks[bank].fusion.hard = True
        return {"families": {}}

    monkeypatch.setattr(search_first, "_learn", record_part)
    monkeypatch.setattr(search_first, "_part", record_search)
    monkeypatch.setattr(
        search_first, "families_guessed", lambda *_: ["count"] if len(first_weights) == 1 else []
    )
    network, _ = searched(config, examples, tmp_path, frozen)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["search", "search_1"]
    assert sorted(x.name for x in (tmp_path / "search_1").iterdir()) == ["answers", "begin"]
    encoder = {id(variable) for variable in network.image_encoder.variables}
    changed = [
        id(variable) in encoder
        for variable, old, new in zip(network.variables, *first_weights)
        if not np.array_equal(old, new)
    ]
    assert len(changed) > 10 and any(changed) != frozen

    (tmp_path / "search" / "genotype.json").unlink()  # stopped before its end: the same beginning
    searched(config, examples, tmp_path, frozen)
    for mine, again in zip(first_weights[1], first_weights[2]):
        np.testing.assert_array_equal(mine, again)


def test_the_last_beginning_is_kept(opened, tmp_path, monkeypatch):
    config, examples = opened
    config = config.replace(search_beginnings=3)
    monkeypatch.setattr(
        search_first, "_learn", lambda network, examples, folder, like: folder.mkdir(parents=True)
    )
    monkeypatch.setattr(search_first, "_part", lambda *_: {"families": {}})
    monkeypatch.setattr(search_first, "families_guessed", lambda *_: ["count"])
    searched(config, examples, tmp_path)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["search", "search_1", "search_2"]


def test_a_family_is_guessed_up_to_a_quarter_of_the_way_to_all_right(opened):
    questions = opened[1].structure.questions
    of = {
        n: questions.answers[questions.families == i] for i, n in enumerate(questions.family_names)
    }
    guess = {n: max(np.mean(x == a) for a in set(x)) for n, x in of.items() if len(x)}
    assert search_first.families_guessed(dict.fromkeys(guess, 1.0), questions) == []
    assert search_first.families_guessed(guess, questions) == [n for n in guess if guess[n] < 1]
    for share, expected in ((0.24, True), (0.26, False)):
        accuracies = {n: g + share * (1 - g) for n, g in guess.items() if g < 1}
        found = search_first.families_guessed(accuracies, questions)
        assert found == (list(accuracies) if expected else [])


@pytest.mark.slow  # the real machine is traced eight times
def test_a_search_that_was_stopped_ends_with_the_same_weights(opened, tmp_path, monkeypatch):
    config, examples = opened
    monkeypatch.setattr(trials, "MOST_TRIALS", 2)
    whole, path = searched(config, examples, tmp_path / "whole")
    again, _ = searched(config, examples, tmp_path / "whole")  # stopped before the training
    assert_same_weights(whole, again)
    stopped = tmp_path / "stopped"
    shutil.copytree(tmp_path / "whole", stopped)
    (stopped / "search" / "genotype.json").unlink()
    shutil.rmtree(stopped / "search" / "looks")
    again, found = searched(config, examples, stopped)
    assert found.read_bytes() == path.read_bytes()
    assert_same_weights(whole, again)


def test_a_structure_that_is_given_is_not_searched(tiny_world):
    assert config_on(tiny_world).training.searches_first
    assert not config_on(tiny_world, genotype="g.json").training.searches_first
    assert not config_on(tiny_world, freeze_structure=True).training.searches_first
    assert not config_on(tiny_world, search_epochs=0).training.searches_first


def test_too_few_questions_are_refused_before_anything_is_trained(opened, some_trials, tmp_path):
    config, examples = opened
    with pytest.raises(InputError, match="or --set=search_epochs=0"):
        search_first.search_first(
            some_trials.network, config.replace(batch_size=1000), examples, tmp_path
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "cells_of_one, lone_answers", [(0, True), (0, False), (1, True), (1, False)]
)
def test_in_a_search_three_steps_run_and_looks_rest_in_its_first_pass(
    opened, tmp_path, monkeypatch, cells_of_one, lone_answers
):
    """Two steps run in that pass, and what looks does not rest, where one map is for an answer cell of one map alone.
    Features are not compared before *looks*."""
    config, examples = opened
    config = config.replace(answer_3=cells_of_one, lone_answers=lone_answers, likeness=True)
    one_look = bool(cells_of_one and not lone_answers)
    first_steps, rests, relations = {}, {}, {}

    def record(network, examples, folder, like=None):
        folder.mkdir(parents=True, exist_ok=True)
        course = examples.config.training
        first_steps[folder.name] = {first_step(share, 3, course) for share in (0.0, 0.5, 0.99)}
        rests[folder.name] = float(network.draw.rest_share)
        relations[folder.name] = float(network.relations["look_3"].opened)

    def record_search(network, config, examples, bank, folder, like=None):
        record(network, examples, folder)
        return {"families": {}}

    monkeypatch.setattr(search_first, "_learn", record)
    monkeypatch.setattr(search_first, "_part", record_search)
    network, _ = searched(config, examples, tmp_path)
    assert first_steps == {"begin": {int(one_look)}, "answers": {0}, "looks": {0}}
    assert rests == {"begin": 0.0 if one_look else 0.25, "answers": 0.0, "looks": 0.0}
    assert float(network.draw.rest_share) == 0.0
    assert relations == {"begin": 0.0, "answers": 0.0, "looks": 1.0}


def test_parts_share_what_is_compiled_and_learn_as_if_they_did_not(opened, tmp_path):
    config, examples = opened
    easy = search_first.balanced(examples, 0, seed=0)
    begin, answers = (search_first.part_of(easy, config, epochs) for epochs in (1, 2))
    tried = search_first.part_of(easy, config, 1, freeze_structure=True)
    learned, accuracies = [], []
    for shares in (True, False):
        tf.keras.utils.set_random_seed(0)
        network, trainer = build_network(config.model), None
        for name, part in (("begin", begin), ("answers", answers)):
            before = trainer
            trainer = search_first._learn(
                network, part, tmp_path / str(shares) / name, trainer if shares else None
            )
            if before is not None:
                assert (trainer._of_weights is before._of_weights) == shares
        traces = (trainer._of_weights.traces, trainer._of_structure.traces)
        trial = trials.Trials(network, tried, "answer_4", trainer if shares else None)
        accuracies.append(trial(ONE_TRIAL))
        if shares:  # nothing was traced for a trial
            assert (trainer._of_weights.traces, trainer._of_structure.traces) == traces
        learned.append(network)
    assert accuracies[0] == accuracies[1]
    assert_same_weights(*learned)


def test_a_short_search_warms_up_for_a_quarter(opened):
    config, examples = opened
    easy = search_first.without_relation(examples)
    for warmup, expected in ((1000, None), (1, 1), (0, 0)):
        part = search_first.part_of(easy, config.replace(warmup_steps=warmup), 2)
        assert part.config.training.warmup_steps == (
            part.total_steps // 4 if expected is None else expected
        )


def test_a_model_without_such_cells_is_refused(some_trials):
    network = some_trials.network
    assert search_first.searched_banks(network) == ("answer_4", "look_3")

    class Other:
        structure = {"answer_3": None}
        kinds = [kind for kind in network.kinds if kind.name != "answer_4"]

    with pytest.raises(InputError, match="no answer cells of two maps"):
        search_first.searched_banks(Other())


@pytest.mark.slow  # the real machine is traced five times
def test_a_given_structure_is_trained_on_the_same_questions_without_a_search(tiny_world, tmp_path):
    path = tmp_path / "given.json"
    cells = {"look_3.0": ["choose_1", "product"], "attention_4.0": ["min", "choose_2", "choose_1"]}
    cells |= {f"answer_4.{i}": list(ONE_TRIAL) for i in range(2)}
    path.write_text(json.dumps({"cells": cells}))
    train(config_on(tiny_world, genotype=str(path)), tmp_path / "run")
    search = tmp_path / "run" / "search"
    assert sorted(x.name for x in search.iterdir()) == ["answers", "begin", "looks"]
    network = build_network(RunConfig.load(tmp_path / "run").model)
    for folder in (search / "begin", search / "answers", search / "looks", tmp_path / "run"):
        CheckpointFolder(folder).load_weights(network, "last")
        strongest = {n: network.banks[n].fusion.strongest() for n in network.structure}
        assert strongest["answer_4"] == [list(ONE_TRIAL)] * 2
        assert strongest["look_3"] == [["choose_1", "product"]]


def test_the_history_of_a_run_that_searched_first_is_that_of_the_search(tmp_path):
    alpha = {"answer_4.0": np.zeros([3, 6])}
    for folder, steps in ((tmp_path, [100]), (tmp_path / "search" / "answers", [5, 10])):
        folder.mkdir(parents=True, exist_ok=True)
        for step in steps:
            structure_history.append(folder / structure_history.FILE_NAME, step, alpha)
    assert list(history.of_run(tmp_path).steps) == [5, 10]
    shutil.rmtree(tmp_path / "search")
    assert list(history.of_run(tmp_path).steps) == [100]


def test_of_a_structure_that_stays_no_structure_batch_is_read(opened):
    config, examples = opened
    easy = search_first.without_relation(examples)
    parts = [search_first.part_of(easy, config, 1, freeze_structure=x) for x in (False, True)]
    for (weights, structure), (same, nothing) in zip(*(part.epoch(0, 1) for part in parts)):
        np.testing.assert_array_equal(weights["question"], same["question"])
        assert np.any(structure["question"]) and not np.any(nothing["question"])
        assert {k: v.shape for k, v in structure.items()} == {
            k: v.shape for k, v in nothing.items()
        }
    assert len(list(parts[1].epoch(0, 1))) == parts[1].total_steps - 1
