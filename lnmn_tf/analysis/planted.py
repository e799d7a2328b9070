"""The figure this project is for: two-map cells that become *and* and *or*, from answers.

    python -m lnmn_tf.analysis.planted --out_dir=runs/planted
    python -m lnmn_tf.analysis.planted --out_dir=runs/planted --rung=answers --arms=searched,hand

On the graded world (`world/graded.py`) it trains a stack machine with two cells that join two maps and two that answer of two
maps, and searches for their operators in two ways, beside controls. The same command goes on where it was stopped: each run is a
folder, `<out_dir>/<rung>/<arm>/seed_<n>`, which `--mode=evaluate`, `analyze` and `report` read. At the end it writes
`planted.json`, `planted.csv`, `planted.png` and `planted.svg`.

| arm | structure |
|---|---|
| tried | every pair of operators is tried where two maps meet, one for each of two cells, weights anew for each; held-out questions choose |
| forbidden | the same without min and max |
| searched | Algorithm 2, alpha ~ N(0, 1) |
| hand | what people once wrote: min and max, product for *same*, sum for *more*; weights learn alone |
| frozen | alpha ~ N(0, 1), a mixture that is never learned |
| product | every join is a product; in the other rungs, every node |
| random | each join, or node, is one operator, drawn at random (ten draws) |

`--rung` says what a run is told beside answers:

| rung | told |
|---|---|
| answers | nothing |
| expert | which kind of module runs at each step (expert layouts), not which of its cells |
| joins | that, and the operator of each node but the four where two maps meet |

Structures are chosen by a held-out quarter of the training scenes, weights learn from the others, and `val` reports. What is
tried is told that later nodes pass on what the first one makes, in all rungs.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lnmn_tf.config.names import OPERATORS
from lnmn_tf.errors import InputError, exit_code
from lnmn_tf.files import read_json, write_json, write_text
from lnmn_tf.world.graded import KINDS, graded_world, write_graded

if TYPE_CHECKING:
    from lnmn_tf.analysis.planted_runs import SharedRuns
    from lnmn_tf.models.genotype import Genotype
    from lnmn_tf.training.trials import Structure, Trial

HAND = {
    "look_3.0": ["choose_1", "product"],
    "attention_4.0": ["min", "choose_2", "choose_1"],
    "attention_4.1": ["max", "choose_2", "choose_1"],
    "answer_3.0": ["choose_1", "choose_1"],
    "answer_4.0": ["product", "choose_2", "choose_1"],
    "answer_4.1": ["sum", "choose_2", "choose_1"],
}
RUNGS = ("answers", "expert", "joins")
JOINS = ("attention_4", "answer_4")  # banks of two cells of two maps
# Examples and seed of each split; seed 2, and the runs with seeds below FIRST_SEED, served to choose settings.
TRAIN, VAL, FIRST_SEED = (16_000, 1), (3_000, 3), 10
DRAWS = 10  # of random genotypes


@dataclass(frozen=True)
class Arm:
    """What is done with the structure."""

    genotype: str = ""  # hand, product or random
    freeze: bool = False
    tried: tuple[str, ...] = ()  # operators


ARMS = {
    "tried": Arm(tried=OPERATORS),
    "forbidden": Arm(tried=tuple(name for name in OPERATORS if name not in ("min", "max"))),
    "searched": Arm(),
    "hand": Arm("hand"),
    "frozen": Arm(freeze=True),
    "product": Arm("product"),
    "random": Arm("random"),
}


def genotype(name: str, seed: int = 0, rung: str = "expert") -> Genotype:
    """The genotype of an arm: hand, product, or random; in the rung `joins`, of the nodes that are not told."""
    if name == "hand":
        return HAND
    rng, told = np.random.default_rng([seed, 11]), given(rung)
    return {
        cell: [
            told.get(cell, [""] * len(nodes))[place]
            or ("product" if name == "product" else str(rng.choice(OPERATORS)))
            for place in range(len(nodes))
        ]
        for cell, nodes in HAND.items()
    }


def given(rung: str) -> Genotype:
    """The operators that a run is told, by cell; "" = none of that node."""
    if rung != "joins":
        return {}
    joins = [cell for cell in HAND if cell.partition(".")[0] in JOINS]
    return {cell: ["", *nodes[1:]] if cell in joins else nodes for cell, nodes in HAND.items()}


def joined(pair: Sequence[str]) -> Genotype:
    """The genotype by hand, but for its joins: the two cells of both banks join by the two operators of a pair."""
    firsts = {f"{bank}.{i}": name for bank in JOINS for i, name in enumerate(pair)}
    return {
        cell: [firsts[cell], *nodes[1:]] if cell in firsts else list(nodes)
        for cell, nodes in HAND.items()
    }


def found(trials: Sequence[Trial], operators: Sequence[str]) -> Structure:
    """The pair that trials of some operators find by all held-out questions, see `trials.best`."""
    from lnmn_tf.training.trials import best

    return best([trial for trial in trials if set(trial.structure) <= set(operators)]).structure


def run_all(out_dir: Path, rung: str, arms: Sequence[str], seeds: int) -> list[dict[str, Any]]:
    """Trains what is not trained yet, seed by seed, so that a part of it is a fair part.

    Args:
        out_dir: of everything.
        rung: one of RUNGS.
        arms: some of ARMS.
        seeds: how many, from FIRST_SEED on; random genotypes are drawn DRAWS times, where all five seeds are wanted.

    Returns:
        One row for each run that is finished: see `results`.
    """
    data = out_dir / "data"
    if not (data / "questions" / "CLEVR_val_questions.json").is_file():
        print(f"makes {TRAIN[0]} + {VAL[0]} questions in {data}", flush=True)
        write_graded(data, {"train": graded_world(*TRAIN), "val": graded_world(*VAL)})
    jobs = [
        (FIRST_SEED + number, arm)
        for number in range(max(seeds, DRAWS) if seeds >= 5 else seeds)
        for arm in arms
        if number < seeds or arm == "random"
    ]
    jobs = [job for job in jobs if not (_folder(out_dir, rung, *job) / "cells.json").is_file()]
    if jobs:
        _run(out_dir, rung, jobs)
    return results(out_dir, rung)


def _run(out_dir: Path, rung: str, jobs: Sequence[tuple[int, str]]) -> None:
    from lnmn_tf.analysis.planted_cells import describe_cells
    from lnmn_tf.analysis.planted_runs import SharedRuns
    from lnmn_tf.models.genotype import genotype_text

    runs = SharedRuns(out_dir / "data", 3.0 if rung != "answers" else 0.0)
    for number, (seed, name) in enumerate(jobs):
        arm, folder, path, how = ARMS[name], _folder(out_dir, rung, seed, name), "", ""
        structure = genotype(arm.genotype, seed, rung) if arm.genotype else {}
        if arm.tried:
            trials = _trials(runs, out_dir / rung / "trials" / f"seed_{seed}", seed)
            structure = joined(found(trials, arm.tried))
            how = f"held-out answers choose operators where two maps meet, of {', '.join(arm.tried)}; all others by hand"
        if structure:
            path = str(folder / "given_genotype.json")
            write_text(path, genotype_text(structure))
        metrics = runs.run(folder, seed, path, arm.freeze, given(rung), how)
        write_json(folder / "cells.json", describe_cells(runs))  # the last: the run is whole
        kinds = "  ".join(f"{kind} {100 * x:.1f}" for kind, x in metrics["kinds"].items())
        print(
            f"run {number + 1} of {len(jobs)}: {name}, seed {seed}: {kinds}  "
            f"({metrics['seconds']:.0f} s)",
            flush=True,
        )


def _trials(runs: SharedRuns, folder: Path, seed: int) -> list[Trial]:
    """Every pair of operators in both banks of two maps, but those that an earlier start has tried."""
    from lnmn_tf.training.trials import try_each

    pairs = list(itertools.combinations_with_replacement(OPERATORS, 2))

    def table(pair: Structure) -> dict:
        return runs.held_out(seed, joined(pair))

    folder.mkdir(parents=True, exist_ok=True)
    return try_each(table, pairs, folder)


def _folder(out_dir: Path, rung: str, seed: int, arm: str) -> Path:
    return out_dir / rung / arm / f"seed_{seed}"


def results(out_dir: Path, rung: str) -> list[dict[str, Any]]:
    """A row for each finished run: arm, seed, accuracy by kind, and what *and* and *or* ran on."""
    rows = []
    for arm in ARMS:
        for path in sorted((out_dir / rung / arm).glob("seed_*/cells.json")):
            metrics, cells = read_json(path.parent / "metrics.json"), read_json(path)
            row = {"rung": rung, "arm": arm, "seed": int(path.parent.name.partition("_")[2])}
            row |= {kind: metrics["kinds"][kind] for kind in KINDS}
            for kind in ("and", "or", "same", "more"):
                ran = cells["kinds"][kind]
                row |= {
                    f"{kind} cell": ran["cell"],
                    f"{kind} weight": ran["weight"],
                    f"{kind} operator": ran["operators"][0],
                    f"{kind} operators": " ".join(ran["operators"]),
                }
            row |= {"sign": cells["sign"], "seconds": metrics["seconds"]}
            rows.append(row)
    return rows


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """Mean and deviation over runs, a line for each arm."""
    lines = [f"{'':10} runs  " + "".join(f"{kind:>14}" for kind in KINDS) + "   and / or became"]
    for arm in ARMS:
        own = [row for row in rows if row["arm"] == arm]
        if own:
            cells = [_mean([100 * row[kind] for row in own]) for kind in KINDS]
            became = ", ".join(f"{row['and operator']}/{row['or operator']}" for row in own)
            lines.append(
                f"{arm:10} {len(own):4}  " + "".join(f"{c:>14}" for c in cells) + f"   {became}"
            )
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


def report(out_dir: Path, rung: str) -> None:
    """Prints the table and the agreement of seeds, and writes JSON, CSV, PNG and SVG."""
    from lnmn_tf.analysis import agreement
    from lnmn_tf.analysis.output import write_csv, write_figure, write_result
    from lnmn_tf.analysis.planted_picture import draw
    from lnmn_tf.training import trials

    rows = results(out_dir, rung)
    print(summary(rows))
    files = sorted((out_dir / rung / "trials").glob(f"seed_*/{trials.FILE_NAME}"))
    tried = {path.parent.name: trials.read(path) for path in files}
    result: dict[str, Any] = {
        "rung": rung,
        "runs": rows,
        "trials": {seed: [trial._asdict() for trial in done] for seed, done in tried.items()},
    }
    for arm in ("tried", "searched"):
        folders = sorted((out_dir / rung / arm).glob("seed_*"))
        cells = {folder.name: agreement.read_cells(folder) for folder in folders}
        cells = {name: operators for name, operators in cells.items() if operators}
        if len(cells) > 1:
            result[f"agreement of {arm}"] = measured = agreement.measure(cells)
            print(f"{arm}: {agreement.summary(measured)}")
    folder = out_dir / rung
    write_result(folder / "planted.json", result)
    write_csv(folder / "planted.csv", rows)
    write_figure(folder / "planted", draw(rows, list(tried.values())))
    print(f"wrote planted.json, planted.csv, planted.png and planted.svg in {folder}")


def run(arguments: Sequence[str]) -> None:
    """The command; see the module."""
    parser = argparse.ArgumentParser(prog="python -m lnmn_tf.analysis.planted")
    parser.add_argument(
        "--out_dir", default="runs/planted", help="folder of data, runs and results"
    )
    parser.add_argument("--rung", default="joins", help=", ".join(RUNGS))
    parser.add_argument("--arms", default=",".join(ARMS), help="some of " + ", ".join(ARMS))
    parser.add_argument("--seeds", default="5", help=f"so many, from {FIRST_SEED} on")
    options = parser.parse_args(arguments)
    arms = options.arms.split(",")
    if set(arms) - set(ARMS):
        raise InputError(f"--arms is {options.arms!r}; expected some of {', '.join(ARMS)}")
    if options.rung not in RUNGS:
        raise InputError(f"--rung is {options.rung!r}; expected one of {', '.join(RUNGS)}")
    if not options.seeds.isdigit() or int(options.seeds) < 1:
        raise InputError(f"--seeds is {options.seeds!r}; expected a whole number, at least 1")
    run_all(Path(options.out_dir), options.rung, arms, int(options.seeds))
    report(Path(options.out_dir), options.rung)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(exit_code(run, sys.argv[1:]))
