"""Where the room `export/` is: beside this package in a checkout, inside of it where it is installed."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from types import ModuleType


def exporting(name: str) -> ModuleType:
    """A module of `export`, imported now.

    An installed program has it as `lnmn_tf.export`, since `export` would be a name for everybody.

    Args:
        name: within `export`, such as "saved_model" or "demo.demonstration".
    """
    home = "lnmn_tf.export" if find_spec("lnmn_tf.export") else "export"
    return importlib.import_module(f"{home}.{name}")
