"""The page in a browser: real clicks, real answers."""

from __future__ import annotations

import base64

import pytest

from export.demo.examples import find_examples
from tests.export.conftest import PICTURES
from tests.export.demo.browser import SCREENSHOT, find_chromium, opened, save_screenshot
from tests.export.demo.conftest import running

pytestmark = pytest.mark.skipif(not find_chromium(), reason="no Chromium on the PATH")


@pytest.fixture(scope="module")
def browser(served, tiny_run):
    """The page, and what its console says."""
    examples = find_examples(tiny_run)
    with running(served, examples) as demonstration, opened(demonstration.url) as page:
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page, examples, complaints


@pytest.fixture
def page(browser):
    """The page as it begins, with the first example."""
    page = browser[0]
    page.reload()
    page.wait_for_selector("#suggestions button")
    return page


def answer_of(signatures, picture: bytes, question: str) -> dict:
    import tensorflow as tf

    outputs = signatures["explain"](question=tf.constant([question]), image=tf.constant([picture]))
    return {name: tensor.numpy()[0] for name, tensor in outputs.items()}


def overlay_colours(page) -> int:
    """How many colours the attention map over the picture has."""
    return page.evaluate(
        "() => { const c = document.getElementById('overlay');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return new Set(new Uint32Array(d.buffer)).size; }"
    )


def test_a_click_on_a_question_shows_answer_and_steps(browser, page, signatures, tmp_path):
    example = browser[1][0]
    question, truth = example.questions[1]
    expected = answer_of(signatures, example.picture.read_bytes(), question)
    page.locator("#suggestions button", has_text=question).first.click()
    page.wait_for_selector(".step")
    answer = expected["answer"].decode()
    assert page.inner_text("#best") == answer
    assert f"{100 * expected['probability']:.1f} %" in page.inner_text("#top li >> nth=0")
    assert ("✓" if truth == answer else truth) in page.inner_text("#truth")
    steps = expected["module_weights"].shape[0]
    assert page.locator(".step").count() == steps
    words = [word.decode() for word in expected["words"] if word]
    assert page.locator(".step >> nth=0 >> .words span").all_inner_texts() == words
    strongest = expected["module_names"][expected["module_weights"][-1].argmax()].decode()
    assert strongest in page.inner_text("#caption")
    save_screenshot(page, tmp_path / "page.jpg")
    assert (tmp_path / "page.jpg").stat().st_size > 10_000
    assert browser[2] == []


def test_a_click_on_a_step_shows_its_map(page, browser):
    page.locator("#suggestions button").first.click()
    page.wait_for_selector(".step")
    count = page.locator(".step").count()
    page.locator(".step").first.click()
    assert page.get_attribute(".step >> nth=0", "aria-selected") == "true"
    assert page.inner_text("#caption").startswith(f"Step 1 of {count}")
    assert overlay_colours(page) >= 1
    page.focus("#steps")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#caption").startswith(f"Step {count} of {count}")
    page.click("#play")
    for number in (1, 2):  # it goes round, so each step comes again
        page.wait_for_selector(f"#caption:has-text('Step {number} of')")
    page.click("#play")
    assert page.inner_text("#play") == "Play"


def test_a_picture_of_ones_own_and_a_typed_question(page, signatures):
    page.set_input_files(
        "#file", {"name": "own.jpg", "mimeType": "image/jpeg", "buffer": PICTURES[0]}
    )
    page.wait_for_selector("#suggestions button", state="detached")
    page.fill("#question", "How many red cubes are there?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".step")
    expected = answer_of(signatures, PICTURES[0], "How many red cubes are there?")
    assert page.inner_text("#best") == expected["answer"].decode()
    assert page.inner_text("#truth") == ""


def test_a_picture_that_is_dropped(page):
    page.evaluate(
        """(base64) => {
            const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "own.png", { type: "image/png" }));
            document.getElementById("drop").dispatchEvent(
                new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        base64.b64encode(PICTURES[1]).decode(),
    )
    page.wait_for_selector("#picture[src^='blob:']", state="attached")
    page.wait_for_selector("#suggestions button", state="detached")
    page.fill("#question", "Is it?")
    page.click("#ask")
    page.wait_for_selector(".step")


def test_what_cannot_be_answered_is_said(page):
    page.click("#ask")
    assert "Type a question" in page.inner_text("#problem")
    page.set_input_files(
        "#file", {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    page.wait_for_selector("#problem:has-text('PNG or JPEG')")
    page.route(
        "**/v1/models/lnmn:predict",
        lambda route: route.fulfill(
            status=503, body='{"error": "too many requests; ask again later"}'
        ),
    )
    page.fill("#question", "Is it?")
    page.click("#ask")
    page.wait_for_selector("#problem:has-text('again later')")
    page.unroute("**/v1/models/lnmn:predict")
    assert page.is_hidden("#answer") and page.is_enabled("#ask")


def test_the_page_names_itself_a_demonstration(page):
    assert "Demonstration" in page.inner_text("header")
    assert "this machine only" in page.inner_text("#version")


def test_the_screenshot_of_the_readme_is_small():
    assert SCREENSHOT.stat().st_size <= 150_000
