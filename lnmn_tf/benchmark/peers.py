"""The authors' own programs, each of which can take turns with this one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from lnmn_tf.config import ModelConfig
from lnmn_tf.errors import InputError

LNMN_9 = {"attention_3": 4, "attention_4": 2, "answer_3": 1, "answer_4": 1}


class Program(NamedTuple):
    """A program that there are checkouts of."""

    worker: str  # the module that runs it
    sign: str  # a file by which a checkout is known
    url: str


LNMN = Program(
    "lnmn_tf.benchmark.peer_lnmn", "LNMN_9/model.py", "https://github.com/vardaan123/LNMN"
)
STACK_NMN = Program(
    "lnmn_tf.benchmark.peer_snmn",
    "models_clevr_snmn/model.py",
    "https://github.com/ronghanghu/snmn",
)


class Peer(NamedTuple):
    """A checkout, and the interpreter that runs it."""

    folder: str
    worker: str
    python: str
    same_weights: (
        bool  # whether its weights can be given to our model, so that answers are compared
    )


def find_peer(folder: str, python: str, model: ModelConfig) -> Peer | None:
    """The authors' program that is to be compared with a model.

    Args:
        folder: `peer`, a checkout; empty = none.
        python: `peer_python`; empty = this interpreter.
        model: ours.

    Raises:
        InputError: the folder holds another program, or the program has no model of these sizes.
    """
    if not folder:
        return None
    program = STACK_NMN if model.model == "stack_nmn" else LNMN
    if not (Path(folder) / program.sign).is_file():
        raise InputError(
            f"peer is {folder!r}; expected a checkout of {program.url} for --model={model.model}"
        )
    cells = {name: getattr(model, name, 0) for name in LNMN_9}
    if program is LNMN and cells != LNMN_9:
        raise InputError(f"peer is LNMN-9, with {LNMN_9}; these sizes have {cells}")
    same_weights = model.model in ("released", "stack_nmn")
    return Peer(folder, program.worker, python or sys.executable, same_weights)
