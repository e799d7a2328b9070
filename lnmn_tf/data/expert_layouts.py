"""Expert layouts: which module a stack machine should run at each step, from CLEVR's programs.

Hu et al. (ECCV 2018) supervise the controller of Stack-NMN with them. A program becomes modules in
reverse Polish order, each of which takes its maps from the stack and leaves one there:

    filter_*                                find right after scene, else filter
    relate, same_*                          transform
    intersect, union                        and, or
    count, exist, query_*                   describe_one
    equal_*, greater_than, less_than        describe_two; the count or query_* under it is dropped
    scene                                   scene, unless a filter follows
    unique                                  dropped
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lnmn_tf.config.names import STACK_NMN_MODULES
from lnmn_tf.data.programs import program_functions, program_inputs
from lnmn_tf.data.question_set import NO_MODULE, QuestionSet
from lnmn_tf.errors import InputError

# Modules of a layout; an id is a position here. They are Stack-NMN's, in the order of its config.
MODULES = STACK_NMN_MODULES

_ATTRIBUTES = ("color", "material", "shape", "size")
_MODULE_OF = {
    "scene": "scene",
    "unique": None,
    "relate": "transform",
    "intersect": "and",
    "union": "or",
    "count": "describe_one",
    "exist": "describe_one",
    **dict.fromkeys(("equal_integer", "greater_than", "less_than"), "describe_two"),
    **{f"filter_{attribute}": "filter" for attribute in _ATTRIBUTES},
    **{f"same_{attribute}": "transform" for attribute in _ATTRIBUTES},
    **{f"query_{attribute}": "describe_one" for attribute in _ATTRIBUTES},
    **{f"equal_{attribute}": "describe_two" for attribute in _ATTRIBUTES},
}
# What a comparison drops of the function that it reads; `exist` it keeps.
_DROPPED = frozenset({"count", *(f"query_{attribute}" for attribute in _ATTRIBUTES)})

_LONGEST = 1000  # modules; what is read twice is run twice, so a small program can be a long layout

# Cells of LNMN that can do a module's work, by the name of their kind: the first kinds that a model has.
# The paper's cells never push; there a find writes over the map at the top, as a filter does.
_KINDS = {
    "no_op": (("no_op",),),
    "find": (("push_3",), ("attention_3",)),
    "scene": (("push_3",), ("attention_3",)),
    "filter": (("attention_3", "relate_3"),),
    "transform": (("attention_3", "relate_3"),),
    "and": (("attention_4",),),
    "or": (("attention_4",),),
    "describe_one": (("answer_3",), ("answer_4",)),
    "describe_two": (("answer_4",), ("answer_3",)),
}


def expert_layout(program: Any) -> list[str]:
    """The modules of a program, in the order in which a stack machine runs them.

    Args:
        program: a list of CLEVR's nodes, with "function" (or "type") and "inputs".

    Returns:
        Names out of `MODULES`, without `no_op`.

    Raises:
        InputError: the program is malformed, or does not end in one function.

    >>> scene = {"function": "scene", "inputs": []}
    >>> cube = {"function": "filter_shape", "inputs": [0], "value_inputs": ["cube"]}
    >>> expert_layout([scene, cube, {"function": "count", "inputs": [1]}])
    ['find', 'describe_one']
    """
    functions, inputs = program_functions(program), program_inputs(program)
    dropped = set()
    for position, function in enumerate(functions):
        if _MODULE_OF[function] == "describe_two":
            under = [read for read in inputs[position] if functions[read] in _DROPPED]
            dropped.update(under)
            inputs[position] = [
                inputs[read][0] if read in under else read for read in inputs[position]
            ]
    # The last function is the one that nobody reads. A scene that nobody reads is a leftover.
    read = {
        index for position, reads in enumerate(inputs) if position not in dropped for index in reads
    }
    roots = [position for position in range(len(functions)) if position not in read | dropped]
    if len(roots) > 1:
        roots = [position for position in roots if functions[position] != "scene"]
    if len(roots) != 1:
        raise InputError(
            f"field 'program' ends in {len(roots)} functions that nothing reads; expected one"
        )
    modules = [_MODULE_OF[functions[position]] for position in _post_order(inputs, roots[0])]
    layout = []
    for position, module in enumerate(modules):
        following = modules[position + 1] if position + 1 < len(modules) else None
        if module == "scene" and following == "filter":
            continue
        if module == "filter" and position and modules[position - 1] == "scene":
            module = "find"
        if module is not None:
            layout.append(module)
    return layout


def without_repeated_filters(layout: Sequence[str]) -> list[str]:
    """The layout with one look in the place of several in a row, as Stack-NMN is trained.

    One module can look for a "large red cube"; so a filter right after a find or a filter goes.
    """
    return [
        module
        for position, module in enumerate(layout)
        if module != "filter" or not position or layout[position - 1] not in ("find", "filter")
    ]


def layout_ids(program: Any) -> list[int]:
    """Ids in `MODULES` of a program's layout without repeated filters; see `expert_layout`."""
    return [MODULES.index(module) for module in without_repeated_filters(expert_layout(program))]


