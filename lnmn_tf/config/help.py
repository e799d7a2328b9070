"""The texts of --help and --helpfull."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lnmn_tf.config.command import COMMANDS
from lnmn_tf.config.modes import MODES, Mode
from lnmn_tf.config.run import (
    FLAG_SECTIONS,
    all_options,
    differs_by_model,
    flag_text,
    section_fields,
)

_MORE = (
    "\n--mode=NAME --help prints all flags of one mode, --helpfull all flags. --flagfile=FILE reads "
    "flags from\na file; the command line wins over it."
)


def short_help(head: str) -> str:
    """The flags that people need, grouped by what they want to do."""
    lines, shown = [head], set()
    for mode in MODES.values():
        lines.append(f"\n--mode={mode.name}: {mode.text}")
        lines += _describe(name for name in mode.shown if name not in shown)
        shown.update(mode.shown)
    return "\n".join([*lines, _MORE])


def mode_help(mode: Mode) -> str:
    """All flags of one mode."""
    return "\n".join([f"--mode={mode.name}: {mode.text}", *_describe(mode.flags)])


def full_help(head: str) -> str:
    """All flags, with help and default, section by section."""
    lines = [head, "\nCommands:", f"  --mode: What to do: {', '.join(MODES)}. (train)"]
    lines += _describe(COMMANDS)
    for title in FLAG_SECTIONS:
        names = [field.name for field in section_fields(title) if field.metadata["flag"]]
        lines += [f"\n{title.capitalize()}:", *_describe(names)]
    return "\n".join(lines)


def _describe(names: Iterable[str]) -> Iterator[str]:
    fields = {field.name: field for field in all_options()}
    for name in names:
        if name in COMMANDS:
            default, text = COMMANDS[name]
        else:
            text, default = fields[name].metadata["help"], fields[name].default
        default = "as the model says" if differs_by_model(name) else flag_text(default)
        yield f"  --{name}: {text}" + (f" ({default})" if default else "")
