"""A headless Chromium, and the picture of the page for the README.

    python -m lnmn_tf.main --mode=export --run_dir=pretrained/quickstart --export_dir=/tmp/quickstart
    python -m tests.export.demo.browser --run_dir=pretrained/quickstart --export_dir=/tmp/quickstart \
        --example=5 --question="Is the purple cylinder the same size as the green cube?"

writes `export/demo/screenshot.jpg`: an example of the run's data, and its answer.
"""

from __future__ import annotations

import argparse
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

SCREENSHOT = Path(__file__).resolve().parents[3] / "export" / "demo" / "screenshot.jpg"
WIDTH, HEIGHT = 1400, 900
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """The program of this machine, if it has one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """A page in a browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.set_default_timeout(60_000)
        page.goto(url)
        yield page
        browser.close()


def save_screenshot(page: Any, path: Path) -> None:
    """The whole page, as a JPEG."""
    page.wait_for_timeout(500)  # bars grow
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture.save(path, "JPEG", quality=65, optimize=True, progressive=True)


def main() -> None:
    """Makes the picture for the README."""
    from export.demo.examples import find_examples
    from export.demo.served_model import ServedModel
    from tests.export.demo.conftest import running

    parser = argparse.ArgumentParser()
    parser.add_argument("--run_dir", type=Path, default=Path("runs/quickstart"))
    parser.add_argument("--export_dir", type=Path, help="`export` in the run folder if not given")
    parser.add_argument("--example", type=int, default=0, help="which of the pictures")
    parser.add_argument("--question", help="the picture's first question, where it is not given")
    options = parser.parse_args()
    model = ServedModel(options.export_dir or options.run_dir / "export")
    examples = find_examples(options.run_dir)
    question = options.question or examples[options.example].questions[0][0]
    with running(model, examples) as demonstration, opened(demonstration.url) as page:
        page.locator("#examples button").nth(options.example).click()
        page.fill("#question", question)
        page.click("#ask")
        page.wait_for_selector(".step")
        save_screenshot(page, SCREENSHOT)
    print(f"wrote {SCREENSHOT}, {SCREENSHOT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
