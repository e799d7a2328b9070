"""alpha in the course of training, a line of JSON after each epoch; `analysis.history` reads it.

{"step": 1200, "cells": {"attention_3.0": [[...], [...]], ...}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import numpy as np

FILE_NAME = "structure.jsonl"  # in the run folder
SEARCH = "search"  # of a search before the training, in the run folder
ANSWERS = "answers"  # its part for the answer cells


def append(path: str | os.PathLike, step: int, alpha: Mapping[str, np.ndarray]) -> None:
    """Adds a line. Raises OSError.

    Args:
        path: the file; made where it is missing.
        step: weight steps done.
        alpha: of each cell, [nodes, 6].
    """
    entry = {"step": int(step), "cells": {k: np.round(v, 5).tolist() for k, v in alpha.items()}}
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")
