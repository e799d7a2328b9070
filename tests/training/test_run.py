"""A whole run of a tiny network: what it leaves behind, and how it stops."""

from __future__ import annotations

import json
import resource
import shutil
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from tensorflow import keras

from lnmn_tf.config import RunConfig
from lnmn_tf.config.registry import MODELS
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.errors import InputError
from lnmn_tf.training import checkpoints, evaluations, run, seeds
from lnmn_tf.training.algorithm_2 import AlternatingTrainer
from lnmn_tf.training.callbacks import Clock
from lnmn_tf.training.checkpoints import CheckpointFolder, Progress
from lnmn_tf.training.evaluation import Predictor
from lnmn_tf.training.fitting import make_trainer
from lnmn_tf.training.seeds import train_seeds
from tests.training.tiny_network import TinyNetwork, entry_of, tiny_config, train_tiny


@pytest.fixture(scope="module")
def finished(tiny_world, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("finished")
    return run_dir, train_tiny(tiny_config(tiny_world), run_dir)


@contextmanager
def full_disk(largest: int):
    """No file may grow beyond so many bytes."""
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)


def fresh_trainer(run_dir):
    config = RunConfig.load(run_dir)
    network = TinyNetwork(config.model)
    network({"image": np.zeros([1, 5, 7, 3], "f"), "question": np.ones([1, 2], "i")})
    return make_trainer(network, config, 11)


def test_a_run_folder_holds_what_explains_it(finished):
    run_dir, metrics = finished
    assert {path.name for path in run_dir.iterdir()} == {
        ".lock",
        "evaluations.jsonl",
        "checkpoints",
        "config.json",
        "flags.txt",
        "metrics.json",
        "predictions.txt",
        "structure.jsonl",
        "tensorboard",
        "vocabulary.json",
    }
    assert json.loads((run_dir / "metrics.json").read_text()) == metrics
    assert 0.0 <= metrics["val"]["accuracy"] <= 1.0
    assert len((run_dir / "predictions.txt").read_text().splitlines()) == 15
    vocabulary = Vocabulary.load(run_dir / "vocabulary.json")
    assert RunConfig.load(run_dir).model.num_words == vocabulary.num_words


def test_only_the_last_and_the_best_checkpoint_are_kept(finished):
    folder = finished[0] / "checkpoints"
    index = json.loads((folder / "index.json").read_text())
    kept = {path.name for path in folder.iterdir()}
    assert kept == {"index.json", index["last"], index["best"]}


def test_a_run_traces_each_of_its_functions_once(tiny_world, tmp_path, monkeypatch):
    """Over epochs, batches that are not full, and all checks of held-out questions."""
    made = {AlternatingTrainer: [], Predictor: []}
    for kind, instances in made.items():
        begin = kind.__init__

        def remember(self, *args, begin=begin, instances=instances, **kwargs):
            begin(self, *args, **kwargs)
            instances.append(self)

        monkeypatch.setattr(kind, "__init__", remember)
    train_tiny(tiny_config(tiny_world), tmp_path)
    (trainer,), (monitor, reporter) = made.values()
    assert trainer.train_function.experimental_get_tracing_count() == 1
    assert trainer._of_weights.traces == trainer._of_structure.traces == 1
    for predictor in (monitor, reporter):
        assert predictor.graph(1).experimental_get_tracing_count() == 1


