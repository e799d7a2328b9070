"""How far a learned layout is the one that an expert would write (`lnmn_tf.data.expert_layouts`).

Nothing asks a network for the expert's layout where none was taught: another one may do the same work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lnmn_tf.analysis.subject import Subject
from lnmn_tf.data.expert_layouts import MODULES, allowed_modules
from lnmn_tf.data.question_set import NO_MODULE
from lnmn_tf.errors import InputError

_EXPERTS_NO_OP = MODULES.index("no_op")


def agreement(
    weights: np.ndarray, expert: np.ndarray, no_op: int | None = None
) -> dict[str, float]:
    """How far layouts are those of an expert.

    Args:
        weights: as executed, [N, steps, modules].
        expert: 1 for each module that can do the work of the expert's, else 0; [N, steps, modules].
        no_op: index of the module that does nothing; None = there is none.

    Returns:
        "weight": mean weight of the expert's modules; "steps": share of steps at which one of them is the
        strongest; "programs": share of questions with all steps so; "in_order": the same, where steps
        that do nothing are left out on both sides.
    """
    strongest = np.argmax(weights, axis=-1)
    same = np.take_along_axis(expert, strongest[..., None], axis=-1)[..., 0] > 0
    return {
        "weight": float((weights * expert).sum(axis=-1).mean()),
        "steps": float(same.mean()),
        "programs": float(same.all(axis=-1).mean()),
        "in_order": float(np.mean([_in_order(*pair, no_op) for pair in zip(strongest, expert)])),
    }


def _in_order(strongest: np.ndarray, expert: np.ndarray, no_op: int | None) -> bool:
    ran = [module for module in strongest if module != no_op]
    wanted = [row for row in expert if no_op is None or not row[no_op]]
    return len(ran) == len(wanted) and all(row[module] for module, row in zip(ran, wanted))


def experts_modules(
    layouts: np.ndarray, module_names: Sequence[str], num_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which modules of a network the expert would run at each step.

    Args:
        layouts: ids of the expert's modules, [N, L], `NO_MODULE` after their end.
        module_names: of the network, M of them.
        num_steps: T.

    Returns:
        (the questions that have a layout of at most T modules, int [n]; zeros and ones, [n, T, M]).

    Raises:
        InputError: the network has no module for one of the expert's.
    """
    allowed = allowed_modules(module_names)
    lengths = (layouts != NO_MODULE).sum(axis=1)
    fitting = np.flatnonzero((lengths > 0) & (lengths <= num_steps))
    steps = np.full([len(fitting), num_steps], _EXPERTS_NO_OP)
    width = min(num_steps, layouts.shape[1])
    chosen = layouts[fitting, :width]
    steps[:, :width] = np.where(chosen == NO_MODULE, _EXPERTS_NO_OP, chosen)
    return fitting, allowed[steps]


def compared_with_expert(
    subject: Subject, weights: np.ndarray, seed: int = 0
) -> dict[str, Any] | None:
    """Agreement over all questions whose layout fits into the steps, by family, and by chance.

    Chance is what the same layouts reach when they are dealt to the questions anew.

    Args:
        subject: the network and its questions.
        weights: as executed, [N, steps, modules].
        seed: of the deal.

    Returns:
        None where questions have no programs, or the network has other kinds of modules.
    """
    questions, names = subject.questions, subject.probe.module_names
    if questions.layouts is None:
        return None
    try:
        fitting, expert = experts_modules(questions.layouts, names, weights.shape[1])
    except InputError:
        return None
    if not len(fitting):
        return None
    no_op = names.index("no_op") if "no_op" in names else None
    dealt = np.random.default_rng(seed).permutation(fitting)
    families = questions.families[fitting]
    return {
        "questions": len(fitting),
        "of": len(questions),
        **agreement(weights[fitting], expert, no_op),
        "by_chance": agreement(weights[dealt], expert, no_op),
        "families": {
            name: {
                "questions": int((families == index).sum()),
                **agreement(weights[fitting[families == index]], expert[families == index], no_op),
            }
            for index, name in enumerate(questions.family_names)
            if (families == index).any()
        },
    }


def in_words(found: Mapping[str, Any]) -> list[str]:
    """Lines of a summary."""
    lines = [
        f"of {found['questions']} of {found['of']} questions the expert's layout fits into the steps; its "
        f"module is the strongest at {100 * found['steps']:.1f} % of them (by chance "
        f"{100 * found['by_chance']['steps']:.1f}), its whole order is run for "
        f"{100 * found['in_order']:.1f} % of the questions (by chance "
        f"{100 * found['by_chance']['in_order']:.1f})"
    ]
    return lines + [
        f"  {name}: {100 * family['steps']:.1f} % of the steps, order {100 * family['in_order']:.1f} %, "
        f"of {family['questions']} questions"
        for name, family in found["families"].items()
    ]
