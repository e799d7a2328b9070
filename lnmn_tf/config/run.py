"""A whole run: its sections, made of flags, and kept as `config.json` beside its results."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnmn_tf.config.data import DataConfig
from lnmn_tf.config.export import ExportConfig
from lnmn_tf.config.machine import MachineConfig
from lnmn_tf.config.model import DIALECTS, ModelConfig
from lnmn_tf.config.training import DIALECTS as TRAINING_DIALECTS
from lnmn_tf.config.training import TrainingConfig
from lnmn_tf.config.world import WorldConfig
from lnmn_tf.errors import InputError
from lnmn_tf.files import read_json, write_json

FILE_NAME = "config.json"
SECTIONS = {
    "model": ModelConfig,
    "data": DataConfig,
    "training": TrainingConfig,
    "machine": MachineConfig,
    "world": WorldConfig,
}
FLAG_SECTIONS = {**SECTIONS, "export": ExportConfig}  # what has flags: the run, and its export
# What a dialect presets: without a flag of its own, such a field is as the dialect says.
PRESET = frozenset().union(*DIALECTS.values(), *TRAINING_DIALECTS.values())


@dataclass(frozen=True)
class RunConfig:
    """Model, data, training, the machine, and the embedded world where a run makes it."""

    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    machine: MachineConfig = MachineConfig()
    world: WorldConfig = WorldConfig()

    def __post_init__(self):
        model, data = self.model, self.data
        if (model.model == "stack_nmn") != (model.dialect == "stack_nmn"):
            raise InputError(
                f"--model is {model.model!r} and --dialect is {model.dialect!r}; expected "
                "--dialect=stack_nmn with --model=stack_nmn, and only there"
            )
        if data.features and model.image_height:
            raise InputError(
                f"--features is {data.features!r} and --image_height is {model.image_height}; "
                "expected features or pixels, not both"
            )
        if data.features and self.training.pretrains_encoder:
            raise InputError(
                f"--pretrain_epochs is {self.training.pretrain_epochs}, --encoder_run is "
                f"{self.training.encoder_run!r} and --features is {data.features!r}; expected pictures, "
                "for features have no encoder"
            )
        if self.world.generate and self.machine.strategy == "multi_worker":
            raise InputError(
                "--generate is true and --strategy is 'multi_worker'; expected --mode=generate first, "
                "on one machine"
            )
        if not data.features and not model.image_height:
            raise InputError(
                "--image_height and --image_width are 0 and --features is empty; expected a size "
                "for the pictures, or features"
            )

    @classmethod
    def create(cls, choices: Mapping[str, Any]) -> RunConfig:
        """Makes a config of the flags that were given, by name; the rest is as the dialect says."""
        choices = dict(choices)
        if choices.get("model") == "stack_nmn":
            choices.setdefault("dialect", "stack_nmn")
        dialect = choices.get("dialect", ModelConfig.dialect)
        parts = {}
        for name, section in SECTIONS.items():
            given = {k: v for k, v in choices.items() if k in field_names(section)}
            if hasattr(section, "create"):
                parts[name] = section.create(**{"dialect": dialect, **given})
            else:
                parts[name] = section(**given)
        return cls(**parts)

    def replace(self, **changes: Any) -> RunConfig:
        """A copy with other values of the fields named."""
        parts = {}
        for name, section in SECTIONS.items():
            own = {k: v for k, v in changes.items() if k in field_names(section)}
            parts[name] = dataclasses.replace(getattr(self, name), **own)
        return RunConfig(**parts)

    def save(self, run_dir: str | os.PathLike) -> None:
        """Writes `config.json`."""
        write_json(Path(run_dir) / FILE_NAME, dataclasses.asdict(self))

    @classmethod
    def load(cls, run_dir: str | os.PathLike) -> RunConfig:
        """Reads what `save` wrote.

        Raises:
            InputError: no such file, not JSON, an unknown section or field, or a wrong value.
        """
        path = Path(run_dir) / FILE_NAME
        if not path.is_file():
            raise InputError(f"{path}: is missing; expected a run folder, made by --mode=train")
        content = read_json(path)
        if not isinstance(content, dict) or set(content) != set(SECTIONS):
            raise InputError(f"{path}: expected an object with the fields {sorted(SECTIONS)}")
        try:
            return cls(**{k: _section(SECTIONS[k], k, content[k]) for k in SECTIONS})
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def check_fits(self, saved: RunConfig, where: str | os.PathLike) -> None:
        """Refuses to go on with a checkpoint of another config.

        Raises:
            InputError: names the first field that differs and both values.
        """
        for name, section in SECTIONS.items():
            for field in dataclasses.fields(section):
                wanted = getattr(getattr(self, name), field.name)
                found = getattr(getattr(saved, name), field.name)
                if field.metadata["may_change"] or wanted == found:
                    continue
                if not (field.metadata["may_grow"] and wanted > found):
                    raise InputError(
                        f"{where}: its checkpoint was made with --{field.name}={flag_text(found)}, "
                        f"but --{field.name} is {flag_text(wanted)}; expected the same, or "
                        "another --run_dir"
                    )


def all_options() -> list[dataclasses.Field]:
    """The fields of all sections that have a flag."""
    fields = (field for section in FLAG_SECTIONS.values() for field in dataclasses.fields(section))
    return [field for field in fields if field.metadata["flag"]]


def to_flags(choices: Mapping[str, Any]) -> str:
    """A flagfile that gives the same choices."""
    return "".join(f"--{name}={flag_text(value)}\n" for name, value in choices.items())


def field_names(section: type) -> set[str]:
    """Names of the fields of a config section."""
    return {field.name for field in dataclasses.fields(section)}


def _section(section: type, name: str, content: Any) -> Any:
    if not isinstance(content, dict):
        raise InputError(f"field '{name}' is {content!r}; expected an object")
    unknown = set(content) - field_names(section)
    if unknown:
        raise InputError(f"field '{name}' has the unknown fields {sorted(unknown)}")
    return section(**{k: tuple(v) if isinstance(v, list) else v for k, v in content.items()})


def flag_text(value: Any) -> str:
    """A value as it stands on a command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
