"""The kinds of generic cells, and what their modules do to the stack (paper, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from lnmn_tf.layers import stack as stacks


@dataclass(frozen=True)
class Kind:
    """Modules that share their inputs and their effect on the stack.

    Attributes:
        name: for layers, traces and pictures.
        cells: how many.
        num_maps: attention maps that each pops, 1 or 2.
        answers: whether they write memory (answer cells) or push a map (attention cells).
        keeps: they do not pop the map that they read, and so push above it.
        bank: the name of their cells, which two kinds may share; empty = that of the kind.
    """

    name: str
    cells: int
    num_maps: int
    answers: bool = False
    keeps: bool = False
    bank: str = ""

    @property
    def bank_name(self) -> str:
        return self.bank or self.name

    @property
    def pops(self) -> int:
        """Maps that each module takes off the stack."""
        return 0 if self.keeps else self.num_maps

    @property
    def pushes(self) -> int:
        """Maps that each module puts on the stack."""
        return 0 if self.answers else 1

    def reads(self, pointer: tf.Tensor) -> list[tf.Tensor]:
        """Where its maps stand on the stack: at the pointer, and one below for each further map.

        Args:
            pointer: p, [batch, stack_len].

        Returns:
            For each map, [batch, stack_len].
        """
        pointers = [pointer]
        while len(pointers) < self.num_maps:
            pointers.append(stacks.move_down(pointers[-1]))
        return pointers

    def leaves(self, pointer: tf.Tensor) -> tf.Tensor:
        """The pointer, [batch, stack_len], after the module has popped its maps, and pushed its own."""
        lowest = self.reads(pointer)[-1]
        if self.keeps:
            return stacks.move_up(lowest)
        return stacks.move_down(lowest) if self.answers else lowest


def paper_kinds(
    attention_3: int, attention_4: int, answer_3: int, answer_4: int
) -> tuple[Kind, ...]:
    """The cells of Table 3, in the order of their module index; kinds without cells are left out."""
    kinds = (
        Kind("attention_3", attention_3, 1),
        Kind("attention_4", attention_4, 2),
        Kind("answer_3", answer_3, 1, answers=True),
        Kind("answer_4", answer_4, 2, answers=True),
    )
    return tuple(kind for kind in kinds if kind.cells)
