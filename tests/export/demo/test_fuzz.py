"""Two thousand malformed requests to the REST entrance of a real model; after them it still answers."""

from __future__ import annotations

import base64
import http.client
import json
import random

import pytest

from export.demo.served_model import ServedModel
from tests.export.conftest import PICTURES
from tests.export.demo.conftest import running

REQUESTS = 2000
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


@pytest.mark.parametrize("seed", [20])
def test_the_rest_entrance_survives_malformed_requests(exported, seed):
    chance = random.Random(seed)
    good = json.dumps({"instances": [{"question": QUESTION, "image": {"b64": PICTURE}}]}).encode()
    found = set()
    with running(ServedModel(exported.parent)) as demonstration:
        port = demonstration.server.server_port
        connection = http.client.HTTPConnection("127.0.0.1", port, 60)
        before = ask(connection, "POST", PATH, good, {})
        assert before[0] == 200
        for _ in range(REQUESTS):
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
        connection.close()
    assert {200, 400, 404, 501} <= found
