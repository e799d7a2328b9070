"""Flags that say what to do now; all others are fields of the config, and stay with the run."""

# name: (default, help)
COMMANDS = {
    "run_dir": ("runs/quickstart", "Folder of the run."),
    "split": (
        "",
        "evaluate, analyze, explain: the split; empty = --val_split. inspect, verify: empty = all. "
        "extract_features: empty = --train_split and --val_split.",
    ),
    "checkpoint": ("best", "evaluate, answer, export, benchmark, analyze, explain: best or last."),
    "image": ("", "answer, explain: a picture, PNG or JPEG."),
    "question": ("", "answer, explain: a question about it, in English."),
    "pack_dir": ("", "pack: the new folder."),
    "indices": ("", "explain: questions of the split by their position, from 0, as in 3,17."),
    "wrong": (False, "explain: the first questions of the split that are answered wrongly."),
    "family": ("", "explain: of --wrong, those of one family, such as count."),
    "count": ("20", "explain: of --wrong, so many."),
    "runs": ("", "report: run folders, with commas between them."),
    "report_dir": ("runs/report", "report: where it is written."),
    "preset": ("quickstart", "benchmark: sizes, paper, stack_nmn or quickstart."),
    "what": (
        "",
        "benchmark: some of train, infer, hard, threshold, input, growth, serving; empty = the first "
        "three. analyze: some of structure, formulas, attribution, operators, hardmax, layouts, stack, "
        "cells, generalise; empty = all.",
    ),
    "rounds": ("5", "benchmark: how often each measurement is repeated."),
    "trained_dir": ("", "benchmark: the run folder that --what=threshold measures."),
    "gigabytes": ("1", "benchmark: size of each file of features that --what=input reads."),
    "peer": (
        "",
        "benchmark: checkout of the authors' program, LNMN or Stack-NMN, which takes turns with ours.",
    ),
    "peer_python": (
        "",
        "benchmark: the interpreter of --peer (LNMN wants PyTorch); empty = this one.",
    ),
}
