"""Which way the packages lean: the world knows CLEVR's vocabulary, its reader nothing of the world."""

import ast
from pathlib import Path

import pytest

from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.world.objects import COLORS, SIZES

ROOT = Path(__file__).resolve().parents[2]
OF_CLEVR = "lnmn_tf.data.attributes"
BELOW = (
    *(OF_CLEVR, "lnmn_tf.config", "lnmn_tf.errors", "lnmn_tf.files", "lnmn_tf.progress"),
    "lnmn_tf.world",
)


def own_imports(package: str) -> list[tuple[str, str]]:
    """(file, module of this project) for every import of a package, wherever it stands."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            found += [(path.name, name) for name in names if name.startswith("lnmn_tf")]
    return found


@pytest.mark.parametrize("package", ["lnmn_tf/data", "lnmn_tf/config"])
def test_what_the_world_stands_on_imports_nothing_of_it(package):
    imports = own_imports(package)
    assert imports
    assert [entry for entry in imports if entry[1].startswith("lnmn_tf.world")] == []


def test_the_world_imports_nothing_of_the_data_but_clevrs_vocabulary():
    imports = own_imports("lnmn_tf/world")
    assert any(name.startswith(OF_CLEVR) for _, name in imports)
    assert [entry for entry in imports if not entry[1].startswith(BELOW)] == []


def test_objects_have_a_look_for_every_value_of_clevr():
    assert tuple(COLORS) == ATTRIBUTES["color"]
    assert tuple(SIZES) == ATTRIBUTES["size"]
