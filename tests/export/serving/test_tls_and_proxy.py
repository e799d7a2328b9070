"""The server behind TLS, and behind nginx with a password; no model is needed for that."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import grpc
import pytest

from export.benchmark.servers import free_port
from export.client import Client, ServingError, Target
from export.client.command import main
from tests.export.client.moody_servers import REPLY, grpc_server, rest_server
from tests.export.serving.messages import parse

SERVING = Path(__file__).resolve().parents[3] / "export" / "serving"


@pytest.fixture(scope="module")
def tls_folder(tmp_path_factory):
    """What `tls.sh` makes for 127.0.0.1."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl on the PATH")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run([SERVING / "tls.sh", "127.0.0.1", folder], check=True, capture_output=True)
    return folder


def test_tls_with_the_certificate_that_tls_sh_makes(tls_folder):
    config = parse("SSLConfig", (tls_folder / "ssl.config").read_text())
    credentials = grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())]
    )
    with grpc_server(credentials=credentials) as (address, _):
        with Client(Target(address, tls=True, certificates=str(tls_folder / "ca.crt"))) as client:
            assert client.ask([b"picture"], ["Why?"])[0].text == "yes"
        with Client(Target(address, tls=True), attempts=1) as client, pytest.raises(ServingError):
            client.ask([b"picture"], ["Why?"])
    assert (tls_folder / "tls.key").stat().st_mode & 0o077 == 0


def test_a_certificate_from_elsewhere_is_kept(tls_folder):
    before = (tls_folder / "tls.crt").read_bytes()
    subprocess.run([SERVING / "tls.sh", "127.0.0.1", tls_folder], check=True, capture_output=True)
    assert (tls_folder / "tls.crt").read_bytes() == before


@pytest.fixture(scope="module")
def proxy(tls_folder):
    """nginx with `nginx.conf`, but other addresses and paths. Yields its port."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not nginx:
        pytest.skip("no nginx on the PATH")
    password = subprocess.run(
        ["openssl", "passwd", "-6", "secret"], check=True, capture_output=True, text=True
    )
    (tls_folder / "users").write_text(f"alice:{password.stdout}")
    with grpc_server() as (grpc_address, _), rest_server((200, REPLY)) as rest_address:
        port = free_port()
        text = (SERVING / "nginx.conf").read_text()
        for old, new in {
            "/tmp/": f"{tls_folder}/",
            "/etc/nginx/tls": str(tls_folder),
            "serving:8500": grpc_address,
            "serving:8501": rest_address,
            "listen 8443": f"listen 127.0.0.1:{port}",
            "worker_processes auto": "worker_processes 1",
        }.items():
            assert old in text
            text = text.replace(old, new)
        if os.getuid() == 0:  # else its workers could not enter pytest's folders
            text = "user root;\n" + text
        (tls_folder / "nginx.conf").write_text(text)
        arguments = [nginx, "-p", tls_folder, "-c", tls_folder / "nginx.conf", "-e", "stderr"]
        subprocess.run([*arguments, "-t"], check=True)
        with subprocess.Popen([*arguments, "-g", "daemon off;"]) as process:
            wait_until_open(port)
            yield port
            process.terminate()


def wait_until_open(port: int, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_the_proxy_answers_those_who_know_the_password(proxy, protocol, tls_folder, capsys):
    (tls_folder / "password").write_text("secret\n")
    arguments = [
        f"--server=127.0.0.1:{proxy}",
        *(["--rest"] if protocol == "rest" else []),
        "--tls",
        f"--ca_file={tls_folder / 'ca.crt'}",
        f"--image={tls_folder / 'tls.crt'}",
        "--question=Is it?",
    ]
    password = ["--user=alice", f"--password_file={tls_folder / 'password'}"]
    assert main([*arguments, *password]) == 0
    assert "75.00 %  yes" in capsys.readouterr().out
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
