"""What TensorBoard shows of a run: asked over its HTTP interface, and looked at in a browser."""

from __future__ import annotations

import json
import re
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

from lnmn_tf.config import RunConfig
from lnmn_tf.training import board_pictures, board_texts
from lnmn_tf.training.tensorboard import _Means, structure_picture
from tests.export.demo.browser import find_chromium, opened

SCALARS = {
    "accuracy/training",
    "accuracy/held_out",
    "accuracy/validation",
    "loss/cross_entropy",
    "loss/structure_cross_entropy",
    "layout/module_entropy",
    "layout/lambda_w",
    "optimizer/learning_rate",
    "optimizer/structure_learning_rate",
    "optimizer/gradient_norm",
    "optimizer/structure_gradient_norm",
    "structure/steps",
    "speed/examples_per_second",
}
MIXTURES = {"look_3.0": np.eye(6)[[3, 0]], "answer_4.0": np.full([3, 6], 1 / 6)}


@pytest.fixture(scope="module")
def board(tiny_run):
    """The address of a TensorBoard that serves a run."""
    from tensorboard import program

    server = program.TensorBoard()
    # One process: the data server would be a second one, which outlives a test that fails.
    options = ["--logdir", str(tiny_run), "--port", "0", "--load_fast", "false"]
    server.configure(["tensorboard", *options, "--reload_interval", "1"])
    return server.launch()


def ask(board: str, path: str, content=None):
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(
        f"{board}data/plugin/{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read())


@pytest.fixture(scope="module")
def tags(board):
    """Tags of the run by plugin, once TensorBoard has read them all."""
    for _ in range(120):
        tags = {p: ask(board, f"{p}/tags") for p in ("scalars", "images", "histograms", "text")}
        found = {p: set(next(iter(runs.values()), ())) for p, runs in tags.items()}
        if "accuracy/validation" in found["scalars"]:
            return found
        time.sleep(0.5)
    raise AssertionError(f"TensorBoard has read only {found}")


def test_scalars_are_grouped_and_named_for_what_they_show(tags):
    assert tags["scalars"] >= SCALARS
    groups = {tag.partition("/")[0] for tag in tags["scalars"]}
    assert groups == {
        *("accuracy", "held_out_accuracy", "validation_accuracy", "loss", "layout", "structure"),
        *("structure_entropy", "structure_top_weight", "optimizer", "speed"),
    }
    assert {t for t in tags["scalars"] if t.startswith("structure_entropy")} >= {
        "structure_entropy/look_3.0",
        "structure_entropy/answer_4.0",
    }


def test_pictures_histograms_and_texts_are_there(tags, board):
    assert tags["images"] >= {"structure/alpha", "module_use/count", "attention/question_1"}
    assert any(tag.startswith("weights/") for tag in tags["histograms"])
    assert tags["histograms"] >= {"module_weights/step_1", "alpha/look_3.0"}
    assert {tag.removesuffix("/text_summary") for tag in tags["text"]} >= {
        "run/card",
        "structure/genotype",
        "structure/formulas",
    }


def test_the_learned_formulas_stand_there_after_each_epoch(board, tags):
    (tag,) = [tag for tag in tags["text"] if tag.startswith("structure/formulas")]
    pieces = ask(board, f"text/text?run=tensorboard&tag={tag}")
    assert [piece["step"] > 0 for piece in pieces] == [True]  # the run has one epoch
    assert "look_3.0" in pieces[0]["text"] and "conv2(" in pieces[0]["text"]
    assert "<table>" in pieces[0]["text"] and "has lost" in pieces[0]["text"]


def test_accuracies_are_those_that_the_run_reports(board, tags, tiny_run):
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    ((_, step, value),) = ask(board, "scalars/scalars?run=tensorboard&tag=accuracy/validation")
    assert (step, value) == (metrics["steps"], pytest.approx(metrics["val"]["accuracy"]))
    held_out = ask(board, "scalars/scalars?run=tensorboard&tag=accuracy/held_out")
    assert held_out[-1][2] == pytest.approx(metrics["held_out"]["accuracy"])


def test_hparams_compare_runs_by_their_accuracies(board, tags, tiny_run):
    experiment = ask(board, "hparams/experiment", {"experimentName": ""})
    names = {info["name"] for info in experiment["hparamInfos"]}
    assert names >= {"model", "seed", "learning_rate", "map_dim"}
    assert not names & {"data_dir", "run_dir"}
    asked = {
        "startIndex": 0,
        "sliceSize": 10,
        "allowedStatuses": ["STATUS_SUCCESS"],
        "colParams": [{"metric": {"group": "", "tag": "accuracy/validation"}}],
    }
    (group,) = ask(board, "hparams/session_groups", asked)["sessionGroups"]
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    values = {m["name"]["tag"]: m["value"] for m in group["metricValues"]}
    assert values["accuracy/validation"] == pytest.approx(metrics["val"]["accuracy"])
    assert group["hparams"]["map_dim"] == RunConfig.load(tiny_run).model.map_dim


def test_the_layout_opens_on_accuracy_and_names_tags_that_exist(board, tags):
    layout = ask(board, "custom_scalars/layout")
    first = layout["category"][0]
    assert first["title"] == "What matters" and first["chart"][0]["title"] == "Accuracy"
    for category in layout["category"]:
        for chart in category["chart"]:
            for pattern in chart["multiline"]["tag"]:
                assert any(re.fullmatch(pattern, tag) for tag in tags["scalars"]), pattern


@pytest.mark.skipif(not find_chromium(), reason="no Chromium on the PATH")
@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("custom_scalars", ["What matters"]),
        ("images", ["structure", "attention"]),
        ("hparams", ["accuracy/validation", "map_dim"]),
    ],
)
def test_the_pages_show_it_in_a_browser(board, tags, page, texts):
    with opened(f"{board}#{page}") as tab:
        for text in texts:
            tab.get_by_text(text).first.wait_for(state="attached")


