"""Explained answers: arrays, page, picture, and how they are asked for."""

from __future__ import annotations

import dataclasses
import io
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lnmn_tf.analysis.chosen_questions import Request, explain_request
from lnmn_tf.analysis.explain import Asked, explain
from lnmn_tf.analysis.explain_page import page
from lnmn_tf.analysis.explain_picture import write_picture
from lnmn_tf.data.vocabulary import Vocabulary
from lnmn_tf.errors import InputError
from lnmn_tf.main import main
from lnmn_tf.models.registry import make_config, make_model
from lnmn_tf.training.trained import TrainedRun
from tests.conftest import to_arguments
from tests.export.demo.browser import find_chromium, opened

VOCABULARY = Vocabulary.build(["how many red cubes are there ? left of the"], ["yes", "no", "2"])
HOSTILE = 'How many </script><img src=x onerror="alert(1)"> red cubes?'
SIZES = {"mem_dim": 4, "text_dim": 6, "embed_dim": 5, "kb_dim": 5, "mlp_dim": 7}
SHAPE = (2, 3, 5)
NETWORKS = {
    "relational": {"num_steps": 3, "stack_len": 4, "map_dim": 6},
    "paper": {"num_steps": 3, "stack_len": 4, "map_dim": 6},
    "stack_nmn": {"num_steps": 3},
}


def picture() -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, [20, 30, 3], np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def explained(name: str, asked, **others):
    sizes = {"num_words": VOCABULARY.num_words, "num_answers": VOCABULARY.num_answers}
    config = make_config(name, **NETWORKS[name], **SIZES, **sizes, feature_shape=SHAPE)
    tf.keras.utils.set_random_seed(3)
    features = {"features": tf.random.normal([len(asked), *SHAPE])}
    return explain(make_model(config), VOCABULARY, asked, features, **others)


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request):
    """A right and a wrong answer of each model; one question is hostile."""
    first, second = explained(
        request.param,
        [Asked("How many red?", picture()), Asked(HOSTILE, picture(), family="count", index=7)],
        formulas={"push_3.0": "conv(I ⊙ a)", "find": "conv(I)"},
    )
    other = next(answer for answer in VOCABULARY.answers if answer != second.answer)
    return (
        dataclasses.replace(first, asked=dataclasses.replace(first.asked, truth=first.answer)),
        dataclasses.replace(second, asked=dataclasses.replace(second.asked, truth=other)),
    )


def test_what_a_step_leaves_is_what_the_next_one_reads(pair):
    for explanation in pair:
        if explanation.read.max() > 0:
            np.testing.assert_allclose(
                explanation.written[:-1], explanation.read[1:], rtol=1e-4, atol=1e-6
            )


def test_shares_sum_to_one_and_arrays_have_their_shapes(pair):
    for explanation in pair:
        steps, words = explanation.num_steps, len(explanation.words)
        assert explanation.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert explanation.word_attention.shape == (steps, words)
        np.testing.assert_allclose(explanation.module_weights.sum(-1), 1, atol=1e-5)
        assert explanation.read.shape == explanation.written.shape == (steps, *SHAPE[:2])
        assert explanation.stack.shape == (*explanation.read.shape, explanation.pointer.shape[1])


def test_right_and_wrong_are_told_apart_and_the_truth_is_always_shown(pair):
    first, second = pair
    assert (first.right, second.right) == (True, False)
    assert second.asked.truth in dict(second.top(1))
    assert dataclasses.replace(first, asked=Asked("How many?")).right is None


def test_a_program_line_names_modules_by_weight_and_the_words_attended(pair):
    explanation = dataclasses.replace(
        pair[0],
        words=("how", "many", "red"),
        module_names=("look_3.0", "no_op"),
        module_weights=np.array([[0.93, 0.07], [0.3, 0.7]]),
        word_attention=np.array([[0.1, 0.0, 0.9], [0.5, 0.4, 0.1]]),
    )
    assert explanation.program() == [
        't=1  look_3[0] 0.93  "red"',
        't=2  no_op 0.70 + look_3[0] 0.30  "how many"',
    ]


