"""Learnable Neural Module Networks: train, evaluate, ask.

    python -m lnmn_tf.main --flagfile=configs/quickstart.flags
    python -m lnmn_tf.main --mode=train    --run_dir=DIR --data_dir=DIR --image_height=96 --image_width=128
    python -m lnmn_tf.main --mode=evaluate --run_dir=DIR [--split=val] [--checkpoint=best]
    python -m lnmn_tf.main --mode=answer   --run_dir=DIR --image=FILE --question="How many cubes?"
    python -m lnmn_tf.main --mode=export   --run_dir=DIR [--export_dir=DIR]
    python -m lnmn_tf.main --mode=serve    --run_dir=DIR [--port=8501]
    python -m lnmn_tf.main --mode=explain  --run_dir=DIR --indices=3,17
    python -m lnmn_tf.main --mode=report   --runs=DIR,DIR
    python -m lnmn_tf.main --mode=generate --data_dir=DIR --train_images=2000
    python -m lnmn_tf.main --mode=benchmark --preset=paper --run_dir=DIR

The same command goes on where a run was stopped. A flag not given is as its default or the --dialect.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from lnmn_tf.config import ExportConfig, RunConfig
from lnmn_tf.config.command import COMMANDS
from lnmn_tf.config.option import from_flag
from lnmn_tf.config.run import all_options, help_text, to_flags
from lnmn_tf.errors import InputError, exit_code

DEFINE = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}


def train(command: flags.FlagValues, choices: dict) -> None:
    """Trains, or goes on; makes the embedded world first where --generate asks for it."""
    from lnmn_tf.training.seeds import next_steps, train_seeds

    config, options = RunConfig.create(choices), ExportConfig.create(choices)
    data_dir = Path(config.data.data_dir)
    foreign = (data_dir / "questions").is_dir() and not (data_dir / "world.json").exists()
    if config.world.generate and not foreign:  # data of another origin are used as they are
        make_world(config)
    train_seeds(config, Path(command.run_dir), to_flags(choices))
    print(next_steps(command.run_dir))
    if options.export:
        export(command, choices)


def evaluate(command: flags.FlagValues, choices: dict) -> None:
    """Measures a checkpoint on a split."""
    from lnmn_tf.training.trained import TrainedRun

    run = TrainedRun.open(command.run_dir, command.checkpoint, choices)
    run.evaluate(command.split or run.config.data.val_split)


def answer(command: flags.FlagValues, choices: dict) -> None:
    """Answers a question about a picture."""
    from lnmn_tf.training.trained import TrainedRun

    run = TrainedRun.open(command.run_dir, command.checkpoint, choices)
    for text, probability in run.answer(command.image, command.question)[:5]:
        print(f"{100 * probability:6.2f} %  {text}")


def export(command: flags.FlagValues, choices: dict) -> None:
    """Writes the next version of a SavedModel that TF Serving answers with."""
    from export.saved_model import export_run, how_to_query
    from lnmn_tf.training.trained import TrainedRun

    options = ExportConfig.create(choices)
    run = TrainedRun.open(command.run_dir, command.checkpoint, choices)
    print(how_to_query(export_run(run, options), run, options))


def serve(command: flags.FlagValues, choices: dict) -> None:
    """Serves the newest exported version on this machine, with a page to ask it on."""
    from export.demo.demonstration import serve_run

    serve_run(command.run_dir, ExportConfig.create(choices))


def explain(command: flags.FlagValues, choices: dict) -> None:
    """Shows how a run comes to its answers, as a page and pictures."""
    from lnmn_tf.analysis.explain_run import OPTIONS, explain_run

    asked = {name: command[name].value for name in OPTIONS}
    explain_run(command.run_dir, command.checkpoint, choices, asked)


def report(command: flags.FlagValues, choices: dict) -> None:
    """Puts the results of run folders into the paper's tables, and onto a page."""
    from lnmn_tf.analysis.report import report_runs

    report_runs(command.runs, command.report_dir)


def generate(command: flags.FlagValues, choices: dict) -> None:
    """Makes the embedded world."""
    config = RunConfig.create({"image_height": 1, "image_width": 1, **choices})
    make_world(config)
    print(f"next: python -m lnmn_tf.main --data_dir={config.data.data_dir} --help")


def make_world(config: RunConfig) -> None:
    """Makes what is missing of the embedded world in --data_dir."""
    from lnmn_tf.data.synthetic.generator import WorldConfig, generate_world

    world = WorldConfig(**config.world.for_generator())
    generate_world(world, config.data.data_dir, progress=sys.stderr.isatty())


def benchmark(command: flags.FlagValues, choices: dict) -> None:
    """Measures speed and memory."""
    from lnmn_tf.benchmark.run import OPTIONS, benchmark

    benchmark(choices, **{name: command[name].value for name in OPTIONS})


MODES = {
    m.__name__: m
    for m in (train, evaluate, answer, explain, report, export, serve, generate, benchmark)
}


def parse(arguments: Sequence[str]) -> tuple[flags.FlagValues, dict]:
    """The flags, and by name those fields of the config that were given."""
    command = flags.FlagValues()
    for name, (default, text) in COMMANDS.items():
        DEFINE[type(default)](name, default, text, flag_values=command)
    flags.DEFINE_enum("mode", "train", list(MODES), "What to do.", flag_values=command)
    options = {option.name: option for option in all_options()}
    for name, option in options.items():
        DEFINE[type(option.default)](name, None, option.metadata["help"], flag_values=command)
    try:
        left = command(["lnmn_tf.main", *arguments])[1:]
    except flags.Error as error:
        raise InputError(str(error).replace("ERROR:: ", "")) from None
    if left:
        raise InputError(f"{left[0]!r} is no flag; expected --name=value")
    given = {name: command[name].value for name in options if command[name].value is not None}
    return command, {name: from_flag(options[name], value) for name, value in given.items()}


def run(arguments: Sequence[str]) -> None:
    """Runs one mode, or prints the help text."""
    if {"--help", "-h", "--helpfull", "-help"} & set(arguments):
        print(help_text(__doc__, MODES, COMMANDS), flush=True)
    else:
        command, choices = parse(arguments)
        MODES[command.mode](command, choices)


def main(arguments: Sequence[str]) -> int:
    """Runs one mode. Returns the exit code: 0, or 1 after an error that the user can mend."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", module="tensorflow_addons")
    return exit_code(run, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