def test_means_of_the_structure_are_over_the_steps_that_took_one():
    means = _Means()
    for step in range(8):
        searched = step % 4 == 0
        means.add({"loss": step, "structure_cross_entropy": 6.0 * searched})
    assert means.means() == {"loss": 3.5, "structure_cross_entropy": 6.0}
    means = _Means()
    means.add({"loss": 1.0, "structure_cross_entropy": 0.0})
    assert means.means() == {"loss": 1.0}


def test_a_heat_map_is_darker_where_a_share_is_larger():
    picture = board_pictures.heat_map(np.array([[0.0, 0.3, 0.6, 1.0]]), ["a"], list("wxyz"), "t")
    row = picture[-board_pictures.MARGIN - 4]
    grey = row.mean(axis=-1)[np.flatnonzero(np.abs(np.diff(row.sum(-1).astype(int))) > 30) + 1]
    shades = [value for value in grey if value < 254]
    assert shades == sorted(shades, reverse=True) and len(shades) >= 3


def test_a_map_is_bright_where_it_is_high_and_one_value_everywhere_is_dark():
    black = Image.new("RGB", (24, 16))
    attention = np.zeros([2, 3])
    attention[0, 2] = 0.01
    shown = np.asarray(board_pictures.overlaid(black, attention)).mean(axis=-1)
    assert shown[2, -2] > 150 > 60 > shown[-2, 2]
    assert np.asarray(board_pictures.overlaid(black, np.ones([2, 3]))).max() < 60


def test_the_structure_picture_has_a_row_for_each_node():
    rows = [structure_picture(dict(list(MIXTURES.items())[:n])).shape[0] for n in (1, 2)]
    assert rows[1] - rows[0] == 3 * board_pictures.CELL_HEIGHT


def test_the_genotype_names_the_strongest_operator_of_each_node():
    lines = board_texts.genotype(MIXTURES).splitlines()
    assert lines[2] == "| look_3.0 | product 1.00 | min 1.00 |  |"
    assert lines[3].count("0.17") == 3


def test_what_was_given_is_compared_and_places_are_not():
    config = RunConfig.create({"image_height": 8, "image_width": 8, "clip_norm": 3.0})
    compared = board_texts.hparams(
        config, "--set=clip_norm=3.0\n--decay=linear:0.5\n--data_dir=/x\n"
    )
    assert compared["clip_norm"] == 3.0 and compared["seed"] == 0
    assert "decay_start" in compared and "data_dir" not in compared
    assert all(isinstance(value, (bool, int, float, str)) for value in compared.values())


def test_the_run_card_shows_what_is_not_as_by_default_in_bold():
    config = RunConfig.create({"image_height": 8, "image_width": 8, "clip_norm": 3.0})
    card = board_texts.run_card(config, "--set=clip_norm=3.0\n")
    assert "| clip_norm | **3.0** |" in card and "| num_seeds | 1 |" in card
    assert board_texts.table(("a", "b"), [("x|y", 1)]).splitlines()[-1] == "| x\\|y | 1 |"
