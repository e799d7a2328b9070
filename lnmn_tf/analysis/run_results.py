"""What run folders say of themselves: config, accuracies, analyses, and how the runs went on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lnmn_tf.config import RunConfig
from lnmn_tf.config.lnmn import LNMNConfig
from lnmn_tf.errors import InputError

HELD_OUT = ("accuracy/held_out", "held_out/accuracy")  # tags, the present one first
LOSS = ("loss/cross_entropy", "train/cross_entropy")
STRUCTURE = "structure/alpha"


@dataclass(frozen=True)
class RunResults:
    """A run folder.

    Args:
        path: of the folder.
        config: of the run.
        metrics: what it reported at its end.
    """

    path: Path
    config: RunConfig
    metrics: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> RunResults:
        """Raises InputError: no run folder, or a run that is not finished."""
        config = RunConfig.load(path)
        metrics = read_json(path / "metrics.json")
        if not isinstance(metrics, dict) or not isinstance(metrics.get("val"), dict):
            raise InputError(
                f"{path / 'metrics.json'}: is missing or has no field 'val'; expected a finished run"
            )
        return cls(path, config, metrics)

    @property
    def label(self) -> str:
        """Its model in the paper's words."""
        model = self.config.model
        if not isinstance(model, LNMNConfig):
            return "Stack-NMN"
        modules = model.attention_3 + model.attention_4 + model.answer_3 + model.answer_4 + 1
        fusion = ", concatenation" if model.fusion == "concat" else ""
        return f"LNMN ({modules} modules, {model.model}{fusion})"

    @property
    def data(self) -> str:
        """The data set, by its folder."""
        folder = Path(self.config.data.data_dir)
        kind = "embedded world" if self.config.world.generate else "data"
        return f"{kind} {folder.name}, split {self.config.data.val_split}"

    def accuracies(self) -> dict[str, float]:
        """Of the reported split, in percent: "overall", and each family that has questions."""
        val = self.metrics["val"]
        families = {k: 100 * v for k, v in val.get("families", {}).items()}
        return {"overall": 100 * val["accuracy"], **families}

    def analysis(self, name: str) -> dict[str, Any] | None:
        """The result of an instrument, if it has run."""
        result = read_json(self.path / "analysis" / f"{name}.json")
        return result if isinstance(result, dict) else None

    def pictures(self, folder: str, most: int) -> list[Path]:
        """The first PNG files of a folder of the run."""
        return sorted((self.path / folder).glob("*.png"))[:most]

    @cached_property
    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """(questions trained on, value) of "held_out" in percent and "loss" in nats."""
        found: dict[str, list[tuple[int, float]]] = {"held_out": [], "loss": []}
        for tag, step, value in self._events():
            name = "held_out" if tag in HELD_OUT else "loss" if tag in LOSS else ""
            if name:
                import tensorflow as tf

                number = float(tf.make_ndarray(value.tensor))
                scale = 100.0 if name == "held_out" else 1.0
                found[name].append((step * self.config.training.batch_size, scale * number))
        return {name: sorted(dict(points).items()) for name, points in found.items()}

    @cached_property
    def structure_picture(self) -> bytes | None:
        """A PNG of the structure: the instrument's, else that of the last epoch."""
        path = self.path / "analysis" / "structure.png"
        if path.is_file():
            return path.read_bytes()
        last = None
        for tag, _, value in self._events():
            if tag == STRUCTURE:
                last = bytes(value.tensor.string_val[2])  # after width and height
        return last

    def _events(self) -> Iterator[tuple[str, int, Any]]:
        """(tag, step, summary) of all event files, one at a time; a damaged end is left out."""
        import tensorflow as tf

        for path in sorted((self.path / "tensorboard").glob("events.out.tfevents.*")):
            try:
                for event in tf.compat.v1.train.summary_iterator(str(path)):
                    for value in event.summary.value:
                        yield value.tag, event.step, value
            except tf.errors.DataLossError:
                continue


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone."""

    runs: tuple[RunResults, ...]

    @property
    def name(self) -> str:
        """Of its folder, or of that above several."""
        first = self.runs[0].path
        return first.parent.name if first.name.startswith("seed_") else first.name

    @property
    def label(self) -> str:
        return f"{self.runs[0].label} · {self.name}"


def open_runs(paths: Sequence[str]) -> list[Group]:
    """Opens run folders; one with seeds stands for all of them.

    Raises:
        InputError: there are none, or one cannot be opened.
    """
    folders = [Path(path.strip()) for path in paths if path.strip()]
    if not folders:
        raise InputError("--runs is empty; expected run folders, as in --runs=runs/a,runs/b")
    every: list[Path] = []
    for folder in folders:
        seeds = sorted(folder.glob("seed_*/metrics.json"))
        every += [path.parent for path in seeds] or [folder]
    groups: dict[str, list[RunResults]] = {}
    for path in dict.fromkeys(every):
        run = RunResults.open(path)
        groups.setdefault(_key(run.config), []).append(run)
    return [Group(tuple(runs)) for runs in groups.values()]


def _key(config: RunConfig) -> str:
    """The same for configs that differ in the seed, the machine, or in what changes no result."""
    parts = {}
    for part in ("model", "data", "training"):
        section = getattr(config, part)
        for field in dataclasses.fields(section):
            if not field.metadata["may_change"] and field.name not in ("seed", "num_seeds"):
                parts[field.name] = getattr(section, field.name)
    return json.dumps([*parts.items(), config.data.data_dir], default=str)


def read_json(path: Path) -> Any:
    """The content, or None where there is no such file.

    Raises:
        InputError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
