"""CLEVR's functional programs: which functions there are, and what a program says of its question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.errors import InputError

FAMILIES = ("count", "exist", "compare_number", "query_attribute", "compare_attribute")

_FAMILY_OF_LAST_FUNCTION = {
    "count": "count",
    "exist": "exist",
    **dict.fromkeys(("equal_integer", "greater_than", "less_than"), "compare_number"),
    **{f"query_{attribute}": "query_attribute" for attribute in ATTRIBUTES},
    **{f"equal_{attribute}": "compare_attribute" for attribute in ATTRIBUTES},
}
# The functions that step from one object to others.
_HOPS = frozenset({"relate", *(f"same_{attribute}" for attribute in ATTRIBUTES)})
_FUNCTIONS = frozenset(
    {"scene", "unique", "union", "intersect"}
    | {f"filter_{attribute}" for attribute in ATTRIBUTES}
    | _HOPS
    | _FAMILY_OF_LAST_FUNCTION.keys()
)


# How many results each function reads.
_ARITY = {
    **dict.fromkeys(_FUNCTIONS, 1),
    "scene": 0,
    **dict.fromkeys(("union", "intersect", "equal_integer", "greater_than", "less_than"), 2),
    **{f"equal_{attribute}": 2 for attribute in ATTRIBUTES},
}


def program_functions(program: Any) -> list[str]:
    """Names of a program's functions, in order.

    Args:
        program: list of nodes that name their function under "function" or, in some CLEVR files,
            under "type".

    Raises:
        InputError: the program is something else, or CLEVR has no such function.
    """
    try:
        functions = [node["function"] if "function" in node else node["type"] for node in program]
        unknown = [function for function in functions if function not in _FUNCTIONS]
    except (TypeError, KeyError):
        raise InputError(
            f"field 'program' is {str(program)[:80]!r}; expected a list of nodes, each with a "
            "'function' (or 'type')"
        ) from None
    if unknown:
        raise InputError(
            f"field 'program' has the unknown function {unknown[0]!r}; expected functions out of "
            f"{sorted(_FUNCTIONS)}"
        )
    return functions


def family_of(functions: Sequence[str]) -> str:
    """The family, one of `FAMILIES`, of a question whose program has these functions."""
    last = functions[-1] if functions else None
    if last not in _FAMILY_OF_LAST_FUNCTION:
        raise InputError(
            f"field 'program' ends in {last!r}, which gives no answer; expected one of "
            f"{sorted(_FAMILY_OF_LAST_FUNCTION)}"
        )
    return _FAMILY_OF_LAST_FUNCTION[last]


def question_family(program: Sequence[dict[str, Any]]) -> str:
    """The family of a question, one of `FAMILIES`, from the last function of its program.

    >>> question_family([{"function": "scene"}, {"function": "count"}])
    'count'
    """
    return family_of(program_functions(program))


def count_hops(functions: Sequence[str]) -> int:
    """How often a program steps from object to object (`relate`, `same_*`)."""
    return sum(function in _HOPS for function in functions)


def program_inputs(program: Any) -> list[list[int]]:
    """Which earlier functions each function of a program reads.

    Args:
        program: as for `program_functions`, with "inputs" in each node.

    Raises:
        InputError: see `program_functions`; or "inputs" is missing, has another number of entries than
            the function reads, or names a function that does not come before.
    """
    functions, inputs = program_functions(program), []
    for position, (node, function) in enumerate(zip(program, functions)):
        read = node.get("inputs")
        if not isinstance(read, list) or not all(
            type(index) is int and 0 <= index < position for index in read
        ):
            raise InputError(
                f"field 'program': function {position} ({function}) has the inputs {str(read)[:80]}; "
                f"expected a list of earlier functions, 0 to {position - 1}"
            )
        if len(read) != _ARITY[function]:
            raise InputError(
                f"field 'program': function {position} ({function}) has {len(read)} inputs; expected "
                f"{_ARITY[function]}"
            )
        inputs.append(read)
    return inputs
