"""TF Serving's JSON, to arrays and back."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException

from export.demo.rest import parse_request, render_reply
from tests.export.demo.conftest import SPECS

PICTURE = b"\x89PNG\r\n"
B64 = {"b64": base64.b64encode(PICTURE).decode()}
FEATURES = [[[1.5], [2], [3]], [[4], [5], [6]]]


def read(content, max_batch=8):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return parse_request(body, SPECS, max_batch)


@pytest.mark.parametrize(
    "content",
    [
        {"instances": [{"question": "Why?", "image": B64}, {"question": "ü", "image": B64}]},
        {"inputs": {"question": ["Why?", "ü"], "image": [B64, B64]}},
        {"signature_name": "", "inputs": {"image": [B64, B64], "question": ["Why?", "ü"]}},
    ],
)
def test_rows_and_columns_say_the_same(content):
    request = read(content)
    assert request.signature_name == "serving_default"
    assert request.by_row == ("instances" in content)
    assert request.inputs["question"].tolist() == [b"Why?", "ü".encode()]
    assert request.inputs["image"].tolist() == [PICTURE, PICTURE]


def test_numbers_have_the_type_and_shape_of_the_signature():
    content = {"question_ids": [[1, 2]], "features": [FEATURES]}
    inputs = read({"signature_name": "answer_from_ids", "inputs": content}).inputs
    assert inputs["question_ids"].dtype == np.int32 and inputs["question_ids"].shape == (1, 2)
    np.testing.assert_array_equal(inputs["features"], np.float32([FEATURES]))


@pytest.mark.parametrize(
    "content", [{"instances": ["a", "b"]}, {"instances": [{"text": "a"}, {"text": "b"}]}]
)
def test_a_lonely_input_may_go_without_its_name(content):
    request = read({"signature_name": "echo", **content})
    assert request.inputs["text"].tolist() == [b"a", b"b"]
    for inputs in (["a"], {"text": ["a"]}):
        assert len(read({"signature_name": "echo", "inputs": inputs}).inputs["text"]) == 1


def test_a_batch_of_nothing_is_read_as_one():
    content = {"question_ids": [], "features": []}
    inputs = read({"signature_name": "answer_from_ids", "inputs": content}).inputs
    assert inputs["features"].shape == (0, 2, 3, 1)
    assert inputs["question_ids"].shape[0] == 0


ROW = {"question": "Why?", "image": B64}
IDS = "answer_from_ids"


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", ["JSON"]),
        (b"\xff", ["JSON", "UTF-8"]),
        (b"[" * 100_000, ["JSON"]),
        (b'{"instances": ' + b"9" * 100_000 + b"}", ["100000 digits"]),
        (b"[]", ["JSON object"]),
        ({}, ["'instances'", "'inputs'"]),
        ({"instances": [ROW], "inputs": {}}, ["not both"]),
        ({"instances": []}, ["'instances'", "at least one"]),
        ({"instances": ROW}, ["'instances'", "list"]),
        ({"instances": ["Why?"]}, ["'instances'[0]", "'image' and 'question'"]),
        ({"instances": [ROW, {"question": "a"}]}, ["'instances'[1]", "'image'"]),
        ({"instances": [{**ROW, "features": 1}]}, ["'features'"]),
        ({"inputs": "Why?"}, ["'inputs'", "object"]),
        ({"inputs": {"question": ["a"], "image": [B64, B64]}}, ["question has 1", "image has 2"]),
        ({"instances": [{**ROW, "image": {"b64": "a?"}}]}, ["'image'", "base64"]),
        ({"instances": [{**ROW, "image": {"b64": 1}}]}, ["'image'", "b64"]),
        ({"instances": [{**ROW, "image": [B64]}]}, ["'image'", "2 dimensions", "expected 1"]),
        ({"instances": [{**ROW, "question": 1}]}, ["'question'", "1", "text"]),
        ({"instances": [{**ROW, "question": None}]}, ["'question'", "None"]),
        ({"instances": [{**ROW, "question": "\ud800"}]}, ["'question'", "Unicode"]),
        ({"instances": [ROW] * 9}, ["9 examples", "at most 8"]),
        ({"instances": [ROW], "signature_name": "explian"}, ["'explian'", "serving_default"]),
        ({"instances": [ROW], "signature_name": [1]}, ["signature_name"]),
        (
            {"signature_name": IDS, "inputs": {"question_ids": [[1, 2], [3]], "features": []}},
            ["'question_ids'", "ragged"],
        ),
        (
            {"signature_name": IDS, "inputs": {"question_ids": [[1.5]], "features": [FEATURES]}},
            ["'question_ids'", "1.5", "int32"],
        ),
        (
            {"signature_name": IDS, "inputs": {"question_ids": [[True]], "features": [FEATURES]}},
            ["'question_ids'", "True"],
        ),
        (
            {"signature_name": IDS, "inputs": {"question_ids": [[2**40]], "features": [FEATURES]}},
            ["'question_ids'", "too large"],
        ),
        (
            {"signature_name": IDS, "inputs": {"question_ids": [[1]], "features": [[[[1]]]]}},
            ["'features'", "[1, 1, 1, 1]", "[any, 2, 3, 1]"],
        ),
    ],
)
def test_a_refusal_names_the_field_and_what_was_found(content, words):
    with pytest.raises(HTTPException) as refusal:
        read(content)
    assert refusal.value.code == 400
    assert len(refusal.value.description) < 400
    for word in words:
        assert word in refusal.value.description, refusal.value.description


def test_replies_have_the_form_of_their_request():
    outputs = {
        "answer": np.array([b"yes", "zwölf".encode(), b"\xff"], object),
        "top": np.float32([[0.25, 0.5], [0, 1], [1, 2]]),
    }
    rows = json.loads(render_reply(outputs, by_row=True))["predictions"]
    columns = json.loads(render_reply(outputs, by_row=False))["outputs"]
    assert rows[1] == {"answer": "zwölf", "top": [0.0, 1.0]}
    assert columns == {name: [row[name] for row in rows] for name in outputs}
    lonely = {"top": outputs["top"]}
    assert json.loads(render_reply(lonely, by_row=True))["predictions"][0] == [0.25, 0.5]
    assert json.loads(render_reply(lonely, by_row=False))["outputs"][0] == [0.25, 0.5]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(B64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["instances", "inputs"]), st.sampled_from(sorted(SPECS)), JSON, JSON)
def test_any_json_is_read_or_refused(form, signature, first, second):
    first_name, second_name = [*SPECS[signature], "unknown"][:2]
    for value in (first, {first_name: first, second_name: second}, [{first_name: first}]):
        content = {"signature_name": signature, form: value}
        try:
            inputs = read(json.dumps(content, ensure_ascii=True).encode()).inputs
        except HTTPException as refusal:
            assert refusal.code == 400 and refusal.description
        else:
            for name, spec in SPECS[signature].items():
                assert inputs[name].dtype == spec.dtype
                assert inputs[name].ndim == len(spec.shape)
