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
    attention_3: int = option(4, "Attention modules that read one map.", minimum=0)
    attention_4: int = option(2, "Attention modules that read two maps.", minimum=0)
    answer_3: int = option(1, "Answer modules that read one map.", minimum=0)
    answer_4: int = option(1, "Answer modules that read two maps.", minimum=0)
    fusion: str = option(
        "nodes",
        "How a cell fuses its inputs: nodes of learned operators, or the ablation of Table 2.",
        choices=("nodes", "concat"),
    )
    hard_operators: bool = option(
        False, "Each node is its strongest operator alone (for inference).", may_change=True
    )
    # Python alone: `--mode=analyze --what=operators` removes each operator in its turn (Table 7).
    zeroed_operators: tuple[str, ...] = option(
        (), "Operators whose contribution is removed (Table 7).", may_change=True, flag=False
    )
    module_threshold: float = option(
        0.0,
        "Kinds of modules that no example of a batch gives this weight do not run in that step, and "
        "count as NoOp (for inference); 0 = all run.",
        minimum=0,
        below=1,
        may_change=True,
    )
    module_mlp_dim: int = option(512, flag=False, minimum=0)  # hidden units of the controller's MLP

    def __post_init__(self):
        super().__post_init__()
        if not self.answer_3 + self.answer_4:
            raise InputError(
                "--answer_3 and --answer_4 are 0; expected an answer module, or nothing is answered"
            )
        unknown = set(self.zeroed_operators) - set(OPERATORS)
        if unknown:
            raise InputError(
                f"zeroed_operators has {sorted(unknown)}; expected some of {', '.join(OPERATORS)}"
            )
        if self.fusion == "concat" and (self.hard_operators or self.zeroed_operators):
            raise InputError(
                "--fusion is 'concat', which has no operators; --hard_operators and "
                "zeroed_operators are for --fusion=nodes"
            )


@dataclass(frozen=True)
class ReleasedConfig(LNMNConfig):
    """The same sizes; what differs is in `models.lnmn.ReleasedLNMN`."""

    model: str = option("released")
    module_mlp_dim: int = option(0, flag=False, minimum=0)
