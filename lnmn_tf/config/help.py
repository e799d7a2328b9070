"""The texts of --help and --helpfull."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lnmn_tf.config.command import COMMANDS
from lnmn_tf.config.flags import MERGED, SET, SET_HELP, Merged, flags_of, settable
from lnmn_tf.config.modes import MODES, Mode, fields
from lnmn_tf.config.option import flag_text
from lnmn_tf.config.run import FLAG_SECTIONS, differs_by_model

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
    """All flags of one mode, and what --set sets."""
    rest = [
        name for name in mode.names if name in settable() and not settable()[name].metadata["flag"]
    ]
    known = [f"    --set={name}: {_text_and_default(name)}" for name in rest]
    return "\n".join([f"--mode={mode.name}: {mode.text}", *_describe(mode.flags), *known])


def full_help(head: str) -> str:
    """All flags, and all fields that --set sets, with help and default, section by section."""
    lines = [head, "\nCommands:", f"  --mode: What to do: {', '.join(MODES)}. (train)"]
    lines += _describe([*COMMANDS, SET])
    for title in FLAG_SECTIONS:
        names = fields(title)
        own = [flag for flag in flags_of(names) if flag != SET]
        rest = [name for name in names if not settable()[name].metadata["flag"]]
        lines += [f"\n{title.capitalize()}:", *_describe(own)]
        lines += [f"    --set={name}: {_text_and_default(name)}" for name in rest]
    return "\n".join(lines)


def _describe(flags: Iterable[str]) -> Iterator[str]:
    for flag in flags:
        yield f"  --{flag}: {_text_and_default(flag)}"


def _default_of(merged: Merged) -> str:
    """Of its fields; those that are 0 or empty are not said."""
    parts = [settable()[name].default for name in merged.fields]
    return merged.separator.join(flag_text(part) for part in parts if part)


def _text_and_default(name: str) -> str:
    if name == SET:
        return SET_HELP
    if name in COMMANDS:
        default, text = COMMANDS[name]
    elif name in MERGED:
        text, default = MERGED[name].help, _default_of(MERGED[name])
    else:
        text, default = settable()[name].metadata["help"], settable()[name].default
    default = "as the model says" if differs_by_model(name) else flag_text(default)
    return text + (f" ({default})" if default else "")
