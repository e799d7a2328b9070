"""The small trained model of the repository answers at once, and is the one that docs speak of."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from lnmn_tf.training.packed import WEIGHTS
from lnmn_tf.training.trained import TrainedRun

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "pretrained" / "quickstart"
SAMPLE = ROOT / "docs" / "pictures" / "sample.png"


@pytest.fixture(scope="module")
def run():
    return TrainedRun.open(FOLDER)


def test_it_is_small_and_its_weights_are_those_of_its_checksum():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000
    digest = hashlib.sha256((FOLDER / WEIGHTS).read_bytes()).hexdigest()
    assert digest == (FOLDER / "SHA256").read_text().split()[0]


def test_it_answers_questions_about_the_sample(run):
    (answer, probability), *_ = run.answer(
        SAMPLE, "There is an object that is left of the cylinder; what color is it?"
    )
    assert answer == "gray"
    assert probability > 0.5


def test_each_node_has_one_operator(run):
    for alpha in run.network.structure_variables:
        shares = np.exp(alpha) / np.exp(alpha).sum(axis=-1, keepdims=True)
        assert shares.max(axis=-1).min() > 0.999


def test_its_metrics_name_what_it_was_told():
    metrics = json.loads((FOLDER / "metrics.json").read_text())
    assert "scenes" in metrics["supervision"]["image encoder"]
    assert metrics["supervision"]["layout"].startswith("answers alone; until 0.5 of the run")
    assert (
        metrics["val"]["accuracy"] > metrics["baselines"]["question_only_lstm"]["accuracy"] + 0.25
    )
