"""Which module runs when, for which questions: the programs that the controller has learned to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from lnmn_tf.analysis.expert import compared_with_expert, in_words
from lnmn_tf.analysis.information import with_permutations
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.analysis.sweep import Variant, sweep

PROGRAMS = 8  # so many are shown
SAMPLES = 3  # questions shown for each of them
_QUESTIONS_PER_PART = 8192


def module_weights(subject: Subject, ledger: Ledger | None = None) -> np.ndarray:
    """w^(t) as executed, for every question, float32 [N, steps, modules]."""
    ledger = ledger or Ledger()

    def compute(indices) -> dict[str, np.ndarray]:
        found = [
            subject.probe.answer(batch.encoded)["module_weights"].numpy()[: batch.real]
            for batch in subject.batches(indices)
        ]
        return {"weights": np.concatenate(found)}

    parts, done = [], 0
    for name, indices in subject.chunks(_QUESTIONS_PER_PART):
        done += len(indices)
        text = f"layouts of {done} of {len(subject.questions)} questions"
        parts.append(ledger.part(f"weights_{name}", lambda i=indices: compute(i), text)["weights"])
    return np.concatenate(parts)


def usage(weights: np.ndarray, families: np.ndarray, count: int) -> np.ndarray:
    """Mean module weights of each family, [families, steps, modules]; NaN where it has no questions.

    Args:
        weights: [N, steps, modules].
        families: index of each question's, [N].
        count: of the families.
    """
    means = np.full([count, *weights.shape[1:]], np.nan)
    for family in range(count):
        if (families == family).any():
            means[family] = weights[families == family].mean(axis=0)
    return means


def programs(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The strongest module of each step.

    Args:
        weights: [N, steps, modules].

    Returns:
        (the different programs, int [P, steps], the most frequent first; which of them each question
        has, int [N]).
    """
    strongest = np.argmax(weights, axis=-1)
    found, inverse, counts = np.unique(strongest, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return found[order], place[inverse.reshape(-1)]


def swapped(weights: np.ndarray, families: np.ndarray, donor: int, seed: int = 0) -> Variant:
    """Every question runs the layout of some question of the family `donor`."""
    members = np.flatnonzero(families == donor)
    chosen = np.random.default_rng([seed, donor]).choice(members, len(families))
    return Variant(layout=lambda _, positions: weights[chosen[positions]])


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Usage, programs, information, swaps, and agreement with the expert's layouts, as JSON."""
    subject.need_families("layouts")
    subject.need_answers("layouts")
    questions, names = subject.questions, subject.probe.module_names
    weights = module_weights(subject, ledger)
    families = questions.families.astype(int)
    present = [i for i, name in enumerate(questions.family_names) if name in subject.families]
    found, which = programs(weights)
    known = families >= 0
    steps = {
        str(step + 1): with_permutations(
            np.argmax(weights[known, step], axis=-1), families[known]
        )._asdict()
        for step in range(weights.shape[1])
    }
    donors = {questions.family_names[index]: swapped(weights, families, index) for index in present}
    tally = sweep(subject, {"own": Variant(), **donors}, ledger)
    result = {
        "modules": list(names),
        "families": list(subject.families),
        "usage": {
            questions.family_names[i]: values
            for i, values in enumerate(usage(weights, families, len(questions.family_names)))
            if i in present
        },
        "programs": [
            _program(number, found[number], which, subject)
            for number in range(min(PROGRAMS, len(found)))
        ],
        "different_programs": len(found),
        "questions": len(questions),
        "mean_top_weight": weights.max(axis=-1).mean(axis=0),
        "information": with_permutations(which[known], families[known])._asdict(),
        "information_by_step": steps,
        "swaps": {"own": tally.accuracy("own"), **{name: tally.accuracy(name) for name in donors}},
    }
    expert = compared_with_expert(subject, weights)
    if expert is not None:
        result["expert"] = expert
    return result


def _program(number: int, modules, which: np.ndarray, subject: Subject) -> dict[str, Any]:
    members = np.flatnonzero(which == number)
    questions = subject.questions
    counts = Counter(questions.families[members].tolist())
    samples = members[np.linspace(0, len(members) - 1, min(SAMPLES, len(members))).astype(int)]
    return {
        "steps": [subject.probe.module_names[module] for module in modules],
        "questions": len(members),
        "families": {
            questions.family_names[family]: count for family, count in counts.items() if family >= 0
        },
        "samples": [str(questions.texts[index]) for index in samples],
    }


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Mean weight of every module at every step, a row for each family and step."""
    return [
        {"family": family, "step": step + 1, **dict(zip(result["modules"], values))}
        for family, steps in result["usage"].items()
        for step, values in enumerate(np.asarray(steps))
    ]


def summary(result: Mapping[str, Any]) -> str:
    """Programs, information, and what a swap costs."""
    total = result["swaps"]["own"]
    information = result["information"]
    lines = [f"{result['different_programs']} different programs; the most frequent:"]
    for program in result["programs"]:
        lines.append(f"{program['questions']:6}  {' > '.join(program['steps'])}")
        lines.append(f"        {program['samples'][0]}")
    lines.append(
        f"the program says {information['bits']:.2f} of {information['entropy']:.2f} bits about the "
        f"family; by chance {information['by_chance']:.2f}"
    )
    lines.append(
        f"accuracy with its own layout {100 * total['overall']:.1f} %; with one of the family"
    )
    for family, accuracy in result["swaps"].items():
        if family != "own":
            others = ", ".join(f"{name} {100 * accuracy[name]:.1f}" for name in result["families"])
            lines.append(f"  {family}: {others}")
    if "expert" in result:
        lines += in_words(result["expert"])
    return "\n".join(lines)


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"": usage and swaps}."""
    from lnmn_tf.analysis.layouts_picture import draw_layouts

    return {"": draw_layouts(result)}
