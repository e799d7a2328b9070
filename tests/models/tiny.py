"""Sizes of an LNMN that takes milliseconds."""

TINY = {
    "num_words": 7,
    "num_answers": 3,
    "embed_dim": 4,
    "text_dim": 6,
    "kb_dim": 5,
    "map_dim": 6,
    "mem_dim": 4,
    "mlp_dim": 5,
    "stack_len": 3,
    "attention_3": 3,
    "looking_cells": 1,
}
