"""Docstrings have one form."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "lnmn_tf").rglob("*.py"), *(ROOT / "export").rglob("*.py")])
SECTION = re.compile(r"^( *)(Args|Attributes|Call arguments|Returns|Raises|Yields)[^:]*:$")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def docstrings(path: Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    found = [ast.get_docstring(node) for node in nodes if isinstance(node, DOCUMENTED)]
    return [text for text in found if text]


@pytest.mark.parametrize("package", ["lnmn_tf", "export"])
def test_sections_are_indented_by_four(package):
    indents = {}
    for path in (path for path in SOURCES if path.is_relative_to(ROOT / package)):
        for text in docstrings(path):
            lines = text.splitlines()
            for line, following in zip(lines, lines[1:]):
                head = SECTION.match(line)
                if head and following.strip():
                    indent = len(following) - len(following.lstrip()) - len(head[1])
                    indents.setdefault(indent, set()).add(
                        f"{path.relative_to(ROOT)}: {line.strip()}"
                    )
    assert set(indents) == {4}, indents


def test_public_modules_classes_and_functions_are_documented():
    missing = []
    for path in SOURCES:
        module = ast.parse(path.read_text(encoding="utf-8"))
        public = [
            node
            for node in module.body
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")
        ]
        missing += [f"{path.name}: {n.name}" for n in public if not ast.get_docstring(n)]
        if not ast.get_docstring(module):
            missing.append(path.name)
    assert missing == []
