"""How examples a second depend on each size, as a table and as a picture."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from lnmn_tf.benchmark.contest import Contest
from lnmn_tf.benchmark.growth_picture import draw
from lnmn_tf.benchmark.presets import Preset
from lnmn_tf.config.lnmn import LNMNConfig
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_text

FACTORS = (1, 2, 4)
KINDS = ("attention_3", "attention_4", "answer_3", "answer_4")
PICTURE = "growth.svg"


class Growth(NamedTuple):
    """A size that grows."""

    title: str
    values: tuple[int, ...]  # at each of FACTORS
    contests: tuple[Contest, ...]


def plan_growth(preset: Preset, choices: Mapping[str, Any]) -> dict[str, Growth]:
    """Training at one, two and four times each size, the others as they are.

    Raises:
        InputError: the model is not LNMN.
    """
    whole = Contest(preset, "train", choices)
    model, (height, width, channels) = whole.model, preset.map_shape
    if not isinstance(model, LNMNConfig):
        raise InputError(f"--what is growth and --model is {model.model!r}; expected an LNMN")

    def of_flags(title: str, **first: int) -> Growth:
        grown = [{name: factor * value for name, value in first.items()} for factor in FACTORS]
        return Growth(
            title,
            tuple(sum(flags.values()) for flags in grown),
            tuple(Contest(preset, "train", {**choices, **flags}) for flags in grown),
        )

    taller = [
        dataclasses.replace(preset, map_shape=(factor * height, width, channels))
        for factor in FACTORS
    ]
    return {
        "batch_size": of_flags("batch", batch_size=whole.batch_size),
        "map_dim": of_flags("map_dim", map_dim=model.map_dim),
        "num_steps": of_flags("steps T", num_steps=model.num_steps),
        "stack_len": of_flags("stack L", stack_len=model.stack_len),
        "positions": Growth(
            "positions H x W",
            tuple(factor * height * width for factor in FACTORS),
            tuple(Contest(sizes, "train", choices) for sizes in taller),
        ),
        "modules": of_flags("modules", **{kind: getattr(model, kind) for kind in KINDS}),
    }


def measure_growth(run_dir: Path, plan: Mapping[str, Growth], rounds: int) -> dict[str, dict]:
    """Examples trained a second at each value of each size of a plan.

    The three values of a size take turns, so that what else the machine does slows all of them.
    Writes `growth.svg`.

    Returns:
        By the name of the size: `values`, and for each of them `examples_per_second` (the fastest of
        `rounds`) and `processor_seconds` an example; and `exponent`.
    """
    table = {}
    for name, growth in tqdm(plan.items(), "growth", disable=None):
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            workers = []
            for contest in growth.contests:
                workers.append(contest.start(folder)["ours"])
                stack.callback(workers[-1].kill)
            turns = [[worker.run(1) for worker in workers] for _ in range(rounds)]
        sizes = [contest.batch_size for contest in growth.contests]
        fastest = [min(turn[i]["seconds"][0] for turn in turns) for i in range(len(sizes))]
        processor = [min(turn[i]["cpu_seconds"][0] for turn in turns) for i in range(len(sizes))]
        pairs = zip(sizes, fastest, processor)
        rates, processor = zip(*((size / wall, cpu / size) for size, wall, cpu in pairs))
        table[name] = {
            "title": growth.title,
            "values": growth.values,
            "examples_per_second": rates,
            "processor_seconds": processor,
            "exponent": exponent(rates),
        }
    write_text(run_dir / PICTURE, draw(table))
    return table


def exponent(rates: tuple[float, ...]) -> float:
    """e of seconds an example ~ size^e, between the first and the last of FACTORS.

    0 = the size costs nothing, 1 = in proportion, above 1 = worse than linear.
    """
    return math.log(rates[0] / rates[-1]) / math.log(FACTORS[-1] / FACTORS[0])


def format_growth(table: Mapping[str, Mapping]) -> str:
    """A row for each size: its values, examples a second at each, and the exponent."""
    return "\n".join(
        f"growth {row['title']:16} "
        + "  ".join(
            f"{value:5d}: {rate:7.1f}/s"
            for value, rate in zip(row["values"], row["examples_per_second"])
        )
        + f"   seconds ~ size^{row['exponent']:.2f}"
        for row in table.values()
    )
