"""`pip install .`: one top-level package, every file that the program reads, every package that it imports."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from lnmn_tf.exporting import exporting

tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
ROOMS = {"lnmn_tf": ROOT / "lnmn_tf", "lnmn_tf.export": ROOT / "export"}
# Packages that are not called as what is imported of them; and the authors' programs, which --peer names.
DISTRIBUTIONS = {"PIL": "pillow", "absl": "absl-py", "google": "protobuf", "grpc": "grpcio"}
PEERS = {"architect", "model", "models_clevr_snmn", "torch", "util"}


def folder_of(package: str) -> Path:
    """Where the files of an installed package are in a checkout."""
    room = "lnmn_tf.export" if package.startswith("lnmn_tf.export") else "lnmn_tf"
    return ROOMS[room].joinpath(*package[len(room) :].split("."))


def test_every_package_is_installed_and_none_has_a_general_name():
    found = {
        ".".join([name, *path.parent.relative_to(room).parts])
        for name, room in ROOMS.items()
        for path in room.rglob("__init__.py")
    }
    assert set(SETUPTOOLS["packages"]) == found
    assert {name.split(".")[0] for name in found} == {"lnmn_tf"}
    assert SETUPTOOLS["package-dir"] == {"lnmn_tf.export": "export"}


def test_every_file_that_the_program_reads_is_installed():
    installed = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in folder_of(package).glob(pattern)
    }
    others = {
        path
        for room in ROOMS.values()
        for path in room.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != "BUILD"
    }
    pictures = {
        ROOT / "export/demo/screenshot.jpg",
        ROOT / "lnmn_tf/benchmark/growth.svg",
    }  # of docs
    assert installed == others - pictures


def test_the_room_for_export_imports_itself_by_no_name_of_its_own():
    for path in (ROOT / "export").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) export\b", path.read_text(), re.MULTILINE), path


def test_in_a_checkout_the_room_for_export_is_found_beside_the_package():
    assert exporting("checks").__name__ == "export.checks"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 does not list its own modules")
def test_every_package_that_is_imported_is_required():
    required = {Requirement(text).name.lower() for text in PROJECT["project"]["dependencies"]}
    imported = set()
    for path in [path for room in ROOMS.values() for path in room.rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - PEERS - {"lnmn_tf"}
    foreign = {DISTRIBUTIONS.get(name, name).lower().replace("_", "-") for name in foreign}
    foreign = {
        "tensorflow-serving-api" if name == "tensorflow-serving" else name for name in foreign
    }
    assert foreign <= required
    assert required - foreign == {"setuptools"}  # of TensorBoard


@pytest.mark.parametrize("text", PROJECT["project"]["dependencies"])
def test_the_pinned_version_is_within_the_bounds(text):
    bounds = Requirement(text)
    pin = re.search(
        rf"^{bounds.name}==([\w.]+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    assert pin and bounds.specifier.contains(pin[1])


def test_the_command_of_an_installed_program_is_that_of_the_checkout():
    module, name = PROJECT["project"]["scripts"]["lnmn"].split(":")
    code = f"import sys; from {module} import {name}; sys.argv = ['lnmn', '--zork']; {name}()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "--zork is no flag" in done.stderr
