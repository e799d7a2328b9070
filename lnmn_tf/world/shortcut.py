"""Readers that leave something out: what a network can get right without it.

Of the things that fit "cube left of the ball" the only one is the leftmost cube, whatever the ball is: any cube further left
would be left of the ball as well. So a program that asks for one thing needs no ball. One that counts does; a guess
without it is the cubes that lie left of the middle of all cubes.

"What color is the other metal cube that has the same size as .." can mean no feature but the size: it asks for the color, and says
material and shape. So a program need not name the feature where it speaks of all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.world.programs import (
    FUNCTIONS,
    IllPosed,
    SceneGraph,
    answer_text,
    execute,
    function_of,
    indices_of,
    mask_of,
)


def answer_without_start(
    program: Sequence[Mapping[str, Any]], scene: Mapping[str, Any]
) -> str | None:
    """Answers a program whose relations say a direction alone.

    Of the things that fit the description behind a relation, `unique` takes the furthest one in its direction, and any other
    function those beyond the middle of these things. All else is executed as it is.

    Args:
        program: CLEVR's nodes.
        scene: in CLEVR's JSON form, with `3d_coords` and `directions`.

    Returns:
        The answer; None where a `unique` finds no thing, or several.
    """
    graph = SceneGraph(scene)
    values: list[Any] = []
    directions: dict[int, np.ndarray] = {}  # of the sets that a relation has not narrowed yet
    for node in program:
        name, inputs = function_of(node), node["inputs"]
        if name == "relate":
            directions[len(values)] = np.array(scene["directions"][node["value_inputs"][0]])
            values.append(graph.everything)
            continue
        read = [values[index] for index in inputs]
        if name.startswith("filter_"):
            if inputs[0] in directions:
                directions[len(values)] = directions[inputs[0]]
        else:
            read = [
                _narrowed(scene, value, directions[index], name == "unique")
                if index in directions
                else value
                for index, value in zip(inputs, read)
            ]
        try:
            values.append(FUNCTIONS[name].apply(graph, *read, *node["value_inputs"]))
        except IllPosed:
            return None
    return answer_text(values[-1])


def _narrowed(scene: Mapping[str, Any], things: int, direction: np.ndarray, one: bool) -> int:
    """Of a set of things, a mask, the furthest one, or those beyond their middle."""
    fitting = indices_of(things)
    if not fitting:
        return 0
    along = np.array([np.dot(scene["objects"][i]["3d_coords"], direction) for i in fitting])
    if one:
        return 1 << fitting[int(along.argmax())]
    return mask_of(i for i, place in zip(fitting, along) if place > along.mean())


def answer_without_feature(
    program: Sequence[Mapping[str, Any]], scene: Mapping[str, Any]
) -> str | None:
    """Answers a program with one `same_*` as if that did not say which feature is the same.

    Returns:
        What most of `answers_by_feature` are; of several, that of the feature which CLEVR's programs filter first. None where there
        is none.
    """
    answers = list(answers_by_feature(program, scene).values())
    return max(answers, key=answers.count, default=None)


def answers_by_feature(
    program: Sequence[Mapping[str, Any]], scene: Mapping[str, Any]
) -> dict[str, str]:
    """Answers of a program with one `same_*`, for each feature that may be meant.

    These are the features of which the program does not speak behind it, by a filter or in what it asks for.

    Args:
        program: CLEVR's nodes.
        scene: in CLEVR's JSON form.

    Returns:
        {feature: answer}, without features for which a `unique` finds no thing, or several.
    """
    graph, place = SceneGraph(scene), place_of_same(program)
    spoken_of = {function_of(node).partition("_")[2] for node in program[place + 1 :]}
    answers = {}
    for feature in ATTRIBUTES:
        if feature not in spoken_of:
            tried = {**program[place], "function": f"same_{feature}"}
            try:
                answers[feature] = execute([*program[:place], tried, *program[place + 1 :]], graph)
            except IllPosed:
                continue
    return answers


def place_of_same(program: Sequence[Mapping[str, Any]]) -> int:
    """The position of the first `same_*` in a program; -1 where it has none."""
    functions = [function_of(node) for node in program]
    return next((i for i, name in enumerate(functions) if name.startswith("same_")), -1)
