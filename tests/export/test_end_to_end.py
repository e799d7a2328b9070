"""Client and server together: over gRPC and REST, in the clear, through TLS, and through nginx.

The server is the real `tensorflow_model_server` where that is on the PATH (or TF_MODEL_SERVER names
it). Else the stand-in of `stand_in_server.py` takes gRPC, and the demonstration REST.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np
import pytest

from export.client import Client, Refused, ServingError, Target
from export.client.command import main
from export.demo.demonstration import Demonstration
from export.demo.served_model import ServedModel
from tests.export.conftest import PICTURES, QUESTIONS
from tests.export.serving.messages import parse
from tests.export.stand_in_server import StandInServer

ROOT = Path(__file__).resolve().parents[2]
SERVING = ROOT / "export" / "serving"
REAL_SERVER = os.environ.get("TF_MODEL_SERVER") or shutil.which("tensorflow_model_server")
LABELS = {"stable": 1, "canary": 1}


class Addresses(NamedTuple):
    grpc: str
    rest: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
def server(exported, tmp_path_factory):
    """Addresses of a server with the tiny model."""
    if REAL_SERVER:
        folder = tmp_path_factory.mktemp("server")
        models = (SERVING / "models.config").read_text()
        models = models.replace('"/models/lnmn"', json.dumps(str(exported.parent)))
        (folder / "models.config").write_text(models)
        ports = free_port(), free_port()
        arguments = [
            REAL_SERVER,
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
    demonstration = Demonstration(ServedModel(exported.parent), [], port=0)
    thread = threading.Thread(target=demonstration.server.serve_forever, daemon=True)
    thread.start()
    with StandInServer(exported, LABELS) as stand_in:
        yield Addresses(
            f"127.0.0.1:{stand_in.port}", f"127.0.0.1:{demonstration.server.server_port}"
        )
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
    lines = [f"{tmp_path / name}.img\t{q}" for name, q in zip(names, QUESTIONS)]  # noqa: B905
    (tmp_path / "questions.txt").write_text("\n\n".join(lines) + "\n")
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


def test_the_client_needs_nothing_of_the_package(server, folder):
    forbidden = ["lnmn_tf", "tensorflow_addons", "h5py", "PIL", "tqdm", "absl"]
    code = (
        "import sys\n"
        f"for name in {[*forbidden, 'tensorflow', 'grpc']!r}: sys.modules[name] = None\n"
        "from export.client.command import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = [f"--server={server.rest}", "--rest", f"--image={folder / '0.img'}"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--question=Is it?"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "%" in done.stdout
    sources = [path.read_text() for path in (ROOT / "export" / "client").glob("*.py")]
    assert sources and not [s for s in sources if re.search(r"^\s*(from|import) lnmn", s, re.M)]


@pytest.fixture(scope="module")
def tls_folder(tmp_path_factory):
    """What `tls.sh` makes for 127.0.0.1."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl on the PATH")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run([SERVING / "tls.sh", "127.0.0.1", folder], check=True, capture_output=True)
    return folder


def test_tls_with_the_certificate_that_tls_sh_makes(exported, tls_folder):
    config = parse("SSLConfig", (tls_folder / "ssl.config").read_text())
    credentials = grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())]
    )
    with StandInServer(exported, credentials=credentials) as server:
        address = f"127.0.0.1:{server.port}"
        with Client(Target(address, tls=True, certificates=str(tls_folder / "ca.crt"))) as client:
            assert client.ask(PICTURES[:1], QUESTIONS[:1])
        with Client(Target(address, tls=True), attempts=1) as client, pytest.raises(ServingError):
            client.ask(PICTURES[:1], QUESTIONS[:1])
    assert (tls_folder / "tls.key").stat().st_mode & 0o077 == 0


@pytest.fixture(scope="module")
def proxy(server, tls_folder):
    """nginx with `nginx.conf`, but other addresses and paths. Returns its port."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not nginx:
        pytest.skip("no nginx on the PATH")
    password = subprocess.run(
        ["openssl", "passwd", "-6", "secret"], check=True, capture_output=True, text=True
    )
    (tls_folder / "users").write_text(f"alice:{password.stdout}")
    port = free_port()
    text = (SERVING / "nginx.conf").read_text()
    for old, new in {
        "serving:8500": server.grpc,
        "serving:8501": server.rest,
        "listen 8443": f"listen 127.0.0.1:{port}",
        "/etc/nginx/tls": str(tls_folder),
        "/tmp/": f"{tls_folder}/",
        "proxy_pass http://rest;": f"proxy_pass http://rest; proxy_set_header Host {server.rest};",
        "rate=20r/s": "rate=200r/s",
        "worker_processes auto": "user root;\nworker_processes 1",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (tls_folder / "nginx.conf").write_text(text)
    arguments = [nginx, "-p", tls_folder, "-c", tls_folder / "nginx.conf", "-e", "stderr"]
    subprocess.run([*arguments, "-t"], check=True, capture_output=True)
    with subprocess.Popen([*arguments, "-g", "daemon off;"]) as process:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
        process.terminate()


def test_the_proxy_answers_those_who_know_the_password(proxy, protocol, tls_folder, folder, capsys):
    (folder / "password").write_text("secret\n")
    arguments = [
        f"--server=127.0.0.1:{proxy}",
        *(["--rest"] if protocol == "rest" else []),
        "--tls",
        f"--ca_file={tls_folder / 'ca.crt'}",
        f"--image={folder / '0.img'}",
        "--question=Is it?",
    ]
    password = ["--user=alice", f"--password_file={folder / 'password'}"]
    assert main([*arguments, *password]) == 0
    assert "%" in capsys.readouterr().out
    assert main(arguments) == 1
    assert "--password_file" in capsys.readouterr().err


def test_the_proxy_forwards_questions_only(proxy, tls_folder):
    from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

    credentials = grpc.ssl_channel_credentials((tls_folder / "ca.crt").read_bytes())
    with grpc.secure_channel(f"127.0.0.1:{proxy}", credentials) as channel:
        service = model_service_pb2_grpc.ModelServiceStub(channel)
        metadata = [("authorization", "Basic YWxpY2U6c2VjcmV0")]
        with pytest.raises(grpc.RpcError) as refusal:
            service.HandleReloadConfigRequest(
                model_management_pb2.ReloadConfigRequest(), metadata=metadata, timeout=10
            )
    # nginx's 404, which gRPC calls UNIMPLEMENTED.
    assert refusal.value.code() == grpc.StatusCode.UNIMPLEMENTED
