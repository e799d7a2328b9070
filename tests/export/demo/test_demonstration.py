"""The demonstration over HTTP: paths, bounds, and what strangers may not do."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from export.demo import demonstration as demonstration_module
from export.demo import http_server, paths
from export.demo.examples import find_examples
from tests.export.demo.conftest import Echo, running

BODY = json.dumps({"signature_name": "echo", "instances": ["Why?"]})


def request(demonstration, method, path, body=None, headers=None):
    """Status, headers and body of a reply."""
    connection = http.client.HTTPConnection("127.0.0.1", demonstration.server.port, 20)
    try:
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def raw(demonstration, data: bytes) -> bytes:
    """All that comes back for some bytes."""
    address = ("127.0.0.1", demonstration.server.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.mark.parametrize("version", ["", "/versions/3"])
def test_the_paths_of_tf_serving(echo, version):
    path = f"/v1/models/lnmn{version}"
    status, headers, body = request(echo, "POST", f"{path}:predict", BODY)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == {"predictions": [{"answer": "Why?", "probability": 0.5}]}
    (state,) = json.loads(request(echo, "GET", path)[2])["model_version_status"]
    assert (state["version"], state["state"]) == ("3", "AVAILABLE")
    spec = json.loads(request(echo, "GET", f"{path}/metadata")[2])["model_spec"]
    assert spec == {"name": "lnmn", "signature_name": "", "version": "3"}


@pytest.mark.parametrize(
    "method, path, status, word",
    [
        ("GET", "/nowhere", 404, "/nowhere"),
        ("GET", "/../../etc/passwd", 404, "passwd"),
        ("GET", "/examples/0", 404, "example"),
        ("GET", "/examples/../paths.py", 404, "example"),
        ("GET", "/v1/models/other", 404, "expected /v1/models/lnmn"),
        ("GET", "/v1/models/lnmn/versions/4", 404, "version 3"),
        ("GET", "/v1/models/lnmn:predict", 400, "POST"),
        ("POST", "/v1/models/lnmn", 400, ":predict"),
        ("POST", "/v1/models/lnmn:classify", 400, ":predict"),
        ("POST", "/v1/models/lnmn/metadata:predict", 400, ":predict"),
        ("PUT", "/", 501, "PUT"),
    ],
)
def test_other_paths_are_refused_in_json(echo, method, path, status, word):
    found, headers, body = request(echo, method, path, BODY if method == "POST" else None)
    assert (found, headers["Content-Type"]) == (status, "application/json")
    assert word in json.loads(body)["error"]


def test_the_page_says_that_it_is_a_demonstration_and_loads_nothing_from_elsewhere(echo):
    for path in demonstration_paths():
        status, headers, body = request(echo, "GET", path)
        assert status == 200
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert b"https://" not in body and b'src="//' not in body
    assert b"Demonstration" in request(echo, "GET", "/")[2]


def demonstration_paths():
    from export.demo.paths import PAGE

    return list(PAGE)


def test_head_has_the_headers_alone(echo):
    status, headers, body = request(echo, "HEAD", "/")
    assert status == 200 and int(headers["Content-Length"]) > 0 and body == b""


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}],
)
def test_other_pages_of_a_browser_may_not_ask(echo, headers):
    status, _, body = request(echo, "POST", "/v1/models/lnmn:predict", BODY, headers)
    assert status == 403 and b"expected a request to" in body
    own = {"Origin": echo.url.rstrip("/")}
    assert request(echo, "POST", "/v1/models/lnmn:predict", BODY, own)[0] == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_is_allowed_may_ask_and_a_refusal_says_how(echo, scheme):
    forwarded = {"Host": "my.machine:9000", "Origin": f"{scheme}://my.machine:9000"}
    path = "/v1/models/lnmn:predict"
    status, _, body = request(echo, "POST", path, BODY, forwarded)
    assert status == 403 and b"--allowed_host='my.machine:9000'" in body
    echo.allowed_hosts = ("my.machine:9000",)
    assert request(echo, "POST", path, BODY, forwarded)[0] == 200
    assert request(echo, "POST", path, BODY, {"Host": "evil.example"})[0] == 403


def test_it_listens_on_this_machine_alone(echo):
    assert echo.server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "headers, status",
    [
        ("Content-Length: 99999999", 413),
        ("Content-Length: 9" + "9" * 5000, 413),
        ("Content-Length: -1", 411),
        ("Content-Length: ten", 411),
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: 10", 400),  # and nothing follows
        ("Content-Length: 10\r\nX: " + "x" * 70_000, 431),
        ("\r\n".join(f"X{i}: 1" for i in range(200)), 431),
    ],
)
def test_requests_are_bounded(echo, headers, status):
    head = f"POST /v1/models/lnmn:predict HTTP/1.1\r\nHost: {echo.url[7:-1]}\r\n{headers}\r\n\r\n"
    reply = raw(echo, head.encode())
    assert reply.startswith(f"HTTP/1.1 {status} ".encode()), reply[:100]
    assert b'{"error": ' in reply


def test_who_sends_too_much_is_told_so(echo):
    body = b" " * (paths.LARGEST_BODY + 1)
    status, _, reply = request(echo, "POST", "/v1/models/lnmn:predict", body)
    assert status == 413 and b"larger than 16 MB" in reply


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n"]
)
def test_what_is_no_http_does_no_harm(echo, data):
    reply = raw(echo, data)
    assert reply == b"" or b" 200 " not in reply.split(b"\r\n")[0]
    assert request(echo, "GET", "/")[0] == 200


def test_a_request_that_trickles_in_is_cut_off(echo, monkeypatch):
    monkeypatch.setattr(http_server, "SECONDS_TO_SEND", 0.4)
    address = ("127.0.0.1", echo.server.port)
    began = time.monotonic()
    with socket.create_connection(address, timeout=20) as connection:
        head = f"POST /v1/models/lnmn:predict HTTP/1.1\r\nHost: {echo.url[7:-1]}\r\nContent-Length: 999\r\n\r\n"
        connection.sendall(head.encode())
        try:
            while time.monotonic() - began < 10:
                connection.sendall(b" ")  # each byte in time, all of them never
                time.sleep(0.05)
        except OSError:
            pass  # cut off
    assert time.monotonic() - began < 8


class Slow(Echo):
    """A model that answers when it is told to."""

    def __init__(self):
        self.may_answer = threading.Event()

    def predict(self, signature, inputs):
        assert self.may_answer.wait(20)
        return super().predict(signature, inputs)


def test_a_late_answer_and_too_many_questions_are_refused(monkeypatch):
    monkeypatch.setattr(demonstration_module, "SECONDS_TO_ANSWER", 0.3)
    monkeypatch.setattr(demonstration_module, "MOST_WAITING", 3)
    model = Slow()
    with running(model) as slow, ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(request, slow, "POST", "/v1/models/lnmn:predict", BODY) for _ in range(8)
        ]
        statuses = sorted(reply.result()[0] for reply in asked)
        assert statuses == [503] * 5 + [504] * 3
        model.may_answer.set()
        monkeypatch.setattr(demonstration_module, "SECONDS_TO_ANSWER", 20)
        end = time.monotonic() + 10
        while (status := request(slow, "POST", "/v1/models/lnmn:predict", BODY)[0]) == 503:
            assert time.monotonic() < end  # the places of the late ones become free
        assert status == 200


def test_more_connections_than_it_has_threads_for_are_turned_away(monkeypatch):
    monkeypatch.setattr(http_server, "MOST_CONNECTIONS", 2)
    with running(Echo()) as echo:
        address = ("127.0.0.1", echo.server.port)
        idle = [socket.create_connection(address, timeout=20) for _ in range(2)]
        with socket.create_connection(address, timeout=20) as third:
            assert third.recv(100).startswith(b"HTTP/1.1 503 ")
        for connection in idle:
            connection.close()
        end = time.monotonic() + 10
        while True:
            try:
                assert request(echo, "GET", "/")[0] == 200
                break
            except (AssertionError, OSError):
                assert time.monotonic() < end


class Broken(Echo):
    def predict(self, signature, inputs):
        raise RuntimeError("a secret")


def test_an_unexpected_error_ends_one_request_and_tells_no_secrets():
    with running(Broken()) as broken:
        status, _, body = request(broken, "POST", "/v1/models/lnmn:predict", BODY)
        assert status == 500 and b"RuntimeError" in body and b"secret" not in body
        assert request(broken, "GET", "/")[0] == 200


def test_examples_are_of_the_data_of_the_run(tiny_run, tiny_world):
    examples = find_examples(tiny_run)
    records = json.loads((tiny_world / "questions" / "CLEVR_val_questions.json").read_text())
    known = {(r["image_filename"], r["question"], str(r["answer"])) for r in records["questions"]}
    assert examples
    for example in examples:
        assert example.picture.is_file() and example.questions
        for question, answer in example.questions:
            assert (example.picture.name, question, answer) in known
    with running(Echo(), examples) as echo:
        listed = json.loads(request(echo, "GET", "/examples")[2])
        assert request(echo, "GET", listed[0]["picture"])[2] == examples[0].picture.read_bytes()


def test_a_run_without_its_data_has_no_examples(tmp_path):
    assert find_examples(tmp_path) == []
