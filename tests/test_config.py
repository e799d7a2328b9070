"""Configs: presets, validation, JSON, and what a checkpoint allows to change."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lnmn_tf.config import DIALECTS, OPERATORS, ModelConfig, RunConfig, TrainingConfig
from lnmn_tf.config.run import SECTIONS, all_options
from lnmn_tf.errors import InputError

PIXELS = {"image_height": 11, "image_width": 13}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_presets_its_switches_and_a_flag_overrides_them(dialect):
    config = ModelConfig.create(dialect, pointer_temperature=0.7)
    expected = {**DIALECTS[dialect], "pointer_temperature": 0.7}
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.dialect == dialect


def test_every_flag_has_a_help_text_and_a_name_of_its_own():
    options = all_options()
    assert all(option.metadata["help"].endswith(".") for option in options)
    names = [option.name for option in options]
    assert len(names) == len(set(names))


def test_the_operators_are_those_of_the_layers():
    from lnmn_tf.layers.operators import OPERATORS as implemented

    assert implemented == OPERATORS


def test_json_gives_back_the_same_config(tmp_path):
    config = RunConfig.create(
        {**PIXELS, "dialect": "released", "zeroed_operators": ("max", "sum"), "ema_decay": 0.5}
    )
    config.save(tmp_path)
    assert RunConfig.load(tmp_path) == config
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_training_dialect_follows_the_models():
    assert RunConfig.create({**PIXELS, "dialect": "released"}).training.structure_decay == "coupled"
    assert RunConfig.create({**PIXELS, "dialect": "ours"}).training.structure_decay == "decoupled"


def test_stack_nmn_needs_no_dialect_flag():
    assert RunConfig.create({**PIXELS, "model": "stack_nmn"}).model.dialect == "stack_nmn"


@pytest.mark.parametrize(
    "choices, words",
    [
        ({"epochs": 0}, ["--epochs", "0", "at least 1"]),
        ({"learning_rate": 0.0}, ["--learning_rate", "more than 0"]),
        ({"learning_rate": float("nan")}, ["--learning_rate", "nan", "finite"]),
        ({"ema_decay": 1.0}, ["--ema_decay", "less than 1"]),
        ({"seed": -1}, ["--seed", "-1"]),
        ({"batch_size": 10, "shards": 3}, ["--shards", "3", "--batch_size=10"]),
        ({"epochs": 2, "curriculum_epochs": 2}, ["--curriculum_epochs", "--epochs=2"]),
        ({"structure_split": "test"}, ["--structure_split", "'test'", "held_out, val"]),
        ({"structure_fraction": 1.0}, ["--structure_fraction", "less than 1"]),
        ({"val_split": "train"}, ["--val_split", "'train'"]),
        ({"train_split": "val"}, ["--train_split", "'val'"]),
        ({"data_dir": ""}, ["--data_dir", "empty"]),
        ({"features": "f.h5", **dict.fromkeys(PIXELS, 0)}, ["--features", "{split}"]),
        ({"features": "{split}.h5"}, ["--features", "--image_height", "not both"]),
        (dict.fromkeys(PIXELS, 0), ["--image_height", "--features"]),
        ({"image_width": 0}, ["--image_width", "both"]),
        ({"pushing_cells": 4}, ["--pushing_cells", "--pooling_cells", "--attention_3=4"]),
        ({"answer_3": 0, "answer_4": 0}, ["--answer_3", "--answer_4"]),
        ({"text_dim": 7}, ["--text_dim", "7", "even"]),
        ({"zeroed_operators": ("mean",)}, ["--zeroed_operators", "mean", "choose_1"]),
        ({"fusion": "concat", "hard_operators": True}, ["--fusion", "--hard_operators"]),
        ({"model": "stack_nmn", "fusion": "concat"}, ["--model", "--fusion"]),
        ({"model": "stack_nmn", "dialect": "ours"}, ["--model", "--dialect"]),
        ({"dialect": "mine"}, ["--dialect", "'mine'", "released"]),
        ({"min_objects": 6, "max_objects": 5}, ["--min_objects", "--max_objects=5"]),
        ({"max_objects": 11}, ["--max_objects", "at most 10"]),
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
    assert TrainingConfig() == TrainingConfig()
