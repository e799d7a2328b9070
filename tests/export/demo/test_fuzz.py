"""Bad input to the REST entrance of a real model: each kind by name, and hundreds at random."""

from __future__ import annotations

import base64
import http.client
import io
import json
import random

import pytest
from PIL import Image

from tests.export.conftest import PICTURES
from tests.export.demo.conftest import running

PATH = "/v1/models/lnmn:predict"
EXPECTED = {200, 400, 403, 404, 408, 411, 413, 414, 431, 501, 503}
QUESTION = "How many red cubes are there?"
PICTURE = base64.b64encode(PICTURES[0]).decode()
VALUES = [
    None, True, 0, -1, 2**31, 10**19, 1.5, 1e308, float("nan"), "", " ", "?" * 9, "x " * 999, "\0",
    "\ud800", "é\U0001f600", "100 kB " * 15_000, [], {}, [[]], [[], []], [[[[[1]]]]], [None], ["a", ["b"]],
    {"b64": ""}, {"b64": "AAAA"}, {"b64": "=="}, {"b64": None}, {"b64": PICTURE[:200]}, {"b64": PICTURE, "x": 1},
]  # fmt: skip
KEYS = [
    "instances",
    "inputs",
    "signature_name",
    "question",
    "image",
    "features",
    "question_ids",
    "b64",
    "",
]
SIGNATURES = ["serving_default", "explain", "answer_from_ids", "__saved_model_init_op", "", "é"]


def valid(chance: random.Random) -> dict:
    """A request that is answered."""
    rows = [{"question": QUESTION, "image": {"b64": PICTURE}}] * chance.randint(1, 2)
    if chance.random() < 0.5:
        return {"signature_name": "explain", "instances": rows}
    return {"inputs": {key: [row[key] for row in rows] for key in rows[0]}}


def damaged(value, chance: random.Random):
    """A copy of nested JSON with one place changed."""
    if chance.random() < 0.25 or not isinstance(value, (dict, list)) or not value:
        return chance.choice([*VALUES, *SIGNATURES])
    if isinstance(value, list):
        place = chance.randrange(len(value))
        changed = damaged(value[place], chance)
        return chance.choice(
            [[*value[:place], changed, *value[place + 1 :]], value * chance.randint(0, 70), [value]]
        )
    key = chance.choice(list(value))
    rest = {k: v for k, v in value.items() if k != key}
    name = key if chance.random() < 0.8 else chance.choice(KEYS)
    return rest if chance.random() < 0.2 else {**rest, name: damaged(value[key], chance)}


def mangled(body: bytes, chance: random.Random) -> bytes:
    """Bytes with a few of them changed, cut off, or repeated."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data))
        action = chance.randrange(4)
        if action == 0:
            data[place] = chance.randrange(256)
        elif action == 1:
            data[place:place] = bytes(chance.choices(b'[]{},:"\\0e-', k=chance.randint(1, 9)))
        elif action == 2:
            del data[place : place + chance.randint(1, 50)]
        elif len(data) > 1:
            del data[place or 1 :]
        data = data or bytearray(b" ")
    return bytes(data)


def make(chance: random.Random) -> tuple[str, str, bytes | None, dict]:
    """Method, path, body and headers of a request that is probably wrong."""
    method, path, headers = "POST", PATH, {}
    content = valid(chance)
    kind = chance.random()
    if kind < 0.6:
        for _ in range(chance.randint(1, 3)):
            content = damaged(content, chance)
    body = json.dumps(content).encode()
    if 0.6 <= kind < 0.85:
        body = mangled(body, chance)
    elif kind >= 0.85:
        method = chance.choice(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"])
        path = mangled(path.encode(), chance).decode("latin-1")
        path = "".join(c for c in path if "!" <= c <= "~") or "/"
        headers = chance.choice(
            [{}, {"Host": "x"}, {"Content-Type": "\xff"}, {"Accept": "*" * 999}]
        )
    return method, path, body, headers


def ask(connection, method, path, body, headers) -> tuple[int, bytes]:
    connection.request(method, path, body, headers)
    reply = connection.getresponse()
    return reply.status, reply.read()


def png(width: int, height: int) -> dict:
    """A black picture of any size, as JSON has it."""
    stream = io.BytesIO()
    Image.new("1", (width, height)).save(stream, "PNG")
    return {"b64": base64.b64encode(stream.getvalue()).decode()}


@pytest.fixture(scope="module")
def connection(served):
    """To a demonstration of the tiny model."""
    with running(served) as demonstration:
        connection = http.client.HTTPConnection("127.0.0.1", demonstration.server.port, 60)
        yield connection
        connection.close()


IMAGE = {"b64": PICTURE}
ONE = {"question": [QUESTION], "image": [IMAGE]}


@pytest.mark.parametrize(
    "inputs, status, words",
    [
        (ONE, 200, ["answer"]),
        ({**ONE, "question": [7]}, 400, ["'question'", "7"]),
        ({**ONE, "question": [[QUESTION]]}, 400, ["'question'", "2 dimensions"]),
        ({"question": [QUESTION]}, 400, ["'image'"]),
        ({**ONE, "features": [[[[0.5]]]]}, 400, ["'features'"]),
        ({**ONE, "image": [{"b64": "bm8gcGljdHVyZQ=="}]}, 400, ["image 0", "picture"]),
        ({**ONE, "image": [png(1, 1)]}, 200, ["answer"]),
        ({**ONE, "image": [png(10_000, 10_000)]}, 400, ["10000 rows", "8192"]),
        ({**ONE, "question": [""]}, 400, ["question 0", "empty"]),
        ({**ONE, "question": ["cube " * 20_000]}, 400, ["20000", "256"]),
        ({**ONE, "question": ["x" * 100_000]}, 200, ["answer"]),
        ({"question": [], "image": []}, 400, ["no question"]),
        ({**ONE, "question": [QUESTION] * 2}, 400, ["question has 2", "image has 1"]),
    ],
)
@pytest.mark.parametrize("signature", ["serving_default", "explain"])
def test_each_kind_of_bad_input_gets_a_sentence(connection, signature, inputs, status, words):
    body = json.dumps({"signature_name": signature, "inputs": inputs}).encode()
    found, reply = ask(connection, "POST", PATH, body, {})
    assert found == status, reply[:500]
    text = reply.decode() if status == 200 else json.loads(reply)["error"]
    for word in words:
        assert word in text, text
    if status != 200:
        assert len(text) < 400
        assert not any(part in text for part in ("\n", "{{", "assertion failed"))


@pytest.mark.parametrize("requests", [500, pytest.param(2000, marks=pytest.mark.slow)])
def test_the_rest_entrance_survives_malformed_requests(connection, requests):
    chance = random.Random(20)
    good = json.dumps({"inputs": ONE}).encode()
    found = set()
    before = ask(connection, "POST", PATH, good, {})
    assert before[0] == 200
    for _ in range(requests):
        request = make(chance)
        status, body = ask(connection, *request)
        assert status in EXPECTED, (status, body, request)
        found.add(status)
        if request[0] == "HEAD":
            assert body == b""
        elif status != 200:
            assert json.loads(body)["error"], request
        elif request[0] == "POST":
            reply = json.loads(body)
            answers = reply.get("predictions") or reply["outputs"]["answer"]
            assert len(answers) >= 1, request
    assert ask(connection, "POST", PATH, good, {}) == before
    assert {200, 400, 404, 501} <= found
