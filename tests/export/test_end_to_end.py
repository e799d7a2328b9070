"""Client and server together, over gRPC and REST.

The server is the real `tensorflow_model_server` where that is on the PATH (or TF_MODEL_SERVER names
it). Else the stand-in of `stand_in_server.py` takes gRPC, and the demonstration REST.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from export.benchmark.servers import free_port, server_command
from export.client import Client, Refused, ServingError, Target
from export.client.command import main
from export.demo.demonstration import Demonstration
from tests.export.conftest import PICTURES, QUESTIONS
from tests.export.stand_in_server import StandInServer

ROOT = Path(__file__).resolve().parents[2]
SERVING = ROOT / "export" / "serving"
REAL_SERVER = server_command()
LABELS = {"stable": 1, "canary": 1}


class Addresses(NamedTuple):
    grpc: str
    rest: str


def wait_for(url: str, what: str, process: subprocess.Popen, seconds: float = 90) -> None:
    """Waits until a page holds a text."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                if what in reply.read().decode():
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} does not say {what!r}")


@pytest.fixture(scope="module")
def server(exported, served, tmp_path_factory):
    """Addresses of a server with the tiny model."""
    if REAL_SERVER:
        folder = tmp_path_factory.mktemp("server")
        models = (SERVING / "models.config").read_text()
        models = models.replace('"/models/lnmn"', json.dumps(str(exported.parent)))
        (folder / "models.config").write_text(models)
        ports = free_port(), free_port()
        arguments = [
            *REAL_SERVER,
            f"--port={ports[0]}",
            f"--rest_api_port={ports[1]}",
            f"--model_config_file={folder / 'models.config'}",
            "--allow_version_labels_for_unavailable_models=true",
            "--enable_batching=true",
            f"--batching_parameters_file={SERVING / 'batching.config'}",
            f"--monitoring_config_file={SERVING / 'monitoring.config'}",
        ]
        with subprocess.Popen(arguments) as process:
            try:
                wait_for(f"http://127.0.0.1:{ports[1]}/v1/models/lnmn", "AVAILABLE", process)
                yield Addresses(*(f"127.0.0.1:{port}" for port in ports))
            finally:
                process.terminate()
        return
    demonstration = Demonstration(served, [], port=0)
    thread = threading.Thread(target=demonstration.server.serve_forever, daemon=True)
    thread.start()
    with StandInServer(exported, LABELS) as stand_in:
        yield Addresses(f"127.0.0.1:{stand_in.port}", f"127.0.0.1:{demonstration.server.port}")
    demonstration.server.shutdown()
    demonstration.close()


@pytest.fixture(params=["grpc", "rest"])
def protocol(request):
    return request.param


@pytest.fixture
def client(server, protocol):
    with Client(getattr(server, protocol), rest=protocol == "rest", deadline=60) as client:
        yield client


@pytest.fixture(scope="module")
def expected(signatures):
    """The outputs of `explain` for all pictures and questions, by TensorFlow in this process."""
    import tensorflow as tf

    outputs = signatures["explain"](
        question=tf.constant(QUESTIONS), image=tf.constant(list(PICTURES))
    )
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def test_answers_are_those_of_the_saved_model(client, expected):
    answers = client.ask(PICTURES, QUESTIONS)
    assert [answer.text.encode() for answer in answers] == list(expected["answer"])
    np.testing.assert_allclose(
        [answer.probability for answer in answers], expected["probability"], atol=1e-5
    )
    top = [text.encode() for text, _ in answers[3].top]
    assert top == [text for text in expected["top_answers"][3] if text]


def test_the_explanation_is_that_of_the_saved_model(client, expected):
    outputs = client.explain(PICTURES[2], QUESTIONS[2])
    assert set(outputs) == set(expected)
    words = [word.encode() for word in outputs["words"]]
    assert words == list(expected["words"][2][: len(words)])
    for name in ("module_weights", "attention", "pointer"):
        np.testing.assert_allclose(outputs[name], expected[name][2], atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    "images, questions, words",
    [
        ([b"no picture"], ["Is it?"], ["image"]),
        ([PICTURES[0]], [""], ["question"]),
        ([PICTURES[0]] * 2, ["Is it?", " "], ["question"]),
        ([np.zeros([3, 5, 7], np.float32)], ["Is it?"], ["image", "features"]),
    ],
)
def test_a_refusal_says_what_was_wrong(client, images, questions, words):
    with pytest.raises(Refused) as refusal:
        client.ask(images, questions)
    for word in words:
        assert word in str(refusal.value)


