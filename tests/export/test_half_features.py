"""A model that takes its features in half precision, from the flag to the client's answer."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from werkzeug.exceptions import HTTPException

from export.client import Client, Refused, ServingError
from export.client.command import main
from export.demo.rest import parse_request
from export.demo.served_model import ServedModel
from export.saved_model import export_run, how_to_query
from export.warm_up import FILE
from lnmn_tf.config import ExportConfig
from lnmn_tf.errors import InputError
from tests.export.conftest import random_run
from tests.export.stand_in_server import StandInServer

SHAPE = (14, 14, 1024)  # the paper's
HALF = ExportConfig(export_features_dtype="float16")
QUESTIONS = ["is it", "red"]
FEATURES = np.random.default_rng(0).normal(size=[2, *SHAPE]).astype(np.float16)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return random_run(tmp_path_factory.mktemp("half"), SHAPE)


@pytest.fixture(scope="module")
def version(run):
    """Its first version."""
    return export_run(run, HALF)


@pytest.fixture(scope="module")
def served_half(version):
    return ServedModel(version.parent)  # answers the warm-up requests


@pytest.fixture(scope="module")
def server(version):
    with StandInServer(version) as server:
        yield f"127.0.0.1:{server.port}"


def test_the_client_gets_the_answers_of_the_keras_model(run, server, tmp_path, capsys):
    inputs = {"features": tf.cast(FEATURES, tf.float32), "question": tf.constant([[2, 3], [4, 0]])}
    expected = tf.nn.softmax(run.network(inputs)["logits"]).numpy()
    with Client(server, features_dtype="float16") as client:
        answers = client.ask(list(FEATURES.astype(np.float32)), QUESTIONS)
    assert [a.text for a in answers] == [run.vocabulary.answers[i] for i in expected.argmax(axis=1)]
    np.testing.assert_allclose([a.probability for a in answers], expected.max(axis=1), atol=1e-5)
    np.save(tmp_path / "one.npy", FEATURES[0])
    arguments = [f"--server={server}", f"--image={tmp_path / 'one.npy'}", "--question=is it"]
    assert main([*arguments, "--features_dtype=float16"]) == 0
    assert answers[0].text in capsys.readouterr().out.splitlines()[0]
    assert main(arguments) == 1
    assert "float16" in capsys.readouterr().err


def test_what_is_beyond_half_precision_is_refused(server):
    with (
        Client(server, features_dtype="float16") as client,
        np.errstate(over="ignore"),
        pytest.raises(Refused, match="features 0 hold NaN or infinity"),
    ):
        client.ask([np.full(SHAPE, 1e5, np.float32)], ["red"])


def test_warm_up_requests_are_in_half_precision_and_small(version, served_half):
    assert (version / FILE).stat().st_size < 20_000


def test_json_has_no_half_precision_and_says_so(served_half):
    with pytest.raises(ServingError, match="float16.*gRPC"):
        Client("127.0.0.1:1", rest=True, features_dtype="float16")
    specs = served_half.input_specs
    body = {"inputs": {"question": ["red"], "features": FEATURES[:1].tolist()}}
    with pytest.raises(HTTPException, match="'features' is float16.*gRPC") as refusal:
        parse_request(json.dumps(body).encode(), specs, 1)
    assert refusal.value.code == 501


def test_the_model_card_says_so(version):
    card = json.loads((version / "model_card.json").read_text())
    assert card["tensors"]["features"].startswith("float16 [batch, ")
    assert "image" not in card["tensors"]


def test_how_to_query_it_names_features_and_their_type(run):
    text = how_to_query(run.run_dir / "export" / "1", run, HALF)
    assert "--image=FEATURES.npy --features_dtype=float16" in text


def test_a_model_of_pictures_has_no_features(trained, tmp_path):
    with pytest.raises(InputError, match="export_features_dtype is 'float16'.*reads pictures"):
        export_run(trained, ExportConfig(export_dir=str(tmp_path), export_features_dtype="float16"))
    with pytest.raises(InputError, match="export_features_dtype.*--with_backbone"):
        ExportConfig(with_backbone=True, export_features_dtype="float16")
    assert not list(tmp_path.iterdir())