def everything_in(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_a_finished_run_is_left_as_it_is(finished, tiny_world):
    run_dir, metrics = finished
    before = everything_in(run_dir)
    assert train_tiny(tiny_config(tiny_world), run_dir) == metrics
    assert everything_in(run_dir) == before


def test_more_epochs_extend_a_finished_run_to_the_weights_of_a_longer_one(tiny_world, tmp_path):
    # Everything that depends on the length of the whole run is off: it would be another run.
    choices = {"decay": "constant"}
    choices |= {"structure_decay": "decoupled", "entropy_schedule": "none"}
    train_tiny(tiny_config(tiny_world, epochs=2, **choices), tmp_path / "short")
    earlier = (tmp_path / "short" / "metrics.json").read_text()
    extended = train_tiny(tiny_config(tiny_world, epochs=4, **choices), tmp_path / "short")
    longer = train_tiny(tiny_config(tiny_world, epochs=4, **choices), tmp_path / "long")
    assert extended["val"] == longer["val"]
    assert extended["steps"] == longer["steps"] > json.loads(earlier)["steps"]
    assert (tmp_path / "short" / "metrics_2_epochs.json").read_text() == earlier
    weights = []
    for name in ("short", "long"):
        trainer = fresh_trainer(tmp_path / name)
        CheckpointFolder(tmp_path / name).restore(trainer)
        weights.append([variable.numpy() for variable in trainer.network.variables])
    for one, other in zip(*weights):
        np.testing.assert_array_equal(one, other)


def test_folders_that_the_run_did_not_make_stay_beside_its_checkpoints(tiny_world, tmp_path):
    config = tiny_config(tiny_world, epochs=2)
    train_tiny(config, tmp_path)
    folder = tmp_path / "checkpoints"
    last = json.loads((folder / "index.json").read_text())["last"]
    for name in (f"{last}_copy", "mine", "step_1"):
        shutil.copytree(folder / last, folder / name)
    (folder / ".step_00000001.tmp").mkdir()  # of a kill
    train_tiny(config.replace(epochs=3), tmp_path)
    names = {path.name for path in folder.iterdir()}
    assert {f"{last}_copy", "mine", "step_1"} <= names
    assert ".step_00000001.tmp" not in names
    index = json.loads((folder / "index.json").read_text())
    kept = {index["last"], index["best"], "index.json"}
    assert names == kept | {f"{last}_copy", "mine", "step_1"}


@pytest.mark.parametrize(
    "index",
    ["{", "[]", "[" * 100_000, '{"last": 5}', '{"last": "../../x"}', '{"last": ["step_00000001"]}']
    + ['{"last": "step_00000001", "superseded": "x"}', '{"last": "step_00000001", "best": null}'],
)
def test_an_index_that_is_none_is_named(tmp_path, index):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "index.json").write_text(index)
    with pytest.raises(InputError, match=r"index\.json: (cannot be read|names)"):
        CheckpointFolder(tmp_path).progress("last")


def test_a_run_that_learned_nothing_says_so(tiny_world, tmp_path, monkeypatch, caplog):
    best = {"accuracy": 1.0, "families": {}, "questions": 15}
    monkeypatch.setattr(run, "baselines", lambda *_: {"most_frequent_answer": best})
    config = tiny_config(tiny_world, baselines=True, epochs=1)
    train_tiny(config.replace(warmup_steps=3), tmp_path)
    messages = [record.getMessage() for record in caplog.records]
    assert any("no better than the baseline most_frequent_answer (100.0 %)" in m for m in messages)
    assert any("warmup_steps is 3 of the run's 4 steps" in m for m in messages)


def test_fewer_epochs_are_refused(finished, tiny_world):
    with pytest.raises(InputError, match=r"--epochs=\d, but --epochs is 1; .*more --epochs"):
        train_tiny(tiny_config(tiny_world, epochs=1), finished[0])


def test_every_evaluation_is_a_record_that_says_what_it_is_of(finished, tiny_world):
    run_dir, metrics = finished
    (record,) = evaluations.read(run_dir)
    assert record["accuracy"] == metrics["val"]
    assert record["checkpoint"] == "best"
    assert record["step"] == metrics["held_out"]["step"]
    assert record["split"] == "val"
    questions = tiny_world / "questions" / "CLEVR_val_questions.json"
    assert record["data"]["questions_sha256"] == evaluations.checksum(questions)
    assert {"hard_operators", "zeroed_operators", "module_threshold"} <= set(record["flags"])
    assert {"tensorflow", "keras", "python"} == set(record["versions"])


