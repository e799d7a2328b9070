"""`--mode=analyze`: runs instruments on a run folder and writes what they find into its `analysis/`."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnmn_tf.analysis import interrupts
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.output import write_csv, write_figure, write_result
from lnmn_tf.analysis.retraining import STEPS
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_text

# Each a module here with measure(subject, ledger, options) -> a result, rows(result) -> its table,
# summary(result) -> text, and draw(result) -> figures by the ends of their names. With can_measure(subject), one says whether
# it belongs to all that a subject allows.
INSTRUMENTS = (
    "structure",
    "formulas",
    "attribution",
    "operators",
    "hardmax",
    "layouts",
    "stack",
    "cells",
    "relations",
    "generalise",
)
NEED_NODES = ("structure", "formulas", "attribution", "cells")
# Flags of `analyze`, which are not fields of the config; its other arguments are for Python alone.
OPTIONS = ("run_dir", "what", "split", "checkpoint")
_PARTS = ".parts"  # in the folder of results: what was computed, for going on


def analyze(
    choices: Mapping[str, Any],
    run_dir: str,
    what: str = "",
    split: str = "",
    checkpoint: str = "best",
    points: str = "65",
    attribution: str = "paper",
    retrain_steps: int = STEPS,
    retrained_dir: str = "",
) -> dict[str, dict]:
    """Runs instruments one after the other, prints what they find, and writes it.

    Args:
        choices: fields of the config to change, by name.
        run_dir: a run folder.
        what: some of `INSTRUMENTS`, with commas between them; empty = all that the network allows.
        split: of questions; empty = the validation split.
        checkpoint: best or last.
        points: of the integration, a number.
        attribution: "paper" (section 4.2) or "released" (the script of the released program).
        retrain_steps: of the weights under hard choices, for `hardmax`; 0 = none.
        retrained_dir: a run to measure in the place of such a retraining; empty = none.

    Returns:
        The result of each instrument.

    Raises:
        InputError: anything that the user gave is wrong; before anything is computed where possible.
    """
    wanted = what.split(",") if what else list(INSTRUMENTS)
    unknown = [name for name in wanted if name not in INSTRUMENTS]
    if unknown:
        raise InputError(f"--what is {what!r}; expected some of: {', '.join(INSTRUMENTS)}")
    if not points.isdigit() or int(points) < 1:
        raise InputError(f"points is {points!r}; expected a whole number, at least 1")
    if retrain_steps < 0:
        raise InputError(f"retrain_steps is {retrain_steps}; expected at least 0")
    if attribution not in ("paper", "released"):
        raise InputError(f"attribution is {attribution!r}; expected paper or released")
    subject = Subject.open(run_dir, split, checkpoint, choices)
    if not subject.probe.has_nodes:
        missing = [name for name in wanted if name in NEED_NODES]
        if what and missing:
            fusion = getattr(subject.config.model, "fusion", "none")
            raise InputError(
                f"{run_dir}: its modules have no nodes (--model is {subject.config.model.model!r}, "
                f"fusion is {fusion!r}), which --what={','.join(missing)} looks at; expected a run of "
                "relational, paper or released with fusion=nodes"
            )
        wanted = [name for name in wanted if name not in NEED_NODES]
    if not what:
        wanted = [name for name in wanted if can_measure(name, subject)]
    options = {"points": int(points), "attribution": attribution, "retrain_steps": retrain_steps}
    if retrained_dir:
        options["retrained"] = Subject.open(retrained_dir, split, checkpoint, choices)
    with interrupts.remembered():
        return {name: run_instrument(name, subject, options) for name in wanted}


def can_measure(name: str, subject: Subject) -> bool:
    """Whether an instrument finds what it needs, such as pictures or scenes."""
    instrument = importlib.import_module(f"lnmn_tf.analysis.{name}")
    return getattr(instrument, "can_measure", lambda _: True)(subject)


def run_instrument(
    name: str, subject: Subject, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One instrument: measures, prints, and writes CSV, JSON, PNG and SVG where there is a folder.

    What a stopped call has computed is not computed again. Returns the result.
    """
    instrument = importlib.import_module(f"lnmn_tf.analysis.{name}")
    options, began = dict(options or {}), time.monotonic()
    print(f"{name}: {len(subject.questions)} questions of {subject.split}", flush=True)
    ledger, folder = Ledger(), subject.folder
    if folder is not None:
        of_parts = {k: v for k, v in options.items() if not k.startswith("retrain")}
        key = subject.fingerprint() | of_parts
        ledger = Ledger(folder / _PARTS / name, key, lambda line: print(f"  {line}", flush=True))
        if "retrained" in options:
            other = key | options["retrained"].fingerprint()
            options["retrained_ledger"] = Ledger(folder / _PARTS / f"{name}_retrained", other)
    result = instrument.measure(subject, ledger, options)
    print(instrument.summary(result))
    if folder is not None:
        write_files(instrument, result, folder, name)
    print(f"{name}: {time.monotonic() - began:.1f} s\n", flush=True)
    return result


def write_files(instrument, result: Mapping[str, Any], folder: Path, name: str) -> None:
    """Table, JSON and pictures of a result."""
    write_result(folder / f"{name}.json", result)
    write_csv(folder / f"{name}.csv", instrument.rows(result))
    written = [folder / f"{name}.json", folder / f"{name}.csv"]
    for suffix, text in getattr(instrument, "texts", lambda result: {})(result).items():
        write_text(folder / f"{name}{suffix}", text)
        written.append(folder / f"{name}{suffix}")
    for end, figure in instrument.draw(result).items():
        written += write_figure(folder / f"{name}{end}", figure)
    print("  wrote " + ", ".join(path.name for path in written) + f" in {folder}")
