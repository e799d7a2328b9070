"""CLEVR's functional programs: its functions, and their execution on a scene graph.

A program is CLEVR's list of nodes in execution order, `{"function", "inputs", "value_inputs"}`,
where `inputs` are positions of earlier nodes and the last node's value is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lnmn_tf.data.attributes import ATTRIBUTES

DIRECTIONS = ("left", "right", "front", "behind")
MAX_COUNT = 10


class IllPosed(Exception):
    """The question has no answer on this scene: `unique` was given no object, or several."""


class SceneGraph:
    """A scene's objects, attributes and relations, as bit masks: bit i stands for object i.

    Args:
        scene: a scene in CLEVR's JSON form, with `objects` and `relationships`.

    Attributes:
        objects: the scene's objects, each with `size`, `color`, `material`, `shape`.
        everything: the mask of all objects.
        having: `having[attribute][value]` is the mask of the objects with that value.
        related: `related[direction][i]` is the mask of the objects in that direction of object i.
    """

    def __init__(self, scene: Mapping[str, Any]):
        self.objects = scene["objects"]
        self.everything = (1 << len(self.objects)) - 1
        self.having = {
            attribute: {
                value: mask_of(i for i, item in enumerate(self.objects) if item[attribute] == value)
                for value in values
            }
            for attribute, values in ATTRIBUTES.items()
        }
        self.related = {
            direction: [mask_of(related) for related in scene["relationships"][direction]]
            for direction in DIRECTIONS
        }


def mask_of(indices) -> int:
    """Returns the mask with the bits of `indices` set."""
    return sum(1 << index for index in indices)


def indices_of(mask: int) -> list[int]:
    """Returns the objects of a mask, in increasing order."""
    return [index for index in range(mask.bit_length()) if mask >> index & 1]


class Function(NamedTuple):
    """One function of CLEVR.

    Attributes:
        arity: how many earlier nodes it reads.
        apply: `(graph, *inputs, *value_inputs) -> value`. A value is a mask (a set of objects), an
            object's index, an attribute's value, a number or a bool.
    """

    arity: int
    apply: Callable[..., Any]


def _unique(graph: SceneGraph, objects: int) -> int:
    if objects == 0 or objects & (objects - 1):
        raise IllPosed(f"unique found objects {indices_of(objects)}; a well-posed question has one")
    return objects.bit_length() - 1


def _functions_of_attribute(attribute: str) -> dict[str, Function]:
    def filter_(graph: SceneGraph, objects: int, value: str) -> int:
        return objects & graph.having[attribute][value]

    def same(graph: SceneGraph, item: int) -> int:
        return graph.having[attribute][graph.objects[item][attribute]] & ~(1 << item)

    return {
        f"filter_{attribute}": Function(1, filter_),
        f"same_{attribute}": Function(1, same),
        f"query_{attribute}": Function(1, lambda graph, item: graph.objects[item][attribute]),
        f"equal_{attribute}": Function(2, lambda graph, one, other: one == other),
    }


FUNCTIONS = {
    "scene": Function(0, lambda graph: graph.everything),
    "unique": Function(1, _unique),
    "relate": Function(1, lambda graph, item, direction: graph.related[direction][item]),
    "intersect": Function(2, lambda graph, one, other: one & other),
    "union": Function(2, lambda graph, one, other: one | other),
    "count": Function(1, lambda graph, objects: bin(objects).count("1")),
    "exist": Function(1, lambda graph, objects: objects != 0),
    "equal_integer": Function(2, lambda graph, one, other: one == other),
    "less_than": Function(2, lambda graph, one, other: one < other),
    "greater_than": Function(2, lambda graph, one, other: one > other),
    **{
        name: function
        for attribute in ATTRIBUTES
        for name, function in _functions_of_attribute(attribute).items()
    },
}


def function_of(node: Mapping[str, Any]) -> str:
    """Returns a node's function; CLEVR's own generator calls the key `type`, its release `function`."""
    return node["function"] if "function" in node else node["type"]


def execute(program: Sequence[Mapping[str, Any]], scene: Mapping[str, Any] | SceneGraph) -> str:
    """Answers a program on a scene.

    Args:
        program: CLEVR's nodes.
        scene: a scene in CLEVR's JSON form, or its graph where many programs ask of one scene.

    Returns:
        "yes" or "no", a number from "0", or an attribute's value.

    Raises:
        IllPosed: a `unique` of the program does not find exactly one object.
        ValueError: the program names a function that CLEVR does not have.
    """
    graph = scene if isinstance(scene, SceneGraph) else SceneGraph(scene)
    values: list[Any] = []
    for node in program:
        name = function_of(node)
        if name not in FUNCTIONS:
            raise ValueError(f"program: function {name!r}; expected one of {sorted(FUNCTIONS)}")
        inputs = (values[index] for index in node["inputs"])
        values.append(FUNCTIONS[name].apply(graph, *inputs, *node["value_inputs"]))
    return answer_text(values[-1])


def answer_text(value: bool | int | str) -> str:
    """Returns a program's last value as CLEVR writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def possible_answers(function: str) -> tuple[str, ...]:
    """Returns every answer that a program ending in `function` can have, on up to ten objects."""
    if function == "count":
        return tuple(str(number) for number in range(MAX_COUNT + 1))
    kind, _, attribute = function.partition("_")
    return ATTRIBUTES[attribute] if kind == "query" else ("yes", "no")
