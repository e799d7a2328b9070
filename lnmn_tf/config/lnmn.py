"""The paper's LNMN, and the released program's."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.names import OPERATORS
from lnmn_tf.config.option import option
from lnmn_tf.config.sizes import ModelConfig
from lnmn_tf.errors import InputError


@dataclass(frozen=True)
class LNMNConfig(ModelConfig):
    """Cells of the paper (section 3.1, Table 3), and what may be done to them."""

    model: str = option("paper")
    map_dim: int = option(384, "Channels of the maps inside a cell.", minimum=1)
    attention_3: int = option(4, "Attention modules that read one map.", minimum=0, flag="cells")
    attention_4: int = option(2, "Attention modules that read two maps.", minimum=0, flag="cells")
    answer_3: int = option(1, "Answer modules that read one map.", minimum=0, flag="cells")
    answer_4: int = option(1, "Answer modules that read two maps.", minimum=0, flag="cells")
    fusion: str = option(
        "nodes",
        "How a cell fuses its inputs: nodes of learned operators, or the ablation of Table 2.",
        choices=("nodes", "concat"),
        flag=False,
    )
    hard_operators: bool = option(
        False, "Each node is its strongest operator alone (for inference).", may_change=True
    )
    zeroed_operators: tuple[str, ...] = option(
        (),
        "Operators whose contribution is removed (Table 7); --mode=analyze --what=operators removes each "
        "in its turn.",
        may_change=True,
        flag=False,
    )
    module_threshold: float = option(
        0.0,
        "Kinds of modules that no example of a batch gives this weight do not run in that step, and "
        "count as NoOp (for inference); 0 = all run, for answers change by it.",
        minimum=0,
        below=1,
        may_change=True,
        flag=False,
    )
    module_mlp_dim: int = option(
        512,
        "Hidden units of the MLP that weighs modules, as in the paper (2.1); 0 = a linear layer.",
        flag=False,
        minimum=0,
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.answer_3 + self.answer_4:
            raise InputError(
                "answer_3 and answer_4 (--cells) are 0; expected an answer module, or nothing is answered"
            )
        unknown = set(self.zeroed_operators) - set(OPERATORS)
        if unknown:
            raise InputError(
                f"zeroed_operators has {sorted(unknown)}; expected some of {', '.join(OPERATORS)}"
            )
        if self.fusion == "concat" and (self.hard_operators or self.zeroed_operators):
            raise InputError(
                "fusion is 'concat', which has no operators; expected --hard_operators and "
                "zeroed_operators with fusion=nodes alone"
            )


@dataclass(frozen=True)
class ReleasedConfig(LNMNConfig):
    """The same sizes; what differs is in `models.lnmn.ReleasedLNMN`."""

    model: str = option("released")
    module_mlp_dim: int = option(
        0,
        "Hidden units of the MLP that weighs modules; 0 = a linear layer, as in their program.",
        flag=False,
        minimum=0,
    )
