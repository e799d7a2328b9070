"""Learnable Neural Module Networks: train, evaluate, ask.

    python -m lnmn_tf.main --flagfile=configs/quickstart.flags
    python -m lnmn_tf.main --mode=train    --run_dir=DIR --data_dir=DIR --image_size=128x96
    python -m lnmn_tf.main --mode=evaluate --run_dir=DIR [--split=val] [--checkpoint=best]
    python -m lnmn_tf.main --mode=answer   --run_dir=DIR --image=FILE --question="How many cubes?"
    python -m lnmn_tf.main --mode=explain  --run_dir=DIR --image=FILE --question="How many cubes?"
    python -m lnmn_tf.main --mode=explain  --run_dir=DIR --indices=3,17 | --wrong=count
    python -m lnmn_tf.main --mode=export   --run_dir=DIR [--export_dir=DIR]
    python -m lnmn_tf.main --mode=serve    --run_dir=DIR [--port=8501]
    python -m lnmn_tf.main --mode=generate --data_dir=DIR --train_images=2000
    python -m lnmn_tf.main --mode=report   --runs=DIR,DIR
    python -m lnmn_tf.main --mode=inspect  --data_dir=DIR
    python -m lnmn_tf.main --mode=verify   --data_dir=DIR
    python -m lnmn_tf.main --mode=analyze  --run_dir=DIR --what=structure,formulas
    python -m lnmn_tf.main --mode=benchmark --preset=paper --run_dir=DIR

The same command goes on where a run was stopped. A flag not given is as its default or the --model says.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Sequence
from types import SimpleNamespace

from absl import flags

from lnmn_tf.config.command import COMMANDS
from lnmn_tf.config.flags import MERGED, SET, expand, fields_of, flag_names, settable, unknown_flag
from lnmn_tf.config.help import full_help, mode_help, short_help
from lnmn_tf.config.modes import MODES
from lnmn_tf.config.registry import preset
from lnmn_tf.errors import InputError, exit_code
from lnmn_tf.noise import filter_standard_error

# Flags of other types are read as texts.
DEFINE = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float}
HELP = {"--help", "-h", "--helpfull", "-help", "-helpfull", "--helpshort"}


def parse(arguments: Sequence[str]) -> tuple[SimpleNamespace, dict]:
    """Reads a command line. It wins over its flagfiles, wherever they stand in it.

    A flag on the command line that the mode does not know is refused. One in a flagfile, which describes
    an experiment for all modes, is not used.

    Returns:
        The mode and the flags of `COMMANDS`; and by name those fields of the config that were given.

    Raises:
        InputError: a flag that does not exist or that the mode does not know, or a wrong value.
    """
    own, files = _separate(arguments)
    own, described = _read(own), _read(files)
    mode = MODES[{"mode": "train", **described, **own}.pop("mode")]
    mode.check(_known_names(own))
    sets = [*described.pop(SET, ()), *own.pop(SET, ())]
    given = expand({k: v for k, v in {**described, **own}.items() if k != "mode"}, sets)
    given = {name: value for name, value in given.items() if name in mode.names}
    command = {name: given.pop(name, default) for name, (default, _) in COMMANDS.items()}
    if "run_dir" in mode.names and not command["run_dir"]:
        raise InputError("--run_dir is empty; expected a folder")
    if mode.name == "train":
        given = {**preset(command["preset"], given.get("model", "")), **given}
    return SimpleNamespace(mode=mode.name, **command), given


def _known_names(given: dict) -> list[str]:
    """The commands and fields that some flags set."""
    sets = [text.partition("=")[0] for text in given.get(SET, ())]
    names = [name for flag in given if flag not in ("mode", SET) for name in fields_of(flag)]
    return names + [name for name in sets if name in settable()]


def _separate(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The flags of the command line itself, and those of its flagfiles."""
    own, files, left = [], [], list(arguments)
    while left:
        argument = left.pop(0)
        found = re.fullmatch(r"--?flagfile(?:=(.*))?", argument, re.DOTALL)
        if not found:
            own.append(argument)
        elif found[1]:
            files.append(f"--flagfile={found[1]}")
        elif found[1] is None and left:
            files.append(f"--flagfile={left.pop(0)}")
        else:
            raise InputError("--flagfile is empty; expected a file")
    return own, files


def _read(arguments: Sequence[str]) -> dict:
    """The values of the flags that are given, by name."""
    values = flags.FlagValues()
    fields = settable()
    for name in flag_names():
        if name == SET:
            flags.DEFINE_multi_string(name, None, "", flag_values=values)
        else:
            kind = type(fields[name].default) if name in fields and name not in MERGED else str
            DEFINE.get(kind, flags.DEFINE_string)(name, None, "", flag_values=values)
    flags.DEFINE_enum("mode", None, list(MODES), "What to do.", flag_values=values)
    try:
        rest = values(["lnmn_tf.main", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        raise unknown_flag(error.flagname) from None
    except flags.Error as error:
        raise InputError(str(error).replace("ERROR:: ", "")) from None
    except UnicodeDecodeError as error:
        raise InputError(f"--flagfile: no text file: {error}") from None
    if rest:
        raise InputError(f"{rest[0]!r} is no flag; expected --name=value")
    given = {name: values[name].value for name in ("mode", *flag_names())}
    return {name: value for name, value in given.items() if value is not None}


def run(arguments: Sequence[str]) -> None:
    """Runs one mode, or prints a help text."""
    asked = HELP & set(arguments)
    named = [a.partition("=")[2] for a in arguments if re.match(r"--?mode=", a)]
    if asked & {"--helpfull", "-helpfull"}:
        print(full_help(__doc__), flush=True)
    elif asked and named and named[-1] in MODES:
        print(mode_help(MODES[named[-1]]), flush=True)
    elif asked:
        print(short_help(__doc__), flush=True)
    else:
        command, choices = parse(arguments)
        MODES[command.mode].load()(command, choices)


def main(arguments: Sequence[str]) -> int:
    """Runs one mode. Returns the exit code: 0, or 1 after an error that the user can mend."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", module="tensorflow_addons")
    return exit_code(run, arguments)


def console() -> None:
    """The command `lnmn` of an installed program, and of `python -m lnmn_tf.main`."""
    if not HELP & set(sys.argv):
        filter_standard_error()
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    console()
