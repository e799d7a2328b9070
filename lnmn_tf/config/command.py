"""Flags that say what to do now; all others are fields of the config, and stay with the run."""

# name: (default, help)
COMMANDS = {
    "run_dir": ("runs/quickstart", "Folder of the run."),
    "preset": (
        "",
        "train: the sizes and the training of paper (also the default), stack_nmn or quickstart, which other "
        "flags change. benchmark: likewise, of what is measured; empty = quickstart.",
    ),
    "split": (
        "",
        "evaluate, analyze, explain: the split; empty = --val_split. inspect, verify: empty = all. "
        "extract_features: empty = --train_split and --val_split.",
    ),
    "checkpoint": ("best", "evaluate, answer, export, benchmark, analyze, explain: best or last."),
    "image": ("", "answer, explain: a picture, PNG or JPEG."),
    "question": ("", "answer, explain: a question about it, in English."),
    "indices": ("", "explain: questions of the split by their position, from 0, as in 3,17."),
    "wrong": (
        "",
        "explain: the first 20 questions of the split that are answered wrongly: of one family, such as "
        "count, or all; all:50 explains 50.",
    ),
    "what": (
        "",
        "benchmark: some of train, infer, hard, threshold, input, growth, serving; empty = the first "
        "three. analyze: some of structure, formulas, attribution, operators, hardmax, layouts, stack, "
        "cells, relations, generalise; empty = all.",
    ),
    "runs": ("", "report: run folders, with commas between them."),
    "output_dir": (
        "",
        "pack, report: the folder that is written; empty = <run_dir>/packed, runs/report.",
    ),
}
