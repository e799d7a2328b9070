"""The C++ loader of TF Serving, in an empty environment, on a folder that was moved."""

from __future__ import annotations

import shutil
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf

from export.pictures import MAX_PIXELS, MAX_SIDE
from export.saved_model import export_run
from export.servable import TOP
from lnmn_tf.config import ExportConfig
from tests.export import cpp_loader
from tests.export.conftest import PICTURES, encoded, random_run

SIGNATURES = ("serving_default", "explain", "answer_from_ids")
SIZES = (1, 2, 7)
GENERATED = 400
ANSWER_SHAPES = {
    "answer": (),
    "probability": (),
    "top_answers": (TOP,),
    "top_probabilities": (TOP,),
}


def huge_png(columns: int, rows: int) -> bytes:
    """A PNG that claims to be so large, in a few bytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + bytes(100)


Q, P = ["How many?"], [PICTURES[1]]
RANK = "is not compatible with expected shape"
# What each gets: words of the error, or None for an answer.
ODD_REQUESTS = {
    "empty question": ({"question": [""], "image": P}, "question 0 is empty"),
    "blank question": ({"question": [Q[0], " \n"], "image": P * 2}, "question 1 is empty"),
    "one word of 100 kB": ({"question": ["x" * 100_000], "image": P}, None),
    "20,000 words": ({"question": ["word " * 20_000], "image": P}, "question 0 has 20000 words"),
    "256 words": ({"question": ["word " * 256], "image": P}, None),
    "bytes that are not UTF-8": ({"question": [b"\xff\xfe cube"], "image": P}, None),
    "no questions": ({"question": np.zeros([0], object), "image": np.zeros([0], object)}, "has no"),
    "questions of rank 0": ({"question": Q[0], "image": P}, RANK),
    "questions of rank 2": ({"question": [Q], "image": P}, RANK),
    "questions that are numbers": ({"question": [3.0], "image": P}, "string"),
    "image of rank 2": ({"question": Q, "image": [P]}, RANK),
    "more questions than images": ({"question": Q * 3, "image": P}, "3 questions, but 1 of image"),
    "no image": ({"question": Q}, "image"),
    "no question": ({"image": P}, "question"),
    "image and features": ({"question": Q, "image": P, "features": [1.0]}, "features"),
    "an empty file": ({"question": Q, "image": [b""]}, "image 0 is not a picture"),
    "a text": ({"question": Q * 2, "image": [*P, b"text" * 99]}, "image 1 is not a picture"),
    "a GIF": ({"question": Q, "image": [encoded(9, 9, "GIF", "L")]}, "image 0 is not a picture"),
    "a PNG cut short": ({"question": Q, "image": [PICTURES[1][:500]]}, "Invalid PNG data"),
    "a JPEG cut short": ({"question": Q, "image": [PICTURES[0][:900]]}, "Invalid JPEG data"),
    "one pixel": ({"question": Q, "image": [encoded(1, 1)]}, None),
    "one row": ({"question": Q, "image": [encoded(1, MAX_SIDE, "JPEG", "L")]}, None),
    "grey and transparent": (
        {"question": Q * 2, "image": [encoded(9, 8, mode="L"), encoded(8, 9, mode="RGBA")]},
        None,
    ),
    "10,000 by 10,000": (
        {"question": Q, "image": [huge_png(10_000, 10_000)]},
        f"10000 rows and 10000 columns; expected 1 to {MAX_SIDE}",
    ),
    "too many pixels": ({"question": Q, "image": [huge_png(5001, 5000)]}, f"most {MAX_PIXELS}"),
    "no columns": ({"question": Q, "image": [huge_png(0, 9)]}, "9 rows and 0 columns"),
    "a negative size": ({"question": Q, "image": [huge_png(1 << 31, 9)]}, "columns; expected"),
    "an id beyond the words": ({"question_ids": [[1, 2], [1, 9999]], "image": P * 2}, "question 1"),
    "an id below zero": ({"question_ids": [[-1]], "image": P}, "question 0 has an id"),
    "padding alone": ({"question_ids": [[0, 0]], "image": P}, "question 0 is empty"),
    "no columns of ids": ({"question_ids": np.zeros([1, 0], np.int32), "image": P}, "empty"),
    "ids without questions": (
        {"question_ids": np.zeros([0, 3], np.int32), "image": np.zeros([0], object)},
        "has no question",
    ),
    "ids of rank 1": ({"question_ids": [1], "image": P}, RANK),
    "too many ids": ({"question_ids": np.ones([1, 257], np.int32), "image": P}, "257 columns"),
    "ids that are not whole": ({"question_ids": [[1.0]], "image": P}, "int32"),
    "an answer at the end": ({"question": Q, "image": P}, None),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return cpp_loader.build(tmp_path_factory.mktemp("cpp"))


@pytest.fixture(scope="module")
def moved(exported, tmp_path_factory):
    """A copy of the version elsewhere: nothing in it may know where it was written."""
    return shutil.copytree(exported, tmp_path_factory.mktemp("elsewhere") / "7")


def signature_of(inputs: dict) -> str:
    return "answer_from_ids" if "question_ids" in inputs else "serving_default"


@pytest.fixture(scope="module")
def replies(program, moved, batch, tmp_path_factory):
    """Of one process, which must survive all that is asked: the seven questions, the odd, the generated."""
    random = np.random.default_rng(0)
    asked = {(name, size): first(size, name, *batch) for name in SIGNATURES for size in SIZES}
    asked |= {case: (signature_of(inputs), inputs) for case, (inputs, _) in ODD_REQUESTS.items()}
    asked |= {number: generated(random) for number in range(GENERATED)}
    asked |= {"at the end": ("explain", {"question": Q, "image": P})}
    replies = cpp_loader.ask(program, moved, asked.values(), tmp_path_factory.mktemp("asked"))
    return dict(zip(asked, replies))


def first(size: int, signature: str, request: dict, ids: np.ndarray) -> tuple[str, dict]:
    """The first questions of the batch."""
    inputs = {"image": request["image"][:size].numpy().tolist()}
    if signature == "answer_from_ids":
        return signature, {"question_ids": ids[:size], **inputs}
    return signature, {"question": request["question"][:size].numpy().tolist(), **inputs}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("signature", SIGNATURES)
def test_without_python_it_answers_as_the_keras_model(replies, trained, expected, signature, size):
    reply = replies[signature, size]
    probabilities = tf.nn.softmax(expected[0]["logits"][:size]).numpy()
    best = np.argsort(-probabilities, kind="stable")[:, :TOP]
    texts = np.array([answer.encode() for answer in trained.vocabulary.answers], object)
    np.testing.assert_array_equal(reply["top_answers"], texts[best])
    np.testing.assert_array_equal(reply["answer"], texts[best[:, 0]])
    np.testing.assert_allclose(
        reply["top_probabilities"], np.take_along_axis(probabilities, best, axis=1), atol=1e-5
    )
    np.testing.assert_allclose(reply["probability"], probabilities.max(axis=1), atol=1e-5)
    if signature == "explain":
        for name in ("module_weights", "attention", "pointer"):
            value = getattr(expected[1], name)[:size]
            value = trained.network.show(value) if name == "attention" else value
            np.testing.assert_allclose(reply[name], value, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("case", ODD_REQUESTS)
def test_an_odd_request_is_refused_in_words_or_answered(replies, case):
    (inputs, words), reply = ODD_REQUESTS[case], replies[case]
    if words is None:
        size = len(inputs["image"])
        assert {name: value.shape for name, value in reply.items()} == {
            name: (size, *shape) for name, shape in ANSWER_SHAPES.items()
        }
    else:
        assert isinstance(reply, str) and words in reply, reply


FEATURE_REQUESTS = {
    "right": ([1, 5, 7, 3], 0.5, None),
    "no rows": ([1, 0, 7, 3], 0.5, "[1,0,7,3] is not compatible with expected shape [?,5,7,3]"),
    "other rows": ([1, 6, 7, 3], 0.5, "[1,6,7,3] is not compatible with expected shape [?,5,7,3]"),
    "channels first": ([1, 3, 5, 7], 0.5, "[1,3,5,7] is not compatible"),
    "no batch": ([5, 7, 3], 0.5, "[5,7,3] is not compatible"),
    "a number": ([], 0.5, "[] is not compatible"),
    "not a number": ([1, 5, 7, 3], np.nan, "features 0 hold NaN or infinity"),
    "no example": ([0, 5, 7, 3], 0.5, "1 questions, but 0 of features"),
    "right again": ([1, 5, 7, 3], -0.5, None),
}


@pytest.mark.parametrize("dtype, other", [("float32", "float16"), ("float16", "float32")])
def test_features_are_refused_in_words_or_answered_as_by_the_keras_model(
    program, dtype, other, tmp_path
):
    run = random_run(tmp_path, (5, 7, 3))
    version = export_run(run, ExportConfig(export_features_dtype=dtype))
    cases = {name: (*case, dtype) for name, case in FEATURE_REQUESTS.items()}
    cases["another type"] = ([1, 5, 7, 3], 0.5, "is provided", other)
    asked = [
        ("serving_default", {"question": ["red"], "features": np.full(shape, value, kind)})
        for shape, value, _, kind in cases.values()
    ]
    right = np.random.default_rng(0).normal(size=[7, 5, 7, 3]).astype(dtype)
    for signature in SIGNATURES:
        for size in SIZES:
            question = {"question": ["is it"] * size}
            if signature == "answer_from_ids":
                question = {"question_ids": np.tile(np.int32([2, 3]), [size, 1])}
            asked.append((signature, {**question, "features": right[:size]}))
    replies = cpp_loader.ask(program, version, asked, tmp_path)
    for (case, (_, _, words, _)), reply in zip(cases.items(), replies):
        assert isinstance(reply, str) == bool(words), (case, reply)
        assert words is None or words in reply, (case, reply)
    inputs = {"features": tf.cast(right, tf.float32), "question": tf.tile([[2, 3]], [7, 1])}
    expected = tf.reduce_max(tf.nn.softmax(run.network(inputs)["logits"]), axis=1)
    for (_, sent), reply in zip(asked[len(cases) :], replies[len(cases) :]):
        size = len(sent["features"])
        np.testing.assert_allclose(reply["probability"], expected[:size], atol=1e-5)


def test_after_any_generated_request_it_still_answers(replies):
    assert not isinstance(replies["at the end"], str)
    answered = [
        reply for number in range(GENERATED) if not isinstance(reply := replies[number], str)
    ]
    assert 10 < len(answered) < GENERATED - 10  # both kinds are there
    for reply in answered:
        assert {len(value) for value in reply.values()} == {len(reply["answer"])}
        assert np.isfinite(reply["top_probabilities"]).all()


def generated(random: np.random.Generator) -> tuple[str, dict]:
    """A request that is right, or damaged in one of many ways."""
    signature = SIGNATURES[random.integers(3)]
    size = random.integers(1, 4)
    pictures = [damaged(PICTURES[random.integers(7)], random) for _ in range(size)]
    if signature == "answer_from_ids":
        inputs = {"question_ids": random.integers(-1, 90, [size, random.integers(5)], np.int32)}
    else:
        lengths = random.integers(0, 40, size)
        inputs = {"question": [random.integers(0, 256, n, np.uint8).tobytes() for n in lengths]}
    inputs["image"] = pictures
    if random.random() < 0.2:
        name = ["question", "question_ids", "image", "features"][random.integers(4)]
        shape = random.integers(0, 4, random.integers(4))
        kind = [np.float32, np.int32, np.int64, np.bool_][random.integers(4)]
        inputs[name] = np.zeros(shape, kind)
    if random.random() < 0.1:
        del inputs[list(inputs)[random.integers(len(inputs))]]
    return signature, inputs


def damaged(picture: bytes, random: np.random.Generator) -> bytes:
    """The picture, or one with a few other bytes, or cut short."""
    content = bytearray(picture)
    if random.random() < 0.5:
        for position in random.integers(0, len(content), random.integers(1, 5)):
            content[position] = random.integers(256)
    if random.random() < 0.2:
        del content[random.integers(len(content)) :]
    return bytes(content)
