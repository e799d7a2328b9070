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
