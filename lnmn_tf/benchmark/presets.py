"""Named sizes of benchmarks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """Sizes of a model and of its inputs.

    Args:
        choices: flags, by name.
        map_shape: height, width and channels of the image features.
        words: in every question.
        num_words, num_answers: of the vocabulary.
    """

    choices: dict
    map_shape: tuple[int, int, int]
    words: int
    num_words: int
    num_answers: int


PRESETS = {
    # LNMN-9 on CLEVR: Table 3 and section 4 of the paper, ResNet-101 conv4.
    "paper": Preset({"batch_size": 16}, (14, 14, 1024), 20, 93, 28),
    # Stack-NMN as its authors train it (their config.py), with questions of the greatest length.
    "stack_nmn": Preset(
        {
            "model": "stack_nmn",
            "batch_size": 32,
            "learning_rate": 1e-4,
            "clip_norm": 8.0,
            "ema_decay": 0.999,
            "entropy_schedule": "none",
        },
        (14, 14, 1024),
        45,
        93,
        28,
    ),
    # About the sizes of configs/quickstart.flags, on features: all of the 8 x 12 places are looked at.
    "quickstart": Preset(
        {
            "batch_size": 64,
            "embed_dim": 32,
            "text_dim": 64,
            "kb_dim": 32,
            "map_dim": 32,
            "mem_dim": 64,
            "mlp_dim": 128,
            "num_steps": 4,
            "stack_len": 4,
            "attention_3": 3,
            "attention_4": 1,
            "looking_cells": 1,
            "structure_every": 1,
        },
        (8, 12, 16),
        25,
        80,
        28,
    ),
}
