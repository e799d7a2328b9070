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
    embed_dim: int = option(300, "Width of a word embedding.", minimum=1)
    text_dim: int = option(512, "d, width of the encoded question and of its words.", minimum=2)
    kb_dim: int = option(512, "Channels of the knowledge base.", minimum=1)
    mem_dim: int = option(512, "Width of the memory features.", minimum=1)
    mlp_dim: int = option(512, "Hidden width of the classifier.", minimum=1)
    num_steps: int = option(5, "T, steps of the machine.", minimum=1)
    stack_len: int = option(5, "L, slots of the stack.", minimum=1)
    image_height: int = option(0, "Rows that pictures are scaled to; 0 with --features.", minimum=0)
    image_width: int = option(
        0, "Columns that pictures are scaled to; 0 with --features.", minimum=0
    )
    feature_shape: tuple[int, ...] = option((0, 0, 0), flag=False)
    feature_identity: str = option("", flag=False)  # of FeatureIdentity; "" = unknown
    encoder_groups: tuple[int, ...] = option((), flag=False)
    encoder_filters: tuple[int, ...] = option(
        (24, 48, 48, 48, 96, 96), "Channels of the image encoder's convolutions.", minimum=1
    )
    encoder_strides: tuple[int, ...] = option(
        (2, 2, 1, 1, 3, 1), "Strides of the image encoder's convolutions.", minimum=1
    )
    # From Python alone: nobody needed to change them from the command line.
    position_channels: int = option(128, flag=False, minimum=4)  # of sinusoids, a multiple of 4
    classify_question: bool = option(True, flag=False)  # the classifier sees q beside the memory
    dropout: float = option(0.0, flag=False, minimum=0, below=1)  # of the classifier's hidden units

    def __post_init__(self):
        validate(self)
        if self.text_dim % 2:
            raise InputError(
                f"--text_dim is {self.text_dim}; expected an even number, half for each direction"
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

    def replace(self, **changes) -> ModelConfig:
        """A copy with other values, checked."""
        return dataclasses.replace(self, **changes)
