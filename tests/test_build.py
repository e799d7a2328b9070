"""The BUILD files know every test, every module, and what it imports.

BUILD files are written in a subset of Python: here they run with rules that only take note.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("configs", "export", "lnmn_tf", "tests")
PINS = [
    f"@pip//:{name.lower().replace('-', '_')}"
    for file in ("requirements.txt", "requirements-test.txt")
    for name in re.findall(r"^([\w-]+)==", (ROOT / file).read_text(), re.MULTILINE)
]
# Packages that are not called as what is imported of them.
DISTRIBUTIONS = {"PIL": "pillow", "absl": "absl_py", "google": "protobuf", "grpc": "grpcio"}


def to_label(name: str, package: str) -> str:
    """In full: `//lnmn_tf/data` as `//lnmn_tf/data:data`, `:b` and `b` as `//package:b`."""
    if ":" in name[1:]:
        return name
    if name.startswith("//"):
        return f"{name}:{name.rpartition('/')[2]}"
    return f"//{package}:{name.lstrip(':')}"


def to_path(label: str) -> str:
    """The path of a file from the root."""
    return label[2:].replace(":", "/").lstrip("/")


def read_package(build: Path) -> dict[str, dict]:
    """The targets of a BUILD file: {label: {"rule", "srcs", "deps"}}."""
    folder = build.parent
    package = to_path(f"//{folder.relative_to(ROOT).as_posix()}").lstrip(".")
    targets = {}

    def taking_note(rule: str):
        def note(name: str, srcs=(), deps=(), actual: str = "", **others) -> None:
            deps = [*deps, actual] if actual else deps
            targets[to_label(name, package)] = {
                "rule": rule,
                "srcs": [to_path(to_label(source, package)) for source in srcs],
                "deps": [to_label(dependency, package) for dependency in deps],
            }

        return note

    def find(pattern: str) -> set[str]:
        """Files that match, but for those of packages below."""
        paths = folder.glob(f"{pattern}/*" if pattern.endswith("**") else pattern)
        files = [path.relative_to(folder) for path in paths if path.is_file()]
        return {
            file.as_posix()
            for file in files
            if not any((folder / above / "BUILD").exists() for above in list(file.parents)[:-1])
        }

    def glob(include, exclude=(), allow_empty: bool = False) -> list[str]:
        files = set().union(*map(find, include)) - set().union(*map(find, exclude))
        assert files or allow_empty, f"{build}: nothing is as {include}"
        return sorted(files)

    rules = ("alias", "filegroup", "py_binary", "py_library", "py_test")
    names = {
        **{rule: taking_note(rule) for rule in rules},
        **{name: lambda *given, **named: None for name in ("exports_files", "load", "package")},
        "all_requirements": PINS,
        "glob": glob,
        "native": SimpleNamespace(glob=glob),
        "requirement": lambda name: f"@pip//:{name.replace('-', '_')}",
    }
    exec((ROOT / "tests" / "pytest.bzl").read_text(), names)
    exec(build.read_text(), names)
    return targets


BUILDS = [ROOT / "BUILD", *(build for top in FOLDERS for build in (ROOT / top).rglob("BUILD"))]
TARGETS = {label: target for build in BUILDS for label, target in read_package(build).items()}


def reached_from(label: str) -> set[str]:
    """The target and all that it depends on."""
    reached, left = set(), [label]
    while left:
        if (label := left.pop()) not in reached:
            reached.add(label)
            left += TARGETS[label]["deps"] if label in TARGETS else []
    return reached


def imports(path: Path) -> Iterator[str]:
    """Names that a file imports anywhere, each package on the way included."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            home = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{home}.{alias.name}" for alias in node.names]
        for name in names:
            yield from accumulate(name.split("."), "{}.{}".format)


def homes(name: str) -> set[str]:
    """The targets to depend on for what is imported; none for the standard library."""
    path = name.replace(".", "/")
    files = {f"{path}.py", f"{path}/__init__.py"}
    pin = f"@pip//:{DISTRIBUTIONS.get(name, name).lower()}"
    modules = {k for k, target in TARGETS.items() if files & set(target["srcs"])}
    return {k for k in modules if TARGETS[k]["rule"] != "py_test"} | {pin} & set(PINS)


def test_bazel_runs_the_files_that_pytest_collects(pytestconfig):
    patterns, tops = pytestconfig.getini("python_files"), pytestconfig.getini("testpaths")
    collected = {
        path.relative_to(ROOT).as_posix()
        for top in tops
        for pattern in patterns
        for path in (ROOT / top).rglob(pattern)
    }
    runs = [target["srcs"][0] for target in TARGETS.values() if target["rule"] == "py_test"]
    assert set(runs) == collected
    assert len(runs) == len(collected)


def test_every_module_has_a_target():
    known = {source for target in TARGETS.values() for source in target["srcs"]}
    files = {
        path.relative_to(ROOT).as_posix() for top in FOLDERS for path in (ROOT / top).rglob("*.py")
    }
    assert files <= known, f"in no BUILD file: {sorted(files - known)}"


def test_every_dependency_is_a_target():
    named = {dependency for target in TARGETS.values() for dependency in target["deps"]}
    unknown = named - set(TARGETS) - set(PINS)
    assert not unknown, f"no such target, or not pinned: {sorted(unknown)}"


def test_dependencies_go_one_way():
    circles = {
        k for k, target in TARGETS.items() if k in set().union(*map(reached_from, target["deps"]))
    }
    assert not circles


def test_targets_reach_what_they_import():
    missing = set()
    for label, target in TARGETS.items():
        # The fixtures that all tests share import what only some of them ask for.
        if target["rule"] in ("py_binary", "py_library") and label != "//tests:pytest":
            reached = reached_from(label)
            missing |= {
                f"{label} imports {name}, of {' or '.join(sorted(homes(name)))}"
                for source in target["srcs"]
                for name in imports(ROOT / source)
                if homes(name) and not homes(name) & reached
            }
    assert not missing, "\n".join(sorted(missing))