def test_restoring_gives_back_weights_slots_and_progress(finished):
    run_dir, metrics = finished
    trainer = fresh_trainer(run_dir)
    progress = CheckpointFolder(run_dir).restore(trainer)
    assert progress.step == metrics["steps"] == int(trainer.optimizer.iterations)
    choice = RunConfig.load(run_dir).training.choose_step(progress.step)
    assert int(trainer.arch_optimizer.iterations) == -(-choice // 2)
    assert progress.best_accuracy == metrics["held_out"]["accuracy"]


def test_weights_read_while_a_training_writes_are_those_of_one_checkpoint(
    finished, tmp_path, monkeypatch
):
    """The best checkpoint is superseded, and removed, between the look at the index and the reading."""
    run_dir = shutil.copytree(finished[0], tmp_path / "run")
    folder, trainer = CheckpointFolder(run_dir), fresh_trainer(run_dir)
    folder.restore(trainer)
    trainer.answering = nullcontext  # no averages
    read, steps = checkpoints._read, []

    def meanwhile(checkpoint, path):
        if len(steps) < 2:
            steps.append(100 + len(steps))
            trainer.network.alpha.assign(np.full([1, 1, 6], steps[-1]))
            folder.save(trainer, Progress(step=steps[-1]), best=True)
        read(checkpoint, path)

    network = fresh_trainer(run_dir).network
    monkeypatch.setattr(checkpoints, "_read", meanwhile)
    progress = CheckpointFolder(run_dir).load_weights(network, "best")
    assert progress.step == 101
    np.testing.assert_array_equal(network.alpha, np.full([1, 1, 6], 101.0))


def test_a_run_stopped_before_and_after_its_structure_is_chosen_ends_with_the_same_weights(
    tiny_world, tmp_path, monkeypatch
):
    config = tiny_config(tiny_world, structure_decay="annealed", choose_share=0.5)
    train_tiny(config, tmp_path / "whole")
    steps = json.loads((tmp_path / "whole" / "metrics.json").read_text())["steps"]
    advance, stops = Clock.advance, [steps // 2 - 1, steps // 2 + 3]

    def stopping(clock):
        advance(clock)
        if stops and clock.step == stops[0]:
            stops.pop(0)
            raise KeyboardInterrupt

    monkeypatch.setattr(Clock, "advance", stopping)
    for _ in list(stops):
        with pytest.raises(KeyboardInterrupt):
            train_tiny(config, tmp_path / "stopped")
    train_tiny(config, tmp_path / "stopped")
    assert not stops
    whole, stopped = (fresh_trainer(tmp_path / name) for name in ("whole", "stopped"))
    for trainer, name in ((whole, "whole"), (stopped, "stopped")):
        CheckpointFolder(tmp_path / name).restore(trainer)
    assert np.ptp(whole.network.alpha) > 5  # one operator was chosen
    for mine, theirs in zip(whole.network.variables, stopped.network.variables):
        np.testing.assert_array_equal(mine, theirs)
    for of_whole, of_stopped in (
        (whole.optimizer, stopped.optimizer),
        (whole.arch_optimizer, stopped.arch_optimizer),
    ):
        for mine, theirs in zip(of_whole.variables(), of_stopped.variables()):
            np.testing.assert_array_equal(mine, theirs)


def test_a_checkpoint_of_another_config_is_refused_by_field_and_values(finished, tiny_world):
    with pytest.raises(InputError, match=r"--learning_rate=0\.01, but --learning_rate is 0\.5"):
        train_tiny(tiny_config(tiny_world, learning_rate=0.5), finished[0])


def test_a_checkpoint_of_other_data_is_refused(finished, tiny_world, tmp_path):
    world = shutil.copytree(tiny_world, tmp_path / "world")
    run_dir = shutil.copytree(finished[0], tmp_path / "run")
    (run_dir / "metrics.json").unlink()  # stopped before its end
    path = world / "questions" / "CLEVR_train_questions.json"
    content = json.loads(path.read_text())
    content["questions"][0]["question"] = "Zork?"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"vocabulary\.json.*another --run_dir"):
        train_tiny(tiny_config(world), run_dir)


def test_a_checkpoint_of_another_model_is_refused(finished):
    network = keras.Sequential([keras.layers.Dense(3)])
    network(np.zeros([1, 2], "f"))
    with pytest.raises(InputError, match="of another model"):
        CheckpointFolder(finished[0]).load_weights(network)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    tiny_world, tmp_path
):
    config = tiny_config(
        tiny_world, learning_rate=1e38, warmup_steps=0, clip_norm=0.0, checkpoint_steps=1
    )
    with pytest.raises(InputError) as caught:
        train_tiny(config, tmp_path)
    message = str(caught.value)
    assert "step" in message and "finite" in message and "kept" in message
    if (tmp_path / "checkpoints" / "index.json").exists():
        trainer = fresh_trainer(tmp_path)
        CheckpointFolder(tmp_path).restore(trainer)
        assert all(np.isfinite(v.numpy()).all() for v in trainer.network.variables)


