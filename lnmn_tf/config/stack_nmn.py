"""Stack-NMN (Hu, Andreas, Darrell and Saenko, 2018); defaults are those of their program."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.names import STACK_NMN_MODULES
from lnmn_tf.config.option import option
from lnmn_tf.config.sizes import ModelConfig


@dataclass(frozen=True)
class StackNMNConfig(ModelConfig):
    """Switches of their program, from Python alone."""

    model: str = option("stack_nmn")
    num_steps: int = option(9, "T, steps of the machine.", minimum=1)
    stack_len: int = option(4, "L, slots of the stack.", minimum=1)
    dropout: float = option(0.15, flag=False, minimum=0, below=1)
    module_mlp_dim: int = option(512, flag=False, minimum=0)  # of the controller's MLP; 0 = linear
    modules: tuple[str, ...] = option(STACK_NMN_MODULES, flag=False, choices=())
    attend_embeddings: bool = option(False, flag=False)  # c_t mixes word embeddings, not h_s
    saturate_pointer: bool = option(False, flag=False)  # it stays at the ends, or else it vanishes
    hard_pointer: bool = option(True, flag=False)  # sharpened to its largest entry
    pointer_temperature: float = option(0.2, flag=False, above=0)  # of the softmax, if not hard
    hard_layout: bool = option(False, "Run the most likely module alone (Stack-NMN).", flag=False)
    validate_modules: bool = option(False, flag=False)  # rule out what the stack does not allow
    hard_validation: bool = option(False, flag=False)  # wholly, not by degrees
    keep_stack: tuple[str, ...] = option((), flag=False)  # modules that leave the stack as it is


@dataclass(frozen=True)
class StackNMNForVQAConfig(StackNMNConfig):
    """What they changed for VQA; what else differs is in `models.stack_nmn.StackNMNForVQA`."""

    model: str = option("stack_nmn_vqa")
    num_steps: int = option(12, "T, steps of the machine.", minimum=1)
    stack_len: int = option(6, "L, slots of the stack.", minimum=1)
    modules: tuple[str, ...] = option(
        ("no_op", "find", "transform", "filter", "and", "describe_one"), flag=False, choices=()
    )
    saturate_pointer: bool = option(True, flag=False)
    hard_pointer: bool = option(False, flag=False)
    keep_stack: tuple[str, ...] = option(("describe_one",), flag=False)
