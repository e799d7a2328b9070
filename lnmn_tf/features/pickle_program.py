"""Reads the few pickle instructions that a PyTorch state dict is written in, and runs nothing.

A pickle is a program. Here it is no more than a list of instructions (`pickletools.genops`), of which
those that build dicts, lists, tuples, texts and numbers are followed. A global is looked up in a table
of inert functions; whatever else the file asks for is refused before it is called.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from lnmn_tf.errors import InputError

MAX_INSTRUCTIONS = 5_000_000  # a state dict of 1,000 tensors has about 50,000
_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS = {"BININT", "BININT1", "BININT2", "INT", "LONG1", "BINFLOAT"}
_TEXTS = {
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
    "UNICODE",
    "BINSTRING",
    "SHORT_BINSTRING",
}
_VALUES = _NUMBERS | _TEXTS
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTHING = frozenset({"PROTO", "FRAME"})


class Attributes(dict):
    """A dict whose attributes (as of an OrderedDict in a pickle) are read and dropped."""


def read_pickle(
    stream: BinaryIO,
    globals_: Mapping[str, Callable[..., Any]],
    persistent: Callable[[Any], Any],
    where: str,
) -> Any:
    """The object that one pickle in a stream describes; the stream is left behind its end.

    Args:
        stream: bytes, at the start of a pickle.
        globals_: what stands for each global, by "module.name". They are called with the arguments
            that the file gives, so they must be inert and check them.
        persistent: what stands for an object that is kept elsewhere, by its id.
        where: the file, for messages.

    Raises:
        InputError: an instruction or global that is not allowed, or a damaged or endless pickle.
    """
    reader = _Reader(globals_, persistent, where)
    try:
        for number, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
            if number > MAX_INSTRUCTIONS:
                raise InputError(f"{where}: has more than {MAX_INSTRUCTIONS} pickle instructions")
            reader.follow(instruction.name, argument)
        return reader.result()
    except (ValueError, IndexError, KeyError, TypeError, UnicodeError, OverflowError) as error:
        raise InputError(
            f"{where}: is damaged or no PyTorch archive: {type(error).__name__}: {error}"
        ) from None


class _Reader:
    """The stack and the memo of one pickle."""

    def __init__(self, globals_, persistent, where: str):
        self._globals, self._persistent, self._where = globals_, persistent, where
        self._stack, self._memo = [], {}

    def result(self) -> Any:
        if len(self._stack) != 1:
            raise ValueError(f"{len(self._stack)} objects are left at its end; expected one")
        return self._stack[0]

    def follow(self, name: str, argument: Any) -> None:
        """One instruction; the names are those of `pickletools`."""
        stack = self._stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            stack.append(self._pop(_TUPLES[name]))
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self._memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self._memo[argument])
        elif name not in _NOTHING:
            follow = getattr(self, f"_{name.lower()}", None)
            if follow is None:
                raise self._refusal(f"the pickle instruction {name}")
            follow(argument)

    def _mark(self, _) -> None:
        self._stack.append(_MARK)

    def _empty_dict(self, _) -> None:
        self._stack.append({})

    def _empty_list(self, _) -> None:
        self._stack.append([])

    def _tuple(self, _) -> None:
        self._stack.append(self._pop_to_mark())

    def _append(self, _) -> None:
        (value,) = self._pop(1)
        self._target(list).append(value)

    def _appends(self, _) -> None:
        values = self._pop_to_mark()
        self._target(list).extend(values)

    def _setitem(self, _) -> None:
        key, value = self._pop(2)
        self._target(dict)[key] = value

    def _setitems(self, _) -> None:
        values = self._pop_to_mark()
        self._target(dict).update(zip(values[::2], values[1::2]))

    def _global(self, argument: str) -> None:
        self._look_up(argument.replace(" ", "."))

    def _stack_global(self, _) -> None:
        self._look_up(".".join(self._pop(2)))

    def _reduce(self, _) -> None:
        function, arguments = self._pop(2)
        if not any(function is known for known in self._globals.values()):
            raise self._refusal(f"a call of {function!r}")
        if not isinstance(arguments, tuple):
            raise TypeError("the arguments of a call are no tuple")
        self._stack.append(function(*arguments))

    def _build(self, _) -> None:
        self._pop(1)  # attributes: the version of each layer's format
        self._target(Attributes)

    def _binpersid(self, _) -> None:
        (identity,) = self._pop(1)
        self._stack.append(self._persistent(identity))

    def _stop(self, _) -> None:
        pass

    def _look_up(self, name: str) -> None:
        if name not in self._globals:
            raise self._refusal(f"the global {name!r}")
        self._stack.append(self._globals[name])

    def _pop(self, count: int) -> tuple:
        if len(self._stack) < count:
            raise IndexError("the stack is empty")
        values = tuple(self._stack[len(self._stack) - count :])
        del self._stack[len(self._stack) - count :]
        if any(value is _MARK for value in values):
            raise ValueError("a mark stands where an object is expected")
        return values

    def _pop_to_mark(self) -> tuple:
        stack = self._stack
        mark = next((i for i in reversed(range(len(stack))) if stack[i] is _MARK), None)
        if mark is None:
            raise ValueError("a mark is missing")
        values = tuple(stack[mark + 1 :])
        del stack[mark:]
        return values

    def _target(self, kind: type) -> Any:
        target = self._stack[-1]
        if not isinstance(target, kind):
            raise TypeError(f"{type(target).__name__} stands where {kind.__name__} is expected")
        return target

    def _refusal(self, what: str) -> InputError:
        return InputError(
            f"{self._where}: asks for {what}; expected the names and tensors of a state dict alone"
        )
