"""Stack-NMN (Hu, Andreas, Darrell and Saenko, 2018); defaults are those of their program."""

from __future__ import annotations

from dataclasses import dataclass

from lnmn_tf.config.names import STACK_NMN_MODULES
from lnmn_tf.config.option import option
from lnmn_tf.config.sizes import ModelConfig


@dataclass(frozen=True)
class StackNMNConfig(ModelConfig):
    """Switches of their program."""

    model: str = option("stack_nmn")
    num_steps: int = option(9, "T, steps of the machine.", minimum=1)
    stack_len: int = option(4, "L, slots of the stack.", minimum=1)
    dropout: float = option(
        0.15,
        "Share of the classifier's hidden units that a training step drops; 0.15 in their program.",
        flag=False,
        minimum=0,
        below=1,
    )
    module_mlp_dim: int = option(
        512,
        "Hidden units of the MLP that weighs modules; 0 = a linear layer. Theirs has 512.",
        flag=False,
        minimum=0,
    )
    modules: tuple[str, ...] = option(
        STACK_NMN_MODULES,
        "Stack-NMN: the modules by name; the nine that its authors have for CLEVR.",
        flag=False,
    )
    attend_embeddings: bool = option(
        False,
        "Stack-NMN: c_t mixes word embeddings, not h_s; off in its authors' program.",
        flag=False,
    )
    saturate_pointer: bool = option(
        False,
        "Stack-NMN: the pointer stays at the ends of the stack; in its authors' program it vanishes there.",
        flag=False,
    )
    hard_pointer: bool = option(
        True,
        "Stack-NMN: the pointer is sharpened to its largest entry, as its authors do for CLEVR.",
        flag=False,
    )
    pointer_temperature: float = option(
        0.2,
        "Stack-NMN: of the softmax that sharpens a pointer that is not hard; its authors'.",
        flag=False,
        above=0,
    )
    hard_layout: bool = option(
        False,
        "Stack-NMN: the most likely module runs alone; off, for it has no gradient to train by.",
        flag=False,
    )
    validate_modules: bool = option(
        False,
        "Stack-NMN: rules out modules that the stack does not allow; off in its authors' program for CLEVR.",
        flag=False,
    )
    hard_validation: bool = option(
        False,
        "Stack-NMN: rules them out wholly, not by degrees; off in its authors' program.",
        flag=False,
    )
    keep_stack: tuple[str, ...] = option(
        (),
        "Stack-NMN: modules that leave the stack as it is; none of its authors' for CLEVR.",
        flag=False,
    )


@dataclass(frozen=True)
class StackNMNForVQAConfig(StackNMNConfig):
    """What they changed for VQA; what else differs is in `models.stack_nmn.StackNMNForVQA`."""

    model: str = option("stack_nmn_vqa")
    num_steps: int = option(12, "T, steps of the machine.", minimum=1)
    stack_len: int = option(6, "L, slots of the stack.", minimum=1)
    modules: tuple[str, ...] = option(
        ("no_op", "find", "transform", "filter", "and", "describe_one"),
        "The modules by name; their six for VQA.",
        flag=False,
    )
    saturate_pointer: bool = option(
        True, "The pointer stays at the ends of the stack, as in theirs for VQA.", flag=False
    )
    hard_pointer: bool = option(
        False, "The pointer is sharpened by a softmax, as in theirs for VQA.", flag=False
    )
    keep_stack: tuple[str, ...] = option(
        ("describe_one",),
        "Modules that leave the stack as it is, as in theirs for VQA.",
        flag=False,
    )
