"""The one exception whose message is meant for the person at the keyboard, and how it is shown."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

# What stands around a reason: places in the graph, and the number and code of one reason of several.
_AROUND = re.compile(r"^\[\[.*|^\{\{.*?\}\}\s*|^\(\d+\) [A-Z_]+:\s*|\s*\[Op:\w+\]$")
_COUNT = re.compile(r"\d+ (successful operations|derived errors ignored|root error\(s\) found)\.")


class InputError(Exception):
    """Something that the user gave is wrong: a flag, a file, a field.

    The message names what was read (file, field or flag), the value that was found, and what would
    be right. `lnmn_tf.main` prints it without a traceback and exits with code 1.
    """


def exit_code(function: Callable, *arguments) -> int:
    """Calls a function. Returns 0, or 1 after an error that the user can mend, which is printed."""
    try:
        function(*arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except BrokenPipeError:
        pass  # nobody reads on, as in `... --help | head`
    except OSError as error:
        print(f"error: {error.filename or 'writing'}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt as stop:
        print("; ".join(["stopped", *map(str, stop.args)]), file=sys.stderr)
    else:
        return 0
    return 1


def sentence(message: str) -> str:
    """The reason in an error of TensorFlow, without where in the graph it arose."""
    lines = [_AROUND.sub("", line.strip()) for line in message.splitlines()]
    reasons = [line for line in lines if line and not _COUNT.fullmatch(line)]
    return re.sub(r"^assertion failed: \[(.*)\]$", r"\1", (reasons or ["no reason is given"])[-1])
