"""The kinds of generic cells, and which of them a model has."""

from __future__ import annotations

from lnmn_tf.config import ModelConfig


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
    """

    def __init__(self, name, cells, num_maps, answers=False, pushes=False, pools=False):
        self.name, self.cells, self.num_maps = name, cells, num_maps
        self.answers, self.pushes, self.pools = answers, pushes, pools


def kinds_of(config: ModelConfig) -> tuple[Kind, ...]:
    """The cells of a model in the order of their module index."""
    replacing = config.attention_3 - config.pushing_cells - config.pooling_cells
    kinds = (
        Kind("push_3", config.pushing_cells, 1, pushes=True),
        Kind("attention_3", replacing, 1),
        Kind("relate_3", config.pooling_cells, 1, pools=True),
        Kind("attention_4", config.attention_4, 2),
        Kind("answer_3", config.answer_3, 1, answers=True, pools=config.pooling_answers),
        Kind("answer_4", config.answer_4, 2, answers=True, pools=config.pooling_answers),
    )
    return tuple(kind for kind in kinds if kind.cells)
