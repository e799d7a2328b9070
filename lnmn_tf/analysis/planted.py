"""The figure this project is for: two-map cells that become *and* and *or*, from answers alone.

    python -m lnmn_tf.analysis.planted --out_dir=runs/planted
    python -m lnmn_tf.analysis.planted --out_dir=runs/planted --rung=answers --arms=searched,hand

On the graded world (`world/graded.py`) it trains a stack machine whose two cells of two maps are searched, and the
controls. The same command goes on where it was stopped: each run is a folder, `<out_dir>/<rung>/<arm>/seed_<n>`,
which `--mode=evaluate`, `analyze` and `report` read. At the end it writes `planted.json`, `planted.csv`,
`planted.png` and `planted.svg`.

| arm | structure |
|---|---|
| searched | Algorithm 2, alpha ~ N(0, 1) |
| hand | what people once wrote: min and max, product for *same*, sum for *more*; weights learn alone |
| frozen | alpha ~ N(0, 1), a mixture that is never learned |
| product | every node is a product |
| random | each node is one operator, drawn at random (ten draws) |
| forbidden | Algorithm 2; min and max contribute nothing, in training and after it |

`--rung` says what a run is told beside answers:

| rung | told |
|---|---|
| answers | nothing |
| expert | which kind of module runs at each step (expert layouts), not which of its cells |
| cells | that, and the operators of the cells that look and answer; only the two attention cells of two maps are searched |

Alpha learns from a held-out quarter of the training scenes, weights from the others, and `val` reports.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lnmn_tf.config.names import OPERATORS
from lnmn_tf.errors import InputError, exit_code
from lnmn_tf.files import read_json, write_text
from lnmn_tf.world.graded import KINDS, graded_world, write_graded

HAND = {
    "look_3.0": ["choose_1", "product"],
    "attention_4.0": ["min", "choose_2", "choose_1"],
    "attention_4.1": ["max", "choose_2", "choose_1"],
    "answer_3.0": ["choose_1", "choose_1"],
    "answer_4.0": ["product", "choose_2", "choose_1"],
    "answer_4.1": ["sum", "choose_2", "choose_1"],
}
RUNGS = ("answers", "expert", "cells")
SEARCHED = "attention_4"  # in the rung `cells`
TRAIN, VAL = (
    (16_000, 1),
    (3_000, 3),
)  # examples and seed of each split; seed 2 served to choose settings
DRAWS = 10  # of random genotypes


@dataclass(frozen=True)
class Arm:
    """What is done with the structure."""

    genotype: str = ""  # hand, product or random
    freeze: bool = False
    zeroed: tuple[str, ...] = ()


ARMS = {
    "searched": Arm(),
    "hand": Arm("hand"),
    "frozen": Arm(freeze=True),
    "product": Arm("product"),
    "random": Arm("random"),
    "forbidden": Arm(zeroed=("min", "max")),
}


def genotype(name: str, seed: int = 0, rung: str = "expert") -> dict[str, list[str]]:
    """The genotype of an arm: hand, product, or random; in the rung `cells`, of its searched cells."""
    if name == "hand":
        return HAND
    rng = np.random.default_rng([seed, 11])
    made = {
        cell: ["product" if name == "product" else str(rng.choice(OPERATORS)) for _ in nodes]
        for cell, nodes in HAND.items()
    }
    return {**made, **given(rung)}


def given(rung: str) -> dict[str, list[str]]:
    """The operators that a run is told, by cell."""
    if rung != "cells":
        return {}
    return {cell: nodes for cell, nodes in HAND.items() if not cell.startswith(SEARCHED)}


def run_all(out_dir: Path, rung: str, arms: Sequence[str], seeds: int) -> list[dict[str, Any]]:
    """Trains what is not trained yet, seed by seed, so that a part of it is a fair part.

    Args:
        out_dir: of everything.
        rung: one of RUNGS.
        arms: some of ARMS.
        seeds: from 0 on; random genotypes are drawn DRAWS times, where all five seeds are wanted.

    Returns:
        One row for each run that is finished: see `results`.
    """
    data = out_dir / "data"
    if not (data / "questions" / "CLEVR_val_questions.json").is_file():
        print(f"makes {TRAIN[0]} + {VAL[0]} questions in {data}", flush=True)
        write_graded(data, {"train": graded_world(*TRAIN), "val": graded_world(*VAL)})
    for zeroed in dict.fromkeys(ARMS[arm].zeroed for arm in arms):
        jobs = [
            (seed, arm)
            for seed in range(max(seeds, DRAWS) if seeds >= 5 else seeds)
            for arm in arms
            if ARMS[arm].zeroed == zeroed and (seed < seeds or arm == "random")
        ]
        jobs = [job for job in jobs if not (_folder(out_dir, rung, *job) / "cells.json").is_file()]
        if jobs:
            _run(out_dir, rung, zeroed, jobs)
    return results(out_dir, rung)


def _run(out_dir: Path, rung: str, zeroed: tuple[str, ...], jobs) -> None:
    from lnmn_tf.analysis.planted_cells import describe_cells
    from lnmn_tf.analysis.planted_runs import SharedRuns
    from lnmn_tf.files import write_json
    from lnmn_tf.models.genotype import genotype_text

    runs = SharedRuns(out_dir / "data", zeroed, 3.0 if rung != "answers" else 0.0)
    for number, (seed, arm) in enumerate(jobs):
        folder, path = _folder(out_dir, rung, seed, arm), ""
        if ARMS[arm].genotype:
            path = str(folder / "given_genotype.json")
            write_text(path, genotype_text(genotype(ARMS[arm].genotype, seed, rung)))
        metrics = runs.run(folder, seed, path, ARMS[arm].freeze, given(rung))
        write_json(folder / "cells.json", describe_cells(runs))  # the last: the run is whole
        kinds = "  ".join(f"{kind} {100 * x:.1f}" for kind, x in metrics["kinds"].items())
        print(
            f"run {number + 1} of {len(jobs)}: {arm}, seed {seed}: {kinds}  "
            f"({metrics['seconds']:.0f} s)",
            flush=True,
        )


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
                found = cells["kinds"][kind]
                row |= {
                    f"{kind} cell": found["cell"],
                    f"{kind} weight": found["weight"],
                    f"{kind} operator": found["operators"][0],
                    f"{kind} operators": " ".join(found["operators"]),
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

    rows = results(out_dir, rung)
    print(summary(rows))
    result: dict[str, Any] = {"rung": rung, "runs": rows}
    for arm in ("searched", "forbidden"):
        folders = sorted((out_dir / rung / arm).glob("seed_*"))
        found = {folder.name: agreement.read_cells(folder) for folder in folders}
        found = {name: cells for name, cells in found.items() if cells}
        if len(found) > 1:
            result[f"agreement of {arm}"] = measured = agreement.measure(found)
            print(f"{arm}: {agreement.summary(measured)}")
    folder = out_dir / rung
    write_result(folder / "planted.json", result)
    write_csv(folder / "planted.csv", rows)
    write_figure(folder / "planted", draw(rows))
    print(f"wrote planted.json, planted.csv, planted.png and planted.svg in {folder}")


def run(arguments: Sequence[str]) -> None:
    """The command; see the module."""
    parser = argparse.ArgumentParser(prog="python -m lnmn_tf.analysis.planted")
    parser.add_argument(
        "--out_dir", default="runs/planted", help="folder of data, runs and results"
    )
    parser.add_argument("--rung", default="cells", help=", ".join(RUNGS))
    parser.add_argument("--arms", default=",".join(ARMS), help="some of " + ", ".join(ARMS))
    parser.add_argument("--seeds", default="5", help="so many, from 0 on")
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
