"""The kinds of generic cells, and which of them a model has."""

from __future__ import annotations

import tensorflow as tf

from lnmn_tf.config import ModelConfig
from lnmn_tf.layers import stack as stacks


class Kind:
    """Cells that share their inputs and their effect on the stack.

    Args:
        name: for layers, traces and pictures.
        cells: how many.
        num_maps: attention maps that each reads.
        answers: whether they write memory (answer cells) or the stack (attention cells).
        pushes: they write above the map that they read, which stays (dialect `ours`).
        pools: they see what the maps point at, not the maps, so that the place of one object can decide
            where to look for another; answer cells see the attended features in place of the image as
            well (dialect `ours`).
        bank: the name of their weights, which two kinds may share; None = that of the kind.
    """

    def __init__(self, name, cells, num_maps, answers=False, pushes=False, pools=False, bank=None):
        self.name, self.cells, self.num_maps = name, cells, num_maps
        self.answers, self.pushes, self.pools = answers, pushes, pools
        self.bank = bank or name

    def reads(self, pointer: tf.Tensor) -> list[tf.Tensor]:
        """Where its maps stand on the stack: at the pointer, and one below for each further map."""
        pointers = [pointer]
        while len(pointers) < self.num_maps:
            pointers.append(stacks.move_down(pointers[-1]))
        return pointers


def kinds_of(config: ModelConfig) -> tuple[Kind, ...]:
    """The cells of a model in the order of their module index."""
    replacing = config.attention_3 - config.pushing_cells - config.pooling_cells
    tied = config.tied_cells
    look = "look_3" if tied else None
    kinds = (
        Kind("push_3", config.pushing_cells, 1, pushes=True, pools=tied, bank=look),
        Kind("attention_3", replacing, 1),
        Kind("relate_3", config.pooling_cells, 1, pools=True, bank=look),
        Kind("attention_4", config.attention_4, 2),
        Kind("answer_3", config.answer_3, 1, answers=True, pools=config.pooling_answers),
        Kind("answer_4", config.answer_4, 2, answers=True, pools=config.pooling_answers),
    )
    return tuple(kind for kind in kinds if kind.cells)
