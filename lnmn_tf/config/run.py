"""A whole run: its sections, made of flags, and kept as `config.json` beside its results."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnmn_tf.config.benchmark import BenchmarkConfig
from lnmn_tf.config.data import DataConfig
from lnmn_tf.config.export import ExportConfig
from lnmn_tf.config.features import FeaturesConfig
from lnmn_tf.config.machine import MachineConfig
from lnmn_tf.config.option import flag_text, label
from lnmn_tf.config.registry import DATA_TRAINING, MODELS, entry, make_config, model_fields
from lnmn_tf.config.relational import RelationalConfig
from lnmn_tf.config.sizes import ModelConfig
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
# What a command line sets: the run, where its features come from, its export, and how it is measured.
FLAG_SECTIONS = {
    **SECTIONS,
    "features": FeaturesConfig,
    "export": ExportConfig,
    "benchmark": BenchmarkConfig,
}


@dataclass(frozen=True)
class RunConfig:
    """Model, data, training, the machine, and the embedded world where a run makes it."""

    model: ModelConfig = RelationalConfig()
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    machine: MachineConfig = MachineConfig()
    world: WorldConfig = WorldConfig()

    def __post_init__(self):
        model, data = self.model, self.data
        if self.training.answer_loss == "sigmoid" and not data.is_vqa:
            raise InputError(
                f"answer_loss is 'sigmoid' and --data_format is {data.data_format!r}; expected VQA, "
                "whose questions several people answered"
            )
        if data.features and model.image_height:
            raise InputError(
                f"--features is {data.features!r} and --image_size is "
                f"{model.image_width}x{model.image_height}; expected features or pixels, not both"
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
                "--image_size and --features are empty; expected a size for the pictures, as in "
                "--image_size=144x96, or features"
            )

    @classmethod
    def create(cls, choices: Mapping[str, Any]) -> RunConfig:
        """Makes a config of some of its fields by name; the rest is as the model and the data say.

        Raises:
            InputError: a wrong value, a field that another model has and this one has not, or a name
                that no part of a run has.
        """
        choices = dict(choices)
        check_names(choices)
        name = choices.pop("model", RelationalConfig.model)
        presets = {**entry(name).training, **DATA_TRAINING.get(choices.get("data_format"), {})}
        parts = {}
        for title, section in SECTIONS.items():
            known = {field.name for field in section_fields(title)}
            given = {k: v for k, v in choices.items() if k in known}
            if title == "model":
                parts[title] = make_config(name, **given)
            elif title == "training":
                parts[title] = section(**{**presets, **given})
            else:
                parts[title] = section(**given)
        return cls(**parts)

    def replace(self, **changes: Any) -> RunConfig:
        """A copy with other values of the fields named."""
        parts = {}
        for name in SECTIONS:
            part = getattr(self, name)
            own = {k: v for k, v in changes.items() if k in field_names(type(part))}
            parts[name] = dataclasses.replace(part, **own)
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
            return cls(**{k: _section(k, content[k]) for k in SECTIONS})
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def check_fits(self, saved: RunConfig, where: str | os.PathLike) -> None:
        """Refuses to go on with a checkpoint of another config.

        Raises:
            InputError: names the first field that differs and both values.
        """
        if self.model.model != saved.model.model:
            raise InputError(
                f"{where}: its checkpoint is of --model={saved.model.model}, but --model is "
                f"{self.model.model}; expected the same, or another --run_dir"
            )
        for title in SECTIONS:
            for field in dataclasses.fields(getattr(self, title)):
                wanted = getattr(getattr(self, title), field.name)
                found = getattr(getattr(saved, title), field.name)
                if field.metadata["may_change"] or wanted == found:
                    continue
                name = label(field)
                if not (field.metadata["may_grow"] and wanted > found):
                    raise InputError(
                        f"{where}: its checkpoint was made with {name}={flag_text(found)}, "
                        f"but {name} is {flag_text(wanted)}; expected the same, or "
                        "another --run_dir"
                    )


def check_names(choices: Mapping[str, Any]) -> None:
    """Refuses a name that no part of a run has.

    Raises:
        InputError: names it, and the nearest one.
    """
    known = {field.name for title in SECTIONS for field in section_fields(title)}
    for name in choices:
        if name in known:
            continue
        for title in FLAG_SECTIONS:
            if name in field_names(FLAG_SECTIONS[title]):
                home = FLAG_SECTIONS[title].__name__
                raise InputError(f"{name} is a field of {home}; expected one of a RunConfig")
        nearest = difflib.get_close_matches(str(name), known, 1, 0.6)
        advice = f"; did you mean {nearest[0]}?" if nearest else ""
        raise InputError(f"{name} is no field of a RunConfig{advice}")


def section_fields(title: str) -> list[dataclasses.Field]:
    """The fields of a section by its title; of the model, those of every model."""
    if title == "model":
        return list(model_fields().values())
    return list(dataclasses.fields(FLAG_SECTIONS[title]))


def label_of(name: str) -> str:
    """A field as errors name it; a name that no config has, with dashes."""
    for title in FLAG_SECTIONS:
        for field in section_fields(title):
            if field.name == name:
                return label(field)
    return f"--{name}"


def of_run(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some fields that belong to a run, not to its export or its measurement."""
    known = {field.name for title in SECTIONS for field in section_fields(title)}
    return {name: value for name, value in choices.items() if name in known}


def differs_by_model(name: str) -> bool:
    """Whether the default of a field depends on the model; that of --model itself does not."""
    if name == "model":
        return False
    presets = [model.training.get(name) for model in MODELS.values()]
    configs = [model.config.__dataclass_fields__ for model in MODELS.values()]
    defaults = [fields[name].default for fields in configs if name in fields]
    return any(x is not None for x in presets) or len(set(defaults)) > 1


def field_names(section: type) -> set[str]:
    """Names of the fields of a config section."""
    return {field.name for field in dataclasses.fields(section)}


def _section(title: str, content: Any) -> Any:
    if not isinstance(content, dict):
        raise InputError(f"field '{title}' is {content!r}; expected an object")
    content = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    section = SECTIONS[title]
    if title == "model":
        section = entry(str(content.get("model"))).config
    unknown = set(content) - field_names(section)
    if unknown:
        raise InputError(
            f"field '{title}' has the unknown fields {sorted(unknown)}; expected a run of this version"
        )
    return section(**content)
