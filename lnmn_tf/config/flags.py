"""The public flags, made of the config's fields.

A field has a flag of its own, shares one with others that are chosen together (`MERGED`), or is set by the
repeatable `--set=FIELD=VALUE`. What a run finds in its data has none.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lnmn_tf.config.command import COMMANDS
from lnmn_tf.config.option import describe_type, flag_text, parse_value
from lnmn_tf.config.run import FLAG_SECTIONS, section_fields
from lnmn_tf.errors import InputError

SET = "set"
SET_HELP = (
    "FIELD=VALUE of a field that has no flag of its own; may be repeated. --helpfull lists them."
)


@dataclass(frozen=True)
class Merged:
    """One flag for several fields.

    Args:
        fields: their names, in the order of the parts of its value.
        separator: between the parts.
        required: how many parts there must be; the rest keep their defaults.
        example: a value, for help and errors.
        help: for `--help`.
    """

    fields: tuple[str, ...]
    separator: str
    required: int
    example: str
    help: str


MERGED = {
    "image_size": Merged(
        ("image_width", "image_height"),
        "x",
        2,
        "144x96",
        "Columns and rows that pictures are scaled to, as in 144x96; empty with --features.",
    ),
    "cells": Merged(
        ("attention_3", "attention_4", "answer_3", "answer_4"),
        ",",
        4,
        "4,2,1,1",
        "Modules (Table 3): attention modules that read one map and two maps, answer modules that read "
        "one map and two maps. 4,2,1,1 is LNMN-9.",
    ),
    "decay": Merged(
        ("decay", "decay_start", "final_learning_rate"),
        ":",
        1,
        "linear:0.7:0.02",
        "How the weights' learning rate goes on after the warm-up: constant, cosine or linear; where that "
        "begins, as a share of the steps; and where it ends, as a share of --learning_rate. As in "
        "linear:0.7:0.02; with linear alone it begins at once and ends at 0.",
    ),
    "picture_size": Merged(
        ("picture_width", "picture_height"),
        "x",
        2,
        "480x320",
        "Columns and rows of a picture of the embedded world.",
    ),
    "backbone": Merged(
        ("backbone", "backbone_layer", "preprocessing"),
        ":",
        1,
        "resnet101:conv4:torchvision",
        "The network that makes features of pictures: efficientnet_lite0, resnet101 or resnet152. Then the "
        "layer whose output they are: reduction8, reduction16 (the usual one) or reduction32 of "
        "efficientnet_lite0; conv3, conv4 (usual of resnet101) or conv5 (of resnet152). Then what is done to "
        "pixels, which belongs to the weights: lite; or, of a ResNet, keras (usual) or torchvision.",
    ),
}


def settable() -> dict[str, dataclasses.Field]:
    """The fields that a command line sets, by name."""
    fields = (field for title in FLAG_SECTIONS for field in section_fields(title))
    return {field.name: field for field in fields if field.metadata["help"]}


def flag_of(name: str) -> str:
    """The flag that sets a field."""
    flag = settable()[name].metadata["flag"]
    return name if flag is True else flag or SET


def fields_of(flag: str) -> tuple[str, ...]:
    """The fields that a flag sets; of a command, itself."""
    return MERGED[flag].fields if flag in MERGED else (flag,)


def flag_names() -> tuple[str, ...]:
    """All flags but --mode."""
    return flags_of([*COMMANDS, *settable()])


def flags_of(names: Iterable[str]) -> tuple[str, ...]:
    """The flags that set some commands and fields; `--set` comes last."""
    flags = dict.fromkeys(name if name in COMMANDS else flag_of(name) for name in names)
    return tuple(sorted(flags, key=lambda flag: flag == SET))


def expand(given: Mapping[str, Any], sets: Iterable[str]) -> dict[str, Any]:
    """The values of fields, by name.

    Args:
        given: texts of flags, or values that are typed already, by the name of the flag.
        sets: of `--set`, each FIELD=VALUE; of one field, the last one holds.

    Raises:
        InputError: no such field, one that has a flag of its own, or a text of another type.
    """
    fields, values = settable(), {}
    for flag, value in given.items():
        if flag in MERGED:
            values |= _parts(flag, value)
        else:
            values[flag] = _typed(fields[flag], value, f"--{flag}") if flag in fields else value
    for text in sets:
        name, equals, value = text.partition("=")
        if name not in fields or fields[name].metadata["flag"]:
            raise InputError(f"--set={text}: {_is_none(name)}")
        if not equals:
            raise InputError(f"--set={text}: has no value; expected --set={name}=VALUE")
        values[name] = _typed(fields[name], value, name)
    return values


def to_flags(choices: Mapping[str, Any]) -> str:
    """A flagfile that gives the same values of commands and fields."""
    fields, lines = settable(), {}
    for name in choices:
        flag = flag_of(name) if name in fields else name
        if flag in MERGED:
            merged = MERGED[flag]
            parts = [flag_text(choices.get(part, fields[part].default)) for part in merged.fields]
            lines[flag] = f"--{flag}={merged.separator.join(parts)}"
        else:
            prefix = f"--{SET}={name}" if flag == SET else f"--{flag}"
            lines[name] = f"{prefix}={flag_text(choices[name])}"
    return "".join(f"{line}\n" for line in lines.values())


def unknown_flag(name: str) -> InputError:
    """What to raise for a flag that does not exist."""
    if name in settable():
        return InputError(f"--{name} is no flag, but a field: expected {how_to_set(name)}")
    return InputError(f"--{name} is no flag{did_you_mean(name, flag_names(), settable())}")


def how_to_set(name: str) -> str:
    """The flag that sets a field, with an example of its value."""
    flag = flag_of(name)
    if flag == SET:
        return f"--set={name}=VALUE"
    return f"--{flag}={MERGED[flag].example}" if flag in MERGED else f"--{flag}"


def did_you_mean(name: str, flags: Iterable[str], fields: Iterable[str] = ()) -> str:
    """Advice on the nearest of some flags, or else of the fields that no flag sets."""
    flags = [flag for flag in flags if flag != SET]
    fields = [field for field in fields if field not in flags]
    nearest = difflib.get_close_matches(name, [*flags, *fields], 1, 0.6)
    if not nearest:
        return ""
    return f"; did you mean {'--' + nearest[0] if nearest[0] in flags else how_to_set(nearest[0])}?"


def _is_none(name: str) -> str:
    if name in (*COMMANDS, *settable()):
        return (
            f"{name} has a flag; expected {how_to_set(name) if name in settable() else '--' + name}"
        )
    fields = [field for field in settable() if flag_of(field) == SET]
    nearest = difflib.get_close_matches(name, fields, 1, 0.6)
    return f"no field is called {name!r}" + (
        f"; did you mean --set={nearest[0]}=VALUE?" if nearest else "; --helpfull lists the fields"
    )


def _parts(flag: str, text: str) -> dict[str, Any]:
    merged, fields = MERGED[flag], settable()
    parts = text.split(merged.separator)
    if not text and merged.required > 1:
        return {name: fields[name].default for name in merged.fields}
    if not merged.required <= len(parts) <= len(merged.fields):
        raise InputError(f"--{flag} is {text!r}; expected it as in --{flag}={merged.example}")
    values = {name: fields[name].default for name in merged.fields}
    for name, part in zip(merged.fields, parts):
        try:
            values[name] = parse_value(fields[name], part)
        except ValueError:
            raise InputError(
                f"--{flag} is {text!r}; expected it as in --{flag}={merged.example}"
            ) from None
    return values


def _typed(field: dataclasses.Field, value: Any, name: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_value(field, value)
    except ValueError:
        raise InputError(f"{name} is {value!r}; expected {describe_type(field)}") from None
