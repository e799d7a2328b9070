"""Relational LNMN, this project's own model."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.lnmn import LNMNConfig
from lnmn_tf.config.option import option
from lnmn_tf.errors import InputError


@dataclass(frozen=True)
class RelationalConfig(LNMNConfig):
    """What `models.relational.RelationalLNMN` has beside the paper's cells."""

    model: str = option("relational")
    module_mlp_dim: int = option(
        0,
        "Hidden units of the MLP that weighs modules; 0 = a linear layer, which is enough.",
        flag=False,
        minimum=0,
    )
    looking_cells: int = option(
        1,
        "Cells that see what the map on top of the stack points at. Each is two modules of attention_3: "
        "one replaces that map, one pushes above it. One cell is enough for a relation.",
        minimum=0,
        flag=False,
    )
    looks_push: bool = option(
        False,
        "Cells that look push alone, and are one module each. To a question that the map on top answers, a look that "
        "replaces the map beneath is as good as one that keeps it, so layouts may drift; a comparison needs both maps.",
        flag=False,
    )
    attended_places: int = option(
        16,
        "Where the encoder was pretrained, modules look at so many places of its map, those where an "
        "object is likeliest; 0 = at all. 16 are more than a scene has objects.",
        minimum=0,
        flag=False,
    )
    likeness: bool = option(
        False,
        "A look also sees how alike a place is to what the map on top of the stack shows, in features that the words "
        'weigh: "of the same size as it".',
        flag=False,
    )
    growing: bool = option(
        False,
        "Training begins with two steps or three, and opens the others slowly (grow_shares). The last step answers, and no "
        "other does; at first no other rests. A step that runs NoOp reads nothing.",
        flag=False,
    )
    plan: bool = option(
        False,
        "At first the steps of a machine that grows run push, push, answer: a layout that all questions are told.",
        flag=False,
    )
    draws: bool = option(
        False,
        "Until the other steps of a machine that grows begin to open, each step but the last runs one module: in training one "
        "that is drawn from the module weights, with the gradient of their average, in an answer the likeliest. So layouts "
        "are tried that an average hides.",
        flag=False,
    )
    word_inhibition: float = option(
        0.0,
        "What is taken off the score of a word, times how much of the attention of the steps before it had: what "
        "was read is less likely to be read again. 0 = nothing, as in the paper.",
        minimum=0,
        flag=False,
    )
    joining: bool = option(
        False,
        "Cells of two maps keep both maps and the text: no first or last node becomes choose_1 or choose_2, and no second "
        "one the picture alone. Else such a cell comes to read one map, as queries, which are learned first, want it.",
        flag=False,
    )
    lone_answers: bool = option(
        False,
        "Answer cells of two maps also run where the stack holds one; beneath it they see the bottom, "
        "everything. So questions about one thing and about two can share cells.",
        flag=False,
    )

    def __post_init__(self):
        super().__post_init__()
        if self.growing and not self.looking_cells:
            raise InputError(
                "growing is true and looking_cells is 0; expected a cell that can push"
            )
        for name in ("plan", "draws"):
            if getattr(self, name) and not self.growing:
                raise InputError(
                    f"{name} is true and growing is false; expected a machine that grows"
                )
        if self.looking_modules > self.attention_3:
            raise InputError(
                f"looking_cells is {self.looking_cells}, which are {self.looking_modules} modules; expected no more "
                f"than attention_3={self.attention_3}"
            )

    @property
    def looking_modules(self) -> int:
        """Modules that cells that look are."""
        return self.looking_cells * (1 if self.looks_push else 2)
