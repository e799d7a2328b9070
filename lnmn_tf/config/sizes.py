"""Sizes that every model has; each model's own config adds its own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from lnmn_tf.config.option import option, validate
from lnmn_tf.errors import InputError


@dataclass(frozen=True)
class ModelConfig:
    """What encoders, controller, stack and classifier of any model are made of."""

    model: str = option(
        "relational", "The model: relational (ours), paper, released, stack_nmn or stack_nmn_vqa."
    )
    num_words: int = option(0, flag=False)
    num_answers: int = option(0, flag=False)
    embed_dim: int = option(
        300, "Width of a word embedding; the released program's.", minimum=1, flag=False
    )
    text_dim: int = option(
        512,
        "d, width of the encoded question and of its words; the released program's.",
        minimum=2,
        flag=False,
    )
    kb_dim: int = option(
        512, "Channels of the knowledge base; the released program's.", minimum=1, flag=False
    )
    mem_dim: int = option(
        512, "Width of the memory features; the released program's.", minimum=1, flag=False
    )
    mlp_dim: int = option(
        512, "Hidden width of the classifier; the released program's.", minimum=1, flag=False
    )
    num_steps: int = option(5, "T, steps of the machine.", minimum=1)
    stack_len: int = option(5, "L, slots of the stack.", minimum=1)
    image_height: int = option(
        0, "Rows that pictures are scaled to; 0 with --features.", minimum=0, flag="image_size"
    )
    image_width: int = option(
        0, "Columns that pictures are scaled to; 0 with --features.", minimum=0, flag="image_size"
    )
    feature_shape: tuple[int, ...] = option((0, 0, 0), flag=False)
    feature_identity: str = option("", flag=False)  # of FeatureIdentity; "" = unknown
    encoder_groups: tuple[int, ...] = option((), flag=False)
    encoder_filters: tuple[int, ...] = option(
        (24, 48, 48, 48, 96, 96),
        "Channels of the image encoder's convolutions; enough for the embedded world's pictures.",
        minimum=1,
        flag=False,
    )
    encoder_strides: tuple[int, ...] = option(
        (2, 2, 1, 1, 3, 1),
        "Strides of these convolutions; 12 in all make 8x12 places of a picture of 144x96.",
        minimum=1,
        flag=False,
    )
    position_channels: int = option(
        128,
        "Channels of sinusoids, a multiple of 4, that say where a place is; the released program's.",
        flag=False,
        minimum=4,
    )
    classify_question: bool = option(
        True, "The classifier sees q beside the memory, as in the paper (2.3).", flag=False
    )
    dropout: float = option(
        0.0,
        "Share of the classifier's hidden units that a training step drops; the paper has none.",
        flag=False,
        minimum=0,
        below=1,
    )

    def __post_init__(self):
        validate(self)
        if self.text_dim % 2:
            raise InputError(
                f"text_dim is {self.text_dim}; expected an even number, half for each direction"
            )
        if len(self.encoder_filters) != len(self.encoder_strides):
            raise InputError(
                f"encoder_filters is {self.encoder_filters} and encoder_strides is "
                f"{self.encoder_strides}; expected one stride for each convolution"
            )
        if bool(self.image_height) != bool(self.image_width):
            raise InputError(
                f"--image_size is {self.image_width}x{self.image_height}; expected neither to be 0, or both "
                "(with --features)"
            )

    def replace(self, **changes) -> ModelConfig:
        """A copy with other values, checked."""
        return dataclasses.replace(self, **changes)