def test_a_page_needs_nothing_beside_itself_and_reads_no_text_as_html(pair):
    html = page([pair], "Title & <b>", "a run")
    addresses = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert addresses and all(a.startswith(("data:image/", "#")) for a in addresses)
    assert "<img src=x" not in html and "Title &amp; &lt;b&gt;" in html
    assert "How many &lt;/script&gt;" in html
    arrays = re.findall(r'<script type="application/json" class="arrays">(.*?)</script>', html)
    assert [json.loads(text)["pointer"] for text in arrays] == [
        np.vectorize(lambda x: float(f"{x:.3g}"))(e.pointer).tolist() for e in pair
    ]
    assert html == page([pair], "Title & <b>", "a run")


@pytest.mark.skipif(not find_chromium(), reason="no Chromium on the PATH")
def test_a_page_draws_every_step_in_a_browser_without_network_on_any_width(pair, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page([pair], "Two answers", "a run"), encoding="utf-8")
    with opened(f"file://{path}") as tab:
        asked, said = [], []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        for width in (1500, 390):
            tab.set_viewport_size({"width": width, "height": 900})
            tab.reload()
            tab.wait_for_selector("#drawn", state="attached")
            assert tab.locator(".step").count() == sum(e.num_steps for e in pair)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.locator("article:first-child .top .right").count() == 1
        assert tab.locator("article:last-child .top .wrong").count() == 1
        first = tab.locator("article").first
        first.locator(".step").first.click()
        assert first.locator(".caption").inner_text().startswith("Step 1 of")
        assert said == []
        assert {url for url in asked if not url.startswith(("file:", "data:"))} == set()


def test_a_picture_shows_the_map_where_it_is_highest(pair, tmp_path):
    write_picture(tmp_path / "one.png", pair[1])
    assert [path.name for path in tmp_path.iterdir()] == ["one.png"]
    with Image.open(tmp_path / "one.png") as image:
        assert image.width == 1920 and image.height > 700
        assert np.asarray(image.convert("L")).std() > 20


def test_questions_without_a_picture_are_explained_on_grey(tmp_path):
    (explanation,) = explained("relational", [Asked("How many red cubes?")])
    assert 'class="picture" alt=' in page([[explanation]], "One", "a run")
    write_picture(tmp_path / "one.png", explanation)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"indices": "3,x"}, r"--indices is '3,x'; expected whole numbers"),
        ({}, "expected one of them, and 0 are given"),
        ({"indices": "3", "wrong": "all"}, "and 2 are given"),
        ({"wrong": "count:0"}, "--wrong is 'count:0'; expected a whole number from 1"),
    ],
)
def test_a_request_that_says_nothing_or_too_much_is_refused(choices, message):
    with pytest.raises(InputError, match=message):
        Request.of_texts(**{"indices": "", "wrong": "", **choices})


def test_main_explains_a_question_about_a_picture_and_questions_of_a_split(
    tiny_run, tiny_world, capsys
):
    picture_path = next((tiny_world / "images" / "val").iterdir())
    asked = {"image": picture_path, "question": "How many red cubes are there?"}
    assert main(to_arguments(mode="explain", run_dir=tiny_run, **asked)) == 0
    assert "t=2  " in capsys.readouterr().out
    assert main(to_arguments(mode="explain", run_dir=tiny_run, indices="2,0")) == 0
    names = {path.name for path in (tiny_run / "explained").iterdir()}
    stem = f"question_{picture_path.stem}"
    assert names == {f"{stem}.html", f"{stem}.png", "val_2_0.html", "val_2.png", "val_0.png"}


def test_wrong_answers_stand_beside_right_ones(tiny_run):
    run = TrainedRun.open(tiny_run)
    pairs = explain_request(run, Request(split="train", wrong=True, count=3))
    assert 1 <= len(pairs) <= 3
    for pair in pairs:
        assert pair[-1].right is False
        assert [e.right for e in pair[:-1]] in ([], [True])
    assert any(len(pair) == 2 for pair in pairs)
    for request, message in [
        (Request(split="val", indices=(15,)), "--indices has 15; expected numbers from 0 to 14"),
        (
            Request(split="val", wrong=True, family="colour"),
            "--wrong is 'colour'; expected all or one",
        ),
        (Request(split="moon", indices=(1,)), "moon"),
        (Request(image="no.png", question="Is it?", split="val"), "no.png"),
    ]:
        with pytest.raises(InputError, match=message):
            explain_request(run, request)
