"""README and docs keep what they say: links resolve, commands parse, Python imports what there is.

Commands are parsed, not run. A command with a word in capitals is a pattern (`--run_dir=RUN`) and is
parsed as it stands; what no parser here can check is listed in `NOT_CHECKED`.
"""

from __future__ import annotations

import ast
import importlib.util
import itertools
import re
import shlex
from pathlib import Path

import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.config.flags import flag_names, flag_of, settable
from lnmn_tf.config.modes import MODES
from lnmn_tf.config.run import of_run
from lnmn_tf.main import parse

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"\bpython -m lnmn_tf\.main\b(.*)")
# Pictures of docs/seeing.md that may not be there yet.
AWAITED = {"tensorboard_scalars.png", "tensorboard_images.png", "tensorboard_hparams.png"}
# First words of shell commands that are not ours, or need what a test has not: containers, servers, a browser.
NOT_CHECKED = {
    *("curl", "docker", "echo", "export", "export/serving/tls.sh", "kubectl", "make", "pip"),
    *("tensorboard", "time"),
}
FOREIGN_FLAGS = {
    "apparent",
    "deadline",
    "resume",
    "ssl_config_file",
}  # of du, our client, TF Serving
OTHER_MODULES = (
    "export.client",
    "lnmn_tf.analysis.planted",
    "lnmn_tf.data.easy_vqa",
    "pytest",
    "tests.export.demo.browser",
    "tests.export.stand_in_server",
)


def lines_of(page: Path) -> list[str]:
    """The lines, those that end with a backslash joined with the next."""
    return re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8")).splitlines()


def commands() -> list[pytest.param]:
    """Arguments of every `python -m lnmn_tf.main` in code or in text."""
    found = []
    for page in PAGES:
        for line in lines_of(page):
            match = COMMAND.search(line)
            if match:
                text = match[1].partition("`")[0].strip()
                found.append(pytest.param(text, id=f"{page.name}:{text[:60]}"))
    return found


def arguments_of(text: str) -> list[str]:
    """Of a shell command, up to a comment or the next command."""
    words = shlex.shlex(text, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    words = itertools.takewhile(lambda word: word not in (";", "|", "&&", ")"), words)
    return [word for word in words if word != "..."]


def anchors_of(page: Path) -> set[str]:
    """The fragments that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> list[pytest.param]:
    """(page, target) of every link and picture that is not on the web."""
    found = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not re.match(r"https?://", target):
                found.append(pytest.param(page, target, id=f"{page.name}:{target}"))
    return found


def test_the_readme_has_at_most_150_lines():
    assert 0 < len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_there_are_commands_and_links_to_check():
    assert len(commands()) > 20 and len(links()) > 20


@pytest.mark.parametrize(("page", "target"), links())
def test_links_resolve(page, target):
    name, _, fragment = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if path.name in AWAITED and not path.exists():
        return
    assert path.exists()
    if fragment:
        assert fragment in anchors_of(path)


@pytest.mark.parametrize("text", commands())
def test_commands_parse(text, monkeypatch):
    monkeypatch.chdir(ROOT)
    arguments = arguments_of(text)
    files = [value for value in arguments if value.startswith("--flagfile=")]
    if any(re.search(r"/[A-Z_]+\.flags$", file) for file in files):  # configs/NAME.flags
        arguments = [value for value in arguments if value not in files]
    command, choices = parse(arguments)
    assert command.mode in MODES
    if command.mode == "train" and files and files[0] in arguments:
        RunConfig.create(of_run(choices))  # refuses fields of another model


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flags_that_are_named_exist(page):
    own = "\n".join(line for line in lines_of(page) if not names_another_program(line))
    named = set(re.findall(r"(?<![\w-])--(?:no)?([a-z]\w+)", own))
    assert named - {*flag_names(), "mode", "flagfile", "help", "helpfull", *FOREIGN_FLAGS} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_fields_that_are_set_exist(page):
    named = set(re.findall(r"--set=([a-z]\w+)", page.read_text(encoding="utf-8")))
    assert named <= {name for name in settable() if flag_of(name) == "set"}


def names_another_program(line: str) -> bool:
    """The line is a command of a program that has flags of its own."""
    words = line.split()
    return bool(words) and (
        words[0] in NOT_CHECKED or any(f"-m {module}" in line for module in OTHER_MODULES)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_shell_command_is_checked_or_listed(page):
    first_words = set()
    for line in lines_of(page):
        if re.match(r" {4}\S", line) and re.search(r"\s--\w", line) and "lnmn_tf.main" not in line:
            first_words.add(line.split()[0])
    listed = {word for word in first_words if word in NOT_CHECKED or word.startswith("--")}
    ours = {word for word in first_words if re.search(r"python(3(\.\d+)?)?$", word)}
    assert first_words - listed - ours == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of_the_pages_imports_what_there_is(page):
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                origin = importlib.util.find_spec(node.module).origin
                source = Path(origin).read_text(encoding="utf-8")
                for alias in node.names:
                    assert re.search(rf"\b{alias.name}\b", source)
    assert text.count("```") % 2 == 0


def test_the_tests_that_reliability_names_are_there():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:tests/)?([\w/]+\.py)(?:::(test_\w+))?`", text)
    assert len(named) > 20
    for file, test in named:
        (path,) = [p for p in (ROOT / "tests").rglob("*.py") if str(p).endswith(f"/{file}")]
        assert not test or f"def {test}(" in path.read_text(encoding="utf-8"), (file, test)
    for folder in re.findall(r"`(tests/[\w/]+)`", text):
        assert (ROOT / folder).is_dir(), folder
