"""Sizes and switches of a model, and the dialects that preset the switches."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from lnmn_tf.config.option import option, validate
from lnmn_tf.errors import InputError

STACK_NMN_MODULES = (
    "no_op",
    "find",
    "transform",
    "filter",
    "and",
    "or",
    "scene",
    "describe_one",
    "describe_two",
)

DIALECTS = {
    "paper": {
        "normalise_nodes": False,
        "normalise_inputs": False,
        "initial_stack": "uniform",
        "own_projection": True,
        "pushing_cells": 0,
        "tied_cells": False,
        "pooling_cells": 0,
        "attend_padding": False,
        "pointer_temperature": 1.0,
        "module_mlp_dim": 512,
        "pooling_answers": False,
        "log_attention": False,
        "keep_memory": False,
        "position": "sinusoids",
        "attended_places": 0,
        "product_bias": 0.0,
        "layout_bias": 0.0,
        "attention_gain": 1.0,
        "attention_bias": 0.0,
        "controller_gain": 1.0,
        "reading_width": 0.0,
        "structure_stddev": 1.0,
    },
    "released": {
        "normalise_nodes": True,
        "normalise_inputs": False,
        "initial_stack": "zeros",
        "own_projection": False,
        "pushing_cells": 0,
        "tied_cells": False,
        "pooling_cells": 0,
        "attend_padding": True,
        "pointer_temperature": 0.2,
        "module_mlp_dim": 0,
        "pooling_answers": False,
        "log_attention": False,
        "keep_memory": False,
        "position": "sinusoids",
        "attended_places": 0,
        "product_bias": 0.0,
        "layout_bias": 0.0,
        "attention_gain": 1.0,
        "attention_bias": 0.0,
        "controller_gain": 1.0,
        "reading_width": 0.0,
        "structure_stddev": 1.0,
    },
    "ours": {
        "normalise_nodes": False,
        "normalise_inputs": True,
        "initial_stack": "zeros",
        "own_projection": False,
        "pushing_cells": 1,
        "tied_cells": True,
        "pooling_cells": 1,
        "attend_padding": False,
        "pointer_temperature": 0.2,
        "module_mlp_dim": 0,
        "attend_embeddings": True,
        "pooling_answers": True,
        "log_attention": True,
        "keep_memory": True,
        "position": "coordinates",
        "attended_places": 16,
        "product_bias": 2.0,
        "layout_bias": 5.0,
        "attention_gain": 4.0,
        "attention_bias": -1.0,
        "step_bias": True,
        "controller_gain": 2.0,
        "reading_width": 0.5,
        "structure_stddev": 0.0,
    },
    # Hu, Andreas, Darrell and Saenko, 2018: the defaults of their program.
    "stack_nmn": {
        "model": "stack_nmn",
        "normalise_inputs": False,
        "initial_stack": "zeros",
        "attend_padding": False,
        "module_mlp_dim": 512,
        "position": "sinusoids",
        "attended_places": 0,
        "step_bias": True,
        "controller_gain": 1.0,
        "reading_width": 0.0,
        "num_steps": 9,
        "stack_len": 4,
        "saturate_pointer": False,
        "hard_pointer": True,
        "dropout": 0.15,
    },
}
OPERATORS = ("min", "max", "sum", "product", "choose_1", "choose_2")


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and switches of a model."""

    model: str = option("lnmn", "The kind of modules.", choices=("lnmn", "stack_nmn"))
    dialect: str = option(
        "ours",
        "Preset of the switches: as the paper has it, as the authors' code has it, or what works "
        "best.",
        choices=tuple(DIALECTS),
    )
    num_words: int = option(0, flag=False)
    num_answers: int = option(0, flag=False)
    embed_dim: int = option(300, "Width of a word embedding.", minimum=1)
    text_dim: int = option(512, "d, width of the encoded question and of its words.", minimum=2)
    kb_dim: int = option(512, "Channels of the knowledge base.", minimum=1)
    map_dim: int = option(384, "Channels of the maps inside a cell.", minimum=1)
    mem_dim: int = option(512, "Width of the memory features.", minimum=1)
    mlp_dim: int = option(512, "Hidden width of the classifier.", minimum=1)
    num_steps: int = option(5, "T, steps of the machine.", minimum=1)
    stack_len: int = option(5, "L, slots of the stack.", minimum=1)
    attention_3: int = option(4, "Attention cells that read one map.", minimum=0)
    attention_4: int = option(2, "Attention cells that read two maps.", minimum=0)
    answer_3: int = option(1, "Answer cells that read one map.", minimum=0)
    answer_4: int = option(1, "Answer cells that read two maps.", minimum=0)
    fusion: str = option(
        "nodes",
        "How a cell fuses its inputs: nodes of learned operators, or the ablation of Table 2.",
        choices=("nodes", "concat"),
    )
    normalise_nodes: bool = option(False, "L2-normalise over channels after each node.")
    normalise_inputs: bool = option(
        True, "Layer normalisation of what nodes (image, text) and classifier (memory) receive."
    )
    initial_stack: str = option(
        "ones", "The attention in the stack at the start.", choices=("zeros", "ones", "uniform")
    )
    own_projection: bool = option(False, "Each cell has image and text projections of its own.")
    pushing_cells: int = option(1, "Of --attention_3, those that push without popping.", minimum=0)
    pooling_cells: int = option(
        1, "Of --attention_3, those that see what the map points at, not the map.", minimum=0
    )
    tied_cells: bool = option(
        True,
        "Pushing and pooling cells are the same but for their effect on the stack: what one learns, "
        "the other can do.",
    )
    attend_padding: bool = option(False, "Word attention also looks at padding.")
    pointer_temperature: float = option(
        0.2, "Temperature of the softmax that sharpens the pointer.", above=0
    )
    module_mlp_dim: int = option(
        0, "Hidden width of the MLP that weighs modules; 0 = linear.", minimum=0
    )
    pooling_answers: bool = option(
        True,
        "Answer cells see the image features that their maps point at, and how much they show.",
    )
    log_attention: bool = option(
        True, "Attention maps hold log probabilities, and cells see the probabilities."
    )
    attended_places: int = option(
        16,
        "Where the encoder was pretrained, modules look at so many places of its map, those where an "
        "object is likeliest; 0 = at all.",
        minimum=0,
    )
    keep_memory: bool = option(True, "Attention cells leave the memory as it is, not zero.")
    position: str = option(
        "coordinates",
        "What tells positions apart: 128 channels of sinusoids, or 3 of coordinates.",
        choices=("sinusoids", "coordinates"),
    )
    structure_stddev: float = option(0.0, "Standard deviation of the first alpha.", minimum=0)
    product_bias: float = option(2.0, "Added to alpha of the product at the start.")
    layout_bias: float = option(
        5.0,
        "Added at the start to the logits of a plan for every question: look, push, look on, answer; "
        "0 = no plan.",
        minimum=0,
    )
    attention_gain: float = option(4.0, "Factor of new attention maps.", above=0)
    attention_bias: float = option(
        -1.0,
        "First bias of new attention maps, before --attention_gain; low = nothing is attended.",
    )
    controller_gain: float = option(2.0, "Factor of the logits of modules and words.", above=0)
    reading_width: float = option(
        0.5,
        "At the start, each step attends to a window of words of this deviation, as a share of the "
        "question; it goes from the question's end to its beginning. 0 = to all words alike.",
        minimum=0,
    )
    classify_question: bool = option(True, "The classifier sees the question beside the memory.")
    attend_embeddings: bool = option(False, "c_t is a mix of word embeddings, not LSTM states.")
    step_bias: bool = option(False, "The controller has a bias for each step.")
    saturate_pointer: bool = option(
        True, "The pointer stays at the ends of the stack, or else it vanishes beyond them."
    )
    hard_pointer: bool = option(False, "Sharpen the pointer to its largest entry.")
    dropout: float = option(
        0.0, "Share of the classifier's hidden units dropped in training.", minimum=0, below=1
    )
    position_channels: int = option(
        128, "Channels of --position=sinusoids, a multiple of 4.", minimum=4
    )
    modules: tuple[str, ...] = option(STACK_NMN_MODULES, "Stack-NMN's modules.")
    validate_modules: bool = option(
        False, "Stack-NMN: rule out modules that the height of the stack does not allow."
    )
    hard_validation: bool = option(False, "Stack-NMN: rule them out wholly, not by degrees.")
    hard_layout: bool = option(False, "Stack-NMN: run the most likely module alone.")
    keep_stack: tuple[str, ...] = option((), "Stack-NMN: modules that leave the stack as it is.")
    hard_operators: bool = option(
        False, "Each node is its strongest operator alone (for inference).", may_change=True
    )
    zeroed_operators: tuple[str, ...] = option(
        (), "Operators whose contribution is removed (for inference).", may_change=True
    )
    module_threshold: float = option(
        0.0,
        "Modules of one kind do not run in a step in which none of them has this weight for any example "
        "of the batch, and count as NoOp (for inference); 0 = all run.",
        minimum=0,
        below=1,
        may_change=True,
    )
    image_height: int = option(0, "Rows that pictures are scaled to; 0 with --features.", minimum=0)
    image_width: int = option(
        0, "Columns that pictures are scaled to; 0 with --features.", minimum=0
    )
    feature_shape: tuple[int, ...] = option((0, 0, 0), flag=False)
    feature_identity: str = option("", flag=False)  # of FeatureIdentity; "" = unknown
    encoder_filters: tuple[int, ...] = option(
        (24, 48, 48, 48, 96, 96), "Channels of the image encoder's convolutions.", minimum=1
    )
    encoder_strides: tuple[int, ...] = option(
        (2, 2, 1, 1, 3, 1), "Strides of the image encoder's convolutions.", minimum=1
    )
    encoder_groups: tuple[int, ...] = option((), flag=False)

    def __post_init__(self):
        validate(self)
        if self.text_dim % 2:
            raise InputError(
                f"--text_dim is {self.text_dim}; expected an even number, half for each direction"
            )
        if self.model == "lnmn":
            self._check_cells()
        elif self.fusion != "nodes" or self.hard_operators or self.zeroed_operators:
            raise InputError(
                "--model is 'stack_nmn', which has no nodes; --fusion, --hard_operators and "
                "--zeroed_operators are for --model=lnmn"
            )
        elif self.module_threshold:
            raise InputError(
                f"--module_threshold is {self.module_threshold:g} and --model is 'stack_nmn'; expected 0: "
                "its modules share what they look at, and none costs anything alone"
            )
        if len(self.encoder_filters) != len(self.encoder_strides):
            raise InputError(
                f"--encoder_filters is {self.encoder_filters} and --encoder_strides is "
                f"{self.encoder_strides}; expected one stride for each convolution"
            )
        if bool(self.image_height) != bool(self.image_width):
            raise InputError(
                f"--image_height is {self.image_height} and --image_width is {self.image_width}; "
                "expected both, or neither (with --features)"
            )

    def _check_cells(self) -> None:
        special = self.pushing_cells + self.pooling_cells
        if special > self.attention_3:
            raise InputError(
                f"--pushing_cells is {self.pushing_cells} and --pooling_cells is "
                f"{self.pooling_cells}; expected at most --attention_3={self.attention_3} together"
            )
        if self.tied_cells and self.pushing_cells != self.pooling_cells:
            raise InputError(
                f"--pushing_cells is {self.pushing_cells} and --pooling_cells is "
                f"{self.pooling_cells}; expected the same number, or --notied_cells"
            )
        if not self.answer_3 + self.answer_4:
            raise InputError(
                "--answer_3 and --answer_4 are 0; expected an answer cell, or nothing is answered"
            )
        unknown = set(self.zeroed_operators) - set(OPERATORS)
        if unknown:
            raise InputError(
                f"--zeroed_operators has {sorted(unknown)}; expected some of {', '.join(OPERATORS)}"
            )
        if self.fusion == "concat" and (self.hard_operators or self.zeroed_operators):
            raise InputError(
                "--fusion is 'concat', which has no operators; --hard_operators and "
                "--zeroed_operators are for --fusion=nodes"
            )

    @classmethod
    def create(cls, dialect: str = "ours", **choices) -> ModelConfig:
        """The config of a dialect, with any of its switches overridden by `choices`."""
        if dialect not in DIALECTS:
            raise InputError(f"--dialect is {dialect!r}; expected one of: {', '.join(DIALECTS)}")
        return cls(**{"dialect": dialect, **DIALECTS[dialect], **choices})

    def replace(self, **changes) -> ModelConfig:
        """A copy with other values, checked."""
        return dataclasses.replace(self, **changes)