def test_another_model_version_or_signature_is_named(server, protocol):
    address, rest = getattr(server, protocol), protocol == "rest"
    for target in (Target(address, model="lmnm"), Target(address, version=7)):
        with Client(target, rest) as client, pytest.raises(ServingError, match=r"(?i)not.found"):
            client.ask(PICTURES[:1], QUESTIONS[:1])
    with Client(address, rest) as client, pytest.raises(Refused, match="exlpain"):
        client.predict({"question": ["a"], "image": [PICTURES[0]]}, "exlpain")


def test_a_version_may_be_asked_for_by_number_or_label(server):
    for target in (Target(server.grpc, version=1), Target(server.grpc, label="stable")):
        with Client(target) as client:
            assert client.ask(PICTURES[:1], QUESTIONS[:1])
    with Client(Target(server.rest, version=1), rest=True) as client:
        assert client.ask(PICTURES[:1], QUESTIONS[:1])


@pytest.fixture
def folder(tmp_path):
    """Pictures, and a file of five questions of which the fourth has no picture."""
    for number, picture in enumerate(PICTURES[:3]):
        (tmp_path / f"{number}.img").write_bytes(picture)
    (tmp_path / "bad.img").write_bytes(b"no picture")
    names = ["0", "1", "2", "bad", "0"]
    lines = [f"{tmp_path / name}.img\t{q}" for name, q in zip(names, QUESTIONS)]
    (tmp_path / "questions.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def command(server, protocol, *arguments) -> int:
    rest = ["--rest"] if protocol == "rest" else []
    address = getattr(server, protocol)
    return main([f"--server={address}", *rest, "--deadline=60", *map(str, arguments)])


def test_the_shell_gets_answers_and_steps(server, protocol, folder, expected, capsys):
    arguments = [f"--image={folder / '1.img'}", f"--question={QUESTIONS[1]}", "--explain"]
    assert command(server, protocol, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("%")[1].strip() == expected["answer"][1].decode()
    assert [line for line in lines if line.startswith("step 1: ")]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_file_of_questions_loses_only_those_that_are_refused(
    server, protocol, folder, expected, capsys, batch_size
):
    arguments = [f"--questions={folder / 'questions.txt'}", f"--batch_size={batch_size}"]
    assert command(server, protocol, *arguments, f"--output={folder / 'answers.tsv'}") == 1
    rows = [line.split("\t") for line in (folder / "answers.tsv").read_text().splitlines()]
    answers = [row[2].encode() for row in rows]
    assert answers[:3] == list(expected["answer"][:3])
    assert answers[3] == b"" and answers[4]
    errors = capsys.readouterr().err
    assert "question 4: " in errors and "1 of 5" in errors
    assert not list(folder.glob("*.tmp"))


def test_a_missing_picture_names_the_file(server, folder, capsys):
    arguments = [f"--image={folder / 'nowhere.png'}", "--question=Is it?"]
    assert command(server, "grpc", *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "nowhere.png" in error


@pytest.mark.parametrize("names", [("rest", "tensorflow", "grpc", "absl", "h5py"), ("grpc",)])
def test_the_client_needs_nothing_of_the_package(server, folder, names):
    protocol, *forbidden = names
    code = (
        "import sys\n"
        f"for name in {[*forbidden, 'lnmn_tf', 'tensorflow_addons', 'tqdm', 'PIL']!r}:\n"
        "    sys.modules[name] = None\n"
        "from export.client.command import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    rest = ["--rest"] if protocol == "rest" else []
    arguments = [f"--server={getattr(server, protocol)}", f"--image={folder / '0.img'}", *rest]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--question=Is it?"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "%" in done.stdout
