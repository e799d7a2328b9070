"""The structure that was learned, as a file: one operator for each node of each cell.

{"cells": {"attention_3.0": ["choose_2", "product"], ...}, "convention": "image first"}
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lnmn_tf.config.names import OPERATORS
from lnmn_tf.errors import InputError

# Which operand of a node with the image stands first: the released program and ours have the image,
# the paper's Table 6 has the result of the node before (in cells of two maps, where they differ).
CONVENTIONS = ("image first", "result first")
Genotype = dict[str, list[str]]  # operators of each cell by its name, from first node to last


def strongest(mixtures: Mapping[str, np.ndarray]) -> Genotype:
    """The strongest operator of each node; of equal ones the first.

    Args:
        mixtures: alpha or alpha' of each cell by name, [nodes, 6].
    """
    return {
        name: [OPERATORS[index] for index in np.argmax(weights, axis=-1)]
        for name, weights in mixtures.items()
    }


def one_hot(operators: Sequence[str]) -> np.ndarray:
    """alpha' of a cell whose nodes are one operator each, float32 [nodes, 6]."""
    return np.eye(len(OPERATORS), dtype=np.float32)[[OPERATORS.index(name) for name in operators]]


def genotype_text(genotype: Genotype) -> str:
    """A file that `read_genotype` reads."""
    return json.dumps({"cells": genotype, "convention": CONVENTIONS[0]}, indent=2) + "\n"


def read_genotype(path: str | os.PathLike, nodes: Mapping[str, int]) -> Genotype:
    """Reads a genotype for a model.

    Args:
        path: the text of `genotype_text`, or written by hand.
        nodes: of the model: number of nodes of each cell by name.

    Returns:
        The operators of each cell, in the order of `nodes`.

    Raises:
        InputError: no such file, not of this form, or of a model with other cells.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"--genotype is {str(path)!r}: {error.strerror or error}; expected a file that "
            "--mode=analyze --what=structure wrote"
        ) from None
    except ValueError as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, dict) or not all(isinstance(x, list) for x in cells.values()):
        raise InputError(
            f"{path}: has no field 'cells' with a list of operators for each cell; expected a "
            "genotype"
        )
    convention = content.get("convention", CONVENTIONS[0])
    if convention != CONVENTIONS[0]:
        raise InputError(
            f"{path}: field 'convention' is {convention!r}; expected {CONVENTIONS[0]!r}, the order "
            "of this program's operands"
        )
    for name, count in nodes.items():
        if name not in cells:
            raise InputError(
                f"{path}: is a genotype of the cells {', '.join(sorted(cells))}; expected one of this "
                f"model, with {', '.join(nodes)}"
            )
        if len(cells[name]) != count:
            raise InputError(
                f"{path}: cell {name!r} has {len(cells[name])} operators; expected {count}, one for "
                "each node of this model"
            )
        for operator in cells[name]:
            if operator not in OPERATORS:
                raise InputError(
                    f"{path}: cell {name!r} has the operator {operator!r}; expected some of "
                    f"{', '.join(OPERATORS)}"
                )
    left = sorted(set(cells) - set(nodes))
    if left:
        raise InputError(
            f"{path}: has the cells {', '.join(left)}, which this model lacks; expected a genotype of "
            f"{', '.join(nodes)}"
        )
    return {name: list(cells[name]) for name in nodes}
