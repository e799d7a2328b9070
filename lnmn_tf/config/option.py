"""One choice of a run: its default, its help text and its bounds, written once.

Flags, `--help`, validation and the JSON on disk all walk the fields that `option` makes.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from lnmn_tf.errors import InputError

LARGEST = 2**31 - 1


def option(
    default: Any,
    help: str = "",
    *,
    choices: tuple = (),
    minimum: float = -math.inf,
    above: float = -math.inf,
    maximum: float | None = None,
    below: float = math.inf,
    flag: bool | str = True,
    may_change: bool = False,
    may_grow: bool = False,
) -> Any:
    """A dataclass field.

    Args:
        default: also says the type: bool, int, float, str, or a tuple of int, float or str.
        help: for `--help`; unit and meaning of special values included, and the reason of the default
            where no flag sets it. Empty = found in the data, never chosen.
        choices: the values allowed; empty = any.
        minimum, maximum: bounds of a number (of each number of a tuple), themselves allowed; without a
            maximum, whole numbers go as far as those of 32 bits.
        above, below: bounds, themselves not allowed.
        flag: True = a flag of this name sets it; a name = that flag sets it with others; False =
            `--set` does.
        may_change: a checkpoint made with another value still fits.
        may_grow: one made with a smaller value does.
    """
    if maximum is None:
        whole = type(default[0] if isinstance(default, tuple) and default else default) is int
        maximum = LARGEST if whole else math.inf
    checks = {
        "choices": choices,
        "minimum": minimum,
        "above": above,
        "maximum": maximum,
        "below": below,
    }
    metadata = {
        "help": help,
        "flag": flag,
        "may_change": may_change,
        "may_grow": may_grow,
        **checks,
    }
    return dataclasses.field(default=default, metadata=metadata)


def label(field: dataclasses.Field) -> str:
    """A field as errors name it: --name, or name where it has no flag of its own."""
    flag = field.metadata["flag"]
    if flag is True or flag == field.name:
        return f"--{field.name}"
    return f"{field.name} (--{flag})" if flag else field.name


def validate(config: Any) -> None:
    """Holds every field of a config against its type, its choices and its bounds.

    Raises:
        InputError: names the flag, its value, and what would be right.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = label(field)
        if not _is_like(value, field.default):
            raise InputError(f"{name} is {value!r}; expected {_describe_type(field.default)}")
        if field.metadata["choices"] and value not in field.metadata["choices"]:
            choices = ", ".join(map(str, field.metadata["choices"]))
            raise InputError(f"{name} is {value!r}; expected one of: {choices}")
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(_is_within(number, field.metadata) for number in numbers):
            raise InputError(f"{name} is {value!r}; expected {_bounds(field.metadata, numbers)}")


def parse_value(field: dataclasses.Field, text: str) -> Any:
    """The value of a field from its text on a command line; `flag_text` is the inverse.

    Raises:
        ValueError: no value of the field's type.
    """
    default: Any = field.default
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(default, tuple):
        kind = type(default[0]) if default else str
        return tuple(kind(entry.strip()) for entry in text.split(",")) if text else ()
    return type(default)(text)


def flag_text(value: Any) -> str:
    """A value as it stands on a command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def describe_type(field: dataclasses.Field) -> str:
    """What the values of a field are, for errors."""
    return _describe_type(field.default)


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        kinds: tuple[type, ...] = (type(default[0]),) if default else (int, str)
        kinds += (int,) if kinds == (float,) else ()
        return isinstance(value, tuple) and all(type(entry) in kinds for entry in value)
    if isinstance(default, float):
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is type(default)


def _describe_type(default: Any) -> str:
    if isinstance(default, tuple):
        names = {int: "a list of whole numbers", float: "a list of numbers"}
        return names.get(type(default[0]), "a list") if default else "a list"
    kinds = {bool: "true or false", int: "a whole number", float: "a finite number", str: "a text"}
    return kinds[type(default)]


def _is_within(number: Any, bounds) -> bool:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return True
    return (
        bounds["minimum"] <= number <= bounds["maximum"]
        and bounds["above"] < number < bounds["below"]
    )


def _bounds(metadata, numbers: tuple) -> str:
    words = {
        "minimum": "at least",
        "above": "more than",
        "maximum": "at most",
        "below": "less than",
    }
    return " and ".join(
        f"{word} {metadata[name]:.12g}"
        for name, word in words.items()
        if math.isfinite(metadata[name]) and (metadata[name] != LARGEST or max(numbers) > LARGEST)
    )
