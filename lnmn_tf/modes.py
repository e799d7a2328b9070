"""The functions of the modes; `config/modes.py` has their table.

TensorFlow is imported when a mode needs it: help, and what is refused at once, take no second.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

from lnmn_tf.config import ExportConfig, RunConfig
from lnmn_tf.config.benchmark import BenchmarkConfig
from lnmn_tf.config.flags import to_flags
from lnmn_tf.config.run import of_run
from lnmn_tf.exporting import exporting
from lnmn_tf.progress import Stage, recorded, summary
from lnmn_tf.training.estimates import check_training, check_world
from lnmn_tf.training.run_folder import RunFolder


def train(command: SimpleNamespace, choices: dict) -> None:
    """Trains, or goes on; makes the embedded world first where --generate asks for it.

    A finished run is left as it is, and says so before TensorFlow is loaded.
    """
    with recorded() as stages:
        _train_and_export(command, choices)
    if stages:
        print(f"how long it took, and what was made:\n{summary(stages)}")


def _train_and_export(command: SimpleNamespace, choices: dict) -> None:
    config, options = RunConfig.create(of_run(choices)), ExportConfig.create(choices)
    folder = RunFolder(command.run_dir)
    if config.machine.strategy != "multi_worker":  # there the first worker may have begun already
        folder.check_free()
    metrics = folder.finished(config)
    if metrics is None:
        check_training(config, folder.path)
        _train(command, choices, config)
    else:
        print(
            f"{folder.path}: is finished, with {config.training.epochs} epochs and "
            f"{100 * metrics['val']['accuracy']:.1f} % on {config.data.val_split}; nothing is trained. "
            "More --epochs extend it, another --run_dir begins anew"
        )
    if not options.export:
        return
    export_dir = Path(options.export_dir or folder.path / "export")
    exported = any(export_dir.glob("*/saved_model.pb"))
    if metrics is None or not exported:
        export(command, choices)
    else:
        print(f"{export_dir}: has an exported version; --mode=export writes another")


def _train(command: SimpleNamespace, choices: dict, config: RunConfig) -> None:
    from lnmn_tf.analysis.formulas import for_board
    from lnmn_tf.training.seeds import next_steps, train_seeds

    data_dir = Path(config.data.data_dir)
    foreign = (data_dir / "questions").is_dir() and not (data_dir / "world.json").exists()
    if config.world.generate and not foreign:  # data of another origin are used as they are
        make_world(config)
    run_dir = Path(command.run_dir)
    try:
        train_seeds(config, run_dir, to_flags(choices), for_board)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(RunFolder(run_dir).where_it_goes_on()) from None
    print(next_steps(command.run_dir, config))


def evaluate(command: SimpleNamespace, choices: dict) -> None:
    """Measures a checkpoint on a split."""
    from lnmn_tf.training.trained import TrainedRun

    run = TrainedRun.open(command.run_dir, command.checkpoint, choices)
    run.evaluate(command.split or run.config.data.val_split)


def answer(command: SimpleNamespace, choices: dict) -> None:
    """Answers a question about a picture."""
    from lnmn_tf.data.vocabulary import check_question

    check_question(command.question)
    from lnmn_tf.training.trained import TrainedRun

    run = TrainedRun.open(command.run_dir, command.checkpoint, choices)
    for text, probability in run.answer(command.image, command.question)[:5]:
        print(f"{100 * probability:6.2f} %  {text}")


def export(command: SimpleNamespace, choices: dict) -> None:
    """Writes the next version of a SavedModel that TF Serving answers with."""
    from lnmn_tf.config.modes import AT_INFERENCE
    from lnmn_tf.training.trained import TrainedRun

    options = ExportConfig.create(choices)
    changes = {name: value for name, value in choices.items() if name in AT_INFERENCE}
    saved_model = exporting("saved_model")
    run = TrainedRun.open(command.run_dir, command.checkpoint, changes)
    folder = options.export_dir or Path(command.run_dir) / "export"
    with Stage("export", made=folder):
        exported = saved_model.export_run(run, options)
    print(saved_model.how_to_query(exported, run, options))


def serve(command: SimpleNamespace, choices: dict) -> None:
    """Serves the newest exported version on this machine, with a page to ask it on."""
    exporting("demo.demonstration").serve_run(command.run_dir, ExportConfig.create(choices))


def generate(command: SimpleNamespace, choices: dict) -> None:
    """Makes the embedded world."""
    config = RunConfig.create({"image_height": 1, "image_width": 1, **choices})
    make_world(config)
    print(f"next: python -m lnmn_tf.main --mode=train --data_dir={config.data.data_dir} --help")


def make_world(config: RunConfig) -> None:
    """Makes what is missing of the embedded world in --data_dir."""
    from lnmn_tf.world.generator import generate_world

    check_world(config.world, config.data.data_dir)
    generate_world(config.world, config.data.data_dir)


def benchmark(command: SimpleNamespace, choices: dict) -> None:
    """Measures speed and memory."""
    from lnmn_tf.benchmark.run import benchmark

    names = {field.name for field in dataclasses.fields(BenchmarkConfig)}
    options = BenchmarkConfig(**{k: v for k, v in choices.items() if k in names})
    asked = (command.run_dir, command.preset or "quickstart", command.what, command.checkpoint)
    benchmark(of_run(choices), *asked, options)


def analyze(command: SimpleNamespace, choices: dict) -> None:
    """Looks inside of a trained network."""
    from lnmn_tf.analysis.run import OPTIONS, analyze

    analyze(choices, **{name: getattr(command, name) for name in OPTIONS})


def explain(command: SimpleNamespace, choices: dict) -> None:
    """Shows how a run comes to its answers."""
    from lnmn_tf.analysis.explain_run import OPTIONS, explain_run

    asked = {name: getattr(command, name) for name in OPTIONS}
    explain_run(command.run_dir, command.checkpoint, choices, asked)


def pack(command: SimpleNamespace, choices: dict) -> None:
    """Writes a finished run as a small folder."""
    from lnmn_tf.training.packed import pack

    folder = pack(command.run_dir, command.output_dir or f"{command.run_dir}/packed")
    print(f"wrote {folder}; next: python -m lnmn_tf.main --mode=answer --run_dir={folder} ...")


def report(command: SimpleNamespace, choices: dict) -> None:
    """Puts the results of run folders into the paper's tables, and onto a page."""
    from lnmn_tf.analysis.report import report_runs

    report_runs(command.runs, command.output_dir or "runs/report")
