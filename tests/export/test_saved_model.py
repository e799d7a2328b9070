"""The folder of a version: what is in it, and that it is there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry

from export import saved_model
from export.servable import DOCUMENTATION
from lnmn_tf.config.export import ExportConfig
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.errors import InputError
from lnmn_tf.main import main
from tests.conftest import TINY_MODEL, TINY_TRAINING, to_arguments
from tests.export.conftest import QUESTIONS, encoded


@pytest.fixture(scope="module")
def graph(exported):
    """The one graph of the version."""
    content = SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    (meta_graph,) = content.meta_graphs
    return meta_graph


def test_a_version_is_all_that_a_server_wants(exported):
    names = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    assert names == {
        "saved_model.pb",
        "fingerprint.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "assets/words.txt",
        "assets.extra/tf_serving_warmup_requests",
        "model_card.json",
    }
    assert [path.name for path in exported.parent.iterdir()] == [exported.name]


def test_only_operations_of_tensorflow_are_used_and_none_must_be_compiled(graph):
    functions = graph.graph_def.library.function
    nodes = [*graph.graph_def.node, *(node for f in functions for node in f.node_def)]
    called = {function.signature.name for function in functions}
    for node in nodes:
        assert node.op in called or op_def_registry.get(node.op) is not None, node.op
        assert ">" not in node.op  # the mark of an add-on
        assert "_XlaMustCompile" not in node.attr
    assert len(functions) > 3
    assert not any("_XlaMustCompile" in function.attr for function in functions)


def test_every_tensor_is_named_documented_and_has_an_unknown_batch(graph):
    assert set(graph.signature_def) == {
        "serving_default",
        "explain",
        "answer_from_ids",
        "__saved_model_init_op",
    }
    documented = set()
    for name, signature in graph.signature_def.items():
        if name.startswith("__"):
            continue
        for tensors in (signature.inputs, signature.outputs):
            documented |= set(tensors)
            assert {info.tensor_shape.dim[0].size for info in tensors.values()} == {-1}
    assert documented == set(DOCUMENTATION) - {"features"}


def test_the_model_card_has_checksums_accuracy_and_the_vocabulary(exported, tiny_run):
    card = json.loads((exported / "model_card.json").read_text())
    for name, checksum in card["sha256"].items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == checksum
    assert len(card["sha256"]) == 6
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    assert card["evaluation"]["accuracy"] == metrics["val"]
    assert card["evaluation"]["step"] == card["checkpoint"]["step"] == metrics["held_out"]["step"]
    assert card["checkpoint"]["name"] == "best"
    assert card["vocabulary"]["sha256"] == Vocabulary.load(tiny_run / "vocabulary.json").hash
    assert card["flags"]["model"]["map_dim"] == 3
    assert card["versions"]["tensorflow"] == tf.__version__
    assert set(card["tensors"]) == set(DOCUMENTATION) - {"features"}


@pytest.mark.parametrize("options", [{"export_dtype": "bfloat16"}, {}])
def test_the_card_says_not_measured_where_this_graph_was_not(
    tiny_run, options, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(saved_model.Servable, "to_module", lambda _: (tf.Module(), {}))
    flags = options or {"hard_operators": True}
    arguments = to_arguments(mode="export", run_dir=tiny_run, export_dir=tmp_path, **flags)
    assert main(arguments) == 0
    card = json.loads((tmp_path / "1" / "model_card.json").read_text())
    assert card["evaluation"] == "not measured"
    assert "not measured" in capsys.readouterr().out


def run_cli(*arguments) -> str:
    """`saved_model_cli` in an empty environment."""
    program = Path(sys.executable).with_name("saved_model_cli")
    command = [sys.executable, program, *arguments]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_saved_model_cli_shows_and_runs_a_copy_elsewhere(exported, tmp_path, signatures):
    moved = shutil.copytree(exported, tmp_path / "3")
    shown = run_cli("show", "--dir", moved, "--tag_set", "serve", "--signature_def", "explain")
    assert "inputs['question'] tensor_info" in shown and "outputs['attention']" in shown
    pictures = [encoded(9, 11), encoded(11, 9)]
    path = tmp_path / "inputs.npz"
    np.savez(path, question=np.array(QUESTIONS[:2]), image=np.array(pictures))
    run_cli(
        *("run", "--dir", moved, "--tag_set", "serve", "--signature_def", "serving_default"),
        *("--inputs", f"question={path}[question];image={path}[image]", "--outdir", tmp_path),
    )
    reply = signatures["serving_default"](
        question=tf.constant(QUESTIONS[:2]), image=tf.constant(pictures)
    )
    found = np.load(tmp_path / "probability.npy")
    np.testing.assert_allclose(found, reply["probability"], atol=1e-5)


def test_versions_are_counted_up_and_foreign_folders_left_alone(tmp_path):
    for name in ("1", "9", "10", "canary", ".5.tmp"):
        (tmp_path / name).mkdir()
    finished = tmp_path / ".new.tmp"
    finished.mkdir()
    assert saved_model._publish(finished, tmp_path) == tmp_path / "11"
    assert saved_model.versions(tmp_path) == [1, 9, 10, 11]
    assert not finished.exists()


def test_another_user_may_read_a_version_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        finished = tmp_path / ".new.tmp"
        (finished / "variables").mkdir(parents=True)
        (finished / "variables" / "variables.index").touch()
    finally:
        os.umask(before)
    folder = saved_model._publish(finished, tmp_path)
    modes = [path.stat().st_mode & 0o777 for path in (folder, *sorted(folder.rglob("*")))]
    assert modes == [0o755, 0o755, 0o644]


def test_what_a_killed_export_left_goes_with_a_later_one(tmp_path):
    old, new = tmp_path / ".export-old.tmp", tmp_path / ".export-new.tmp"
    for folder in (old, new):
        (folder / "variables").mkdir(parents=True)
    an_hour_ago = time.time() - 3601
    os.utime(old, (an_hour_ago, an_hour_ago))
    with saved_model._temporary_folder(tmp_path) as folder:
        assert set(tmp_path.iterdir()) == {new, folder}
    assert list(tmp_path.iterdir()) == [new]


def test_training_ends_with_an_export_where_a_flag_asks_for_it(
    tiny_run, tiny_world, tmp_path, monkeypatch, capsys
):
    run_dir = shutil.copytree(tiny_run, tmp_path / "run")
    monkeypatch.setattr(saved_model, "export_run", lambda run, _: run.run_dir / "export" / "1")
    flags = {**TINY_MODEL, **TINY_TRAINING, "data_dir": tiny_world, "run_dir": run_dir}
    assert main([*to_arguments(mode="train", **flags), "--export"]) == 0
    out = capsys.readouterr().out
    assert f"exported {run_dir}/export/1" in out
    assert "--mode=serve" in out and "python -m export.client" in out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_full_disk_leaves_the_versions_as_they_were(exported, trained, monkeypatch):
    def fail(*_):
        raise tf.errors.ResourceExhaustedError(
            None, None, "{{function_node __wrapped__SaveV2}} part-0; disk full [Op:SaveV2]"
        )

    monkeypatch.setattr(saved_model, "write_warm_up", fail)
    monkeypatch.setattr(saved_model.Servable, "to_module", lambda _: (None, None))
    monkeypatch.setattr(tf.saved_model, "save", lambda *_: None)
    before = contents(exported.parent)
    with pytest.raises(InputError, match=": cannot be written: part-0; disk full$"):
        saved_model.export_run(trained, ExportConfig(export_dir=str(exported.parent)))
    assert contents(exported.parent) == before
    assert [path.name for path in exported.parent.iterdir()] == ["1"]


def damage(name: str, run_dir: Path) -> None:
    """Spoils the best checkpoint of a copy of a run."""
    checkpoints = run_dir / "checkpoints"
    best = checkpoints / json.loads((checkpoints / "index.json").read_text())["best"]
    weights = best / "weights.data-00000-of-00001"
    if name == "missing":
        shutil.rmtree(checkpoints)
    elif name == "cut short":
        weights.write_bytes(weights.read_bytes()[:50])
    elif name == "of another model":
        config = json.loads((run_dir / "config.json").read_text())
        config["model"]["map_dim"] = 17
        (run_dir / "config.json").write_text(json.dumps(config))
    elif name == "of another vocabulary":
        Vocabulary.build(["is it?"], ["yes"]).save(run_dir / "vocabulary.json")


@pytest.mark.parametrize(
    "name", ["missing", "cut short", "of another model", "of another vocabulary"]
)
def test_a_checkpoint_that_is_wrong_is_one_sentence_and_changes_nothing(
    name, exported, tiny_run, tmp_path, capsys
):
    run_dir = shutil.copytree(tiny_run, tmp_path / "run")
    damage(name, run_dir)
    before = contents(exported.parent)
    arguments = ["--mode=export", f"--run_dir={run_dir}", f"--export_dir={exported.parent}"]
    assert main(arguments) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith(f"error: {run_dir}")
    assert "{{" not in error[0]
    assert contents(exported.parent) == before


@pytest.mark.parametrize(
    "flags, words",
    [
        (
            ["--with_backbone", "--set=export_features_dtype=float16"],
            ["--with_backbone", "float16"],
        ),
        (["--backbone_weights=x.h5"], ["--backbone_weights", "x.h5", "--with_backbone"]),
        (
            ["--export", "--num_seeds=2", "--mode=train", "--image_size=9x9"],
            ["2"],
        ),
    ],
)
def test_flags_that_do_not_fit_are_refused_before_anything_is_done(flags, words, tmp_path, capsys):
    assert main(["--mode=export", f"--run_dir={tmp_path}", *flags]) == 1
    error = capsys.readouterr().err
    assert all(word in error for word in words), error