def test_a_full_disk_stops_the_run_with_the_earlier_checkpoint_intact(tiny_world, tmp_path):
    train_tiny(tiny_config(tiny_world), tmp_path)
    trainer = fresh_trainer(tmp_path)
    folder = CheckpointFolder(tmp_path)
    progress = folder.restore(trainer)
    later = type(progress)(step=99)
    with full_disk(100), pytest.raises(InputError, match=r"step 99.*kept"):
        folder.save(trainer, later, best=True)
    assert CheckpointFolder(tmp_path).restore(fresh_trainer(tmp_path)) == progress
    leftovers = [path.name for path in (tmp_path / "checkpoints").iterdir() if "tmp" in path.name]
    assert leftovers == []


def test_the_best_seed_is_that_of_the_held_out_questions(tmp_path, monkeypatch):
    """Even where another is better on the split that reports."""

    def metrics(config, *_):
        first = config.training.seed == 0
        accuracies = {"val": 0.3 if first else 0.6, "held_out": 0.5 if first else 0.4}
        return {"seconds": 1.0, **{name: {"accuracy": x} for name, x in accuracies.items()}}

    monkeypatch.setattr(seeds, "train", metrics)
    config = RunConfig.create({"image_height": 5, "image_width": 7, "num_seeds": 2})
    summary = train_seeds(config, tmp_path, "")
    assert summary["best_run"] == "seed_0" and summary["best"] == 0.3


def test_seeds_differ_and_their_summary_is_their_mean_and_deviation(
    tiny_world, tmp_path, monkeypatch
):
    monkeypatch.setitem(MODELS, "relational", entry_of())
    summary = train_seeds(tiny_config(tiny_world, num_seeds=2, epochs=2), tmp_path, "--a=b\n")
    single = [json.loads((tmp_path / f"seed_{i}" / "metrics.json").read_text()) for i in range(2)]
    accuracies = [metrics["val"]["accuracy"] for metrics in single]
    assert summary["mean"] == pytest.approx(np.mean(accuracies))
    assert summary["deviation"] == pytest.approx(np.std(accuracies, ddof=1))
    held_out = [metrics["held_out"]["accuracy"] for metrics in single]
    assert summary["best_run"] == f"seed_{np.argmax(held_out)}"
    assert summary["best"] == accuracies[np.argmax(held_out)]
    assert json.loads((tmp_path / "metrics.json").read_text()) == summary
    assert (tmp_path / "seed_1" / "flags.txt").read_text() == "--a=b\n--seed=1\n--num_seeds=1\n"
    assert RunConfig.load(tmp_path / "seed_1").training.seed == 1
