"""What instruments are told of a cell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lnmn_tf.analysis.expressions import Symbol


class Operands(NamedTuple):
    """What a cell's nodes receive beside the text, as formulas and diagrams call it."""

    image: Symbol  # of the node that receives the image
    maps: tuple[Symbol, ...]  # one or two


class Cell(NamedTuple):
    """A cell with nodes of its own; several modules may run it."""

    name: str
    modules: tuple[str, ...]
    answers: bool
    operands: Operands
    alpha: np.ndarray  # [nodes, 6]
    normalised: bool  # each node is divided by its L2 norm over channels
    notes: tuple[str, ...] = ()  # what formulas leave out of what the model makes of the last node

    @property
    def inputs(self) -> int:
        """3 or 4: the image, the text, and one or two attention maps."""
        return 2 + len(self.operands.maps)

    @property
    def nodes(self) -> int:
        return len(self.alpha)

    @property
    def kind(self) -> str:
        """As Table 3 has it."""
        return f"{'Answer' if self.answers else 'Attention'} ({self.inputs} inputs)"


def softmax(alpha: np.ndarray) -> np.ndarray:
    """alpha' = softmax(alpha) over the last axis."""
    powers = np.exp(alpha - alpha.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