def layouts_of(question_set: QuestionSet, num_steps: int) -> np.ndarray:
    """The expert's module at each step, for every question.

    A layout of more modules than the model has steps cannot be run. Its question is left without one.

    Args:
        question_set: N questions with programs.
        num_steps: T; `no_op` fills up to it.

    Returns:
        int32 [N, T], ids in `MODULES`; `NO_MODULE` at all steps where the layout is longer than T.

    Raises:
        InputError: a question has no (well-formed) program.
    """
    layouts = question_set.layouts
    lengths = np.zeros(len(question_set), int) if layouts is None else (layouts != NO_MODULE).sum(1)
    if (lengths == 0).any():
        raise InputError(
            f"{question_set.describe(int((lengths == 0).argmax()))} has no program, or one that is not "
            f"well-formed (as have {(lengths == 0).sum()} of {len(question_set)}); expected a "
            "program of every question, as --layout_loss_weight needs"
        )
    steps = np.full([len(question_set), num_steps], MODULES.index("no_op"), np.int32)
    if layouts is not None:
        kept = layouts[:, :num_steps]
        steps[:, : kept.shape[1]] = np.where(kept == NO_MODULE, MODULES.index("no_op"), kept)
    steps[lengths > num_steps] = NO_MODULE
    return steps


def allowed_modules(module_names: Sequence[str]) -> np.ndarray:
    """Which modules of a model may do the work of each module of a layout.

    For Stack-NMN that is the module of the same name. For LNMN it is every cell of the kind that moves
    the stack alike: a find pushes, a filter replaces the map at the top, and and or replace two maps by
    one. Only `RelationalLNMN` has cells that push; in the paper's LNMN a find is a 3-input attention cell,
    which replaces the map at the top.

    Args:
        module_names: of the model, M of them.

    Returns:
        float32 [len(MODULES), M], of zeros and ones.

    Raises:
        InputError: the model has no module for one of them.
    """
    allowed = np.zeros([len(MODULES), len(module_names)], np.float32)
    for row, module in zip(allowed, MODULES):
        for kinds in ((module,), *_KINDS[module]):
            row[:] = [name.partition(".")[0] in kinds for name in module_names]
            if row.any():
                break
        else:
            wanted = " or ".join(kind for kinds in _KINDS[module] for kind in kinds)
            raise InputError(
                f"--layout_loss_weight: the model has the modules {', '.join(module_names)}, but none "
                f"that can do the work of {module!r}; expected {wanted}"
            )
    return allowed


def _post_order(inputs: list[list[int]], root: int) -> list[int]:
    """Functions in reverse Polish order; one that is read twice is run twice."""
    order, pending = [], [root]
    while (
        pending
    ):  # a function, then its inputs from the last to the first: the reverse of what we want
        position = pending.pop()
        order.append(position)
        pending.extend(inputs[position])
        if len(order) > _LONGEST:
            raise InputError(f"field 'program' has a layout of more than {_LONGEST} modules")
    return order[::-1]
