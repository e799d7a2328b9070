"""Configs: presets, validation, JSON, and what a checkpoint allows to change."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.config.flags import flag_names
from lnmn_tf.config.registry import ALIASES, MODELS, make_config
from lnmn_tf.config.run import FLAG_SECTIONS, SECTIONS, section_fields
from lnmn_tf.errors import InputError
from lnmn_tf.training.run_folder import FOUND_IN_DATA

PIXELS = {"image_height": 11, "image_width": 13}


@pytest.mark.parametrize("name", [*MODELS, *ALIASES])
def test_a_model_has_a_config_of_its_own_and_presets_that_a_flag_overrides(name):
    model = MODELS[ALIASES.get(name, name)]
    config = RunConfig.create({**PIXELS, "model": name, "num_steps": 7})
    assert type(config.model) is model.config
    assert (config.model.model, config.model.num_steps) == (ALIASES.get(name, name), 7)
    assert {k: getattr(config.training, k) for k in model.training} == model.training
    for field, value in model.training.items():
        words = {"structure_decay": "decoupled", "entropy_schedule": "annealed"}
        other = words.get(field, 0.5)
        assert other != value
        changed = RunConfig.create({**PIXELS, "model": name, field: other})
        assert getattr(changed.training, field) == other


def test_the_defaults_of_a_model_are_those_of_its_origin():
    papers, released = make_config("paper"), make_config("released")
    assert (papers.module_mlp_dim, released.module_mlp_dim) == (512, 0)
    assert (make_config("stack_nmn").num_steps, make_config("stack_nmn").stack_len) == (9, 4)


def test_every_flag_has_a_help_text_and_a_name_of_its_own():
    fields = [field for title in FLAG_SECTIONS for field in section_fields(title)]
    chosen = [field for field in fields if field.metadata["help"]]
    assert all(field.metadata["help"].endswith(".") for field in chosen)
    names = [field.name for field in chosen]
    assert len(names) == len(set(names))
    assert {field.name for field in fields} - set(names) == set(FOUND_IN_DATA)


def test_flags_are_few_and_errors_name_other_fields_without_dashes():
    assert len({"mode", *flag_names()}) <= 70
    fields = {field.name: field for title in SECTIONS for field in section_fields(title)}
    for name, field in fields.items():
        value = field.default
        if field.metadata["flag"] or isinstance(value, (bool, str, tuple)):
            continue
        choices = {**PIXELS, name: "many"}
        if name in make_config("stack_nmn").__dataclass_fields__:
            choices["model"] = "stack_nmn"
        elif name == "attended_places":
            choices["model"] = "relational"
        with pytest.raises(InputError, match=f"^{name} is 'many'; expected "):
            RunConfig.create(choices)


@pytest.mark.parametrize("name", MODELS)
def test_json_gives_back_the_same_config(name, tmp_path):
    zeroed = {} if name.startswith("stack_nmn") else {"zeroed_operators": ("max", "sum")}
    config = RunConfig.create({**PIXELS, "model": name, **zeroed, "ema_decay": 0.5})
    config.save(tmp_path)
    assert RunConfig.load(tmp_path) == config
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    "choices, words",
    [
        ({"epochs": 0}, ["--epochs", "0", "at least 1"]),
        ({"learning_rate": 0.0}, ["--learning_rate", "more than 0"]),
        ({"learning_rate": float("nan")}, ["--learning_rate", "nan", "finite"]),
        ({"ema_decay": 1.0}, ["ema_decay", "less than 1"]),
        ({"seed": -1}, ["--seed", "-1"]),
        ({"batch_size": 10, "shards": 3}, ["shards is 3", "--batch_size=10"]),
        ({"structure_split": "test"}, ["--structure_split", "'test'", "held_out, val"]),
        ({"structure_fraction": 1.0}, ["structure_fraction", "less than 1"]),
        ({"val_split": "train"}, ["--val_split", "'train'"]),
        ({"train_split": "val"}, ["--train_split", "'val'"]),
        ({"data_dir": ""}, ["--data_dir", "empty"]),
        ({"features": "f.h5", **dict.fromkeys(PIXELS, 0)}, ["--features", "{split}"]),
        ({"features": "{split}.h5"}, ["--features", "--image_size", "not both"]),
        (dict.fromkeys(PIXELS, 0), ["--image_size", "--features"]),
        ({"image_width": 0}, ["--image_size is 0x11", "both"]),
        ({"looking_cells": 3}, ["looking_cells is 3", "6 modules", "attention_3=4"]),
        (
            {"looking_cells": 5, "looks_push": True},
            ["looking_cells is 5", "5 modules", "attention_3=4"],
        ),
        ({"answer_3": 0, "answer_4": 0}, ["answer_3", "answer_4", "--cells"]),
        ({"text_dim": 7}, ["text_dim", "7", "even"]),
        ({"zeroed_operators": ("mean",)}, ["zeroed_operators", "mean", "choose_1"]),
        ({"fusion": "concat", "hard_operators": True}, ["fusion", "--hard_operators"]),
        ({"model": "stack_nmn", "fusion": "concat"}, ["fusion", "--model=stack_nmn"]),
        ({"model": "paper", "looking_cells": 1}, ["looking_cells", "--model=paper"]),
        ({"model": "stack_nmn", "answer_3": 1}, ["answer_3 (--cells)", "--model=stack_nmn"]),
        ({"map_dims": 3}, ["map_dims is no field", "did you mean map_dim?"]),
        ({"zork": 3}, ["zork is no field of a RunConfig"]),
        ({"export": True}, ["export is a field of ExportConfig"]),
        ({"rounds": 3}, ["rounds is a field of BenchmarkConfig"]),
        ({"model": "mine"}, ["--model", "'mine'", "released"]),
        ({"min_objects": 6, "max_objects": 5}, ["min_objects is 6", "max_objects=5"]),
        ({"max_objects": 11}, ["max_objects is 11", "at most 10"]),
    ],
)
def test_a_wrong_or_contradictory_flag_is_named_with_its_value(choices, words):
    with pytest.raises(InputError) as caught:
        RunConfig.create({**PIXELS, **choices})
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda content: content.pop("data"), ["config.json", "data"]),
        (lambda content: content["data"].update(colour=1), ["config.json", "colour"]),
        (
            lambda content: content["training"].update(epochs="3"),
            ["config.json", "--epochs", "'3'"],
        ),
        (lambda content: content.update(model=[]), ["config.json", "'model'"]),
        (lambda content: content["model"].update(model="lnmn"), ["config.json", "'lnmn'", "paper"]),
        (lambda content: content["model"].update(dialect="ours"), ["config.json", "dialect"]),
    ],
)
def test_a_damaged_config_file_is_refused(tmp_path, damage, words):
    RunConfig.create(PIXELS).save(tmp_path)
    path = tmp_path / "config.json"
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        RunConfig.load(tmp_path)
    for word in words:
        assert word in str(caught.value)


def test_a_config_file_cut_short_is_refused(tmp_path):
    RunConfig.create(PIXELS).save(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match="config.json"):
        RunConfig.load(tmp_path)


def test_only_fields_that_the_weights_do_not_depend_on_may_change():
    saved = RunConfig.create(PIXELS)
    changed = saved.replace(hard_operators=True, data_dir="elsewhere", checkpoint_steps=7)
    changed.check_fits(saved, "run")
    with pytest.raises(InputError, match=r"run: .*--map_dim=384, but --map_dim is 17"):
        saved.replace(map_dim=17).check_fits(saved, "run")


def test_configs_cannot_be_altered():
    for section in SECTIONS.values():
        field = dataclasses.fields(section)[0]
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(section(), field.name, field.default)
