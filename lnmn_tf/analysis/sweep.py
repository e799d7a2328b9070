"""The same questions asked of a network that is changed in many ways, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import Weights
from lnmn_tf.analysis.subject import Batch, Subject

_ANSWERS_PER_PART = 100_000  # some seconds of work, which is lost at most where it is stopped

# (module weights as executed [batch, steps, modules], positions of the questions [batch]) -> the same
# shape: the layout in their place.
Layout = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Variant(NamedTuple):
    """One way to change a network."""

    operators: Weights | None = None  # weights of operators by cell, in place of alpha'
    layout: Layout | None = None
    against: int = 0  # the variant, by its place, with whose answers those of this one are compared


class Tally(NamedTuple):
    """Counts for each variant and family; the last family is that of questions without one."""

    names: tuple[str, ...]  # of the variants
    families: tuple[str, ...]
    questions: np.ndarray  # [families + 1]
    right: np.ndarray  # right answers, [variants, families + 1]
    probability: np.ndarray  # sum of the right answers' probabilities, [variants, families + 1]
    changed: np.ndarray  # answers unlike those of the variant `against`, [variants, families + 1]

    def accuracy(self, name: str) -> dict[str, float]:
        """ "overall" and each family that has questions, in [0, 1]."""
        return self._share(self.right[self.names.index(name)])

    def mean_probability(self, name: str) -> dict[str, float]:
        """The same for the right answer's probability."""
        return self._share(self.probability[self.names.index(name)])

    def share_changed(self, name: str) -> float:
        """Share of the questions whose answer another variant has changed."""
        return float(self.changed[self.names.index(name)].sum() / self.questions.sum())

    def _share(self, counts: np.ndarray) -> dict[str, float]:
        shares = {"overall": float(counts.sum() / self.questions.sum())}
        for index, family in enumerate(self.families):
            if self.questions[index]:
                shares[family] = float(counts[index] / self.questions[index])
        return shares


def sweep(
    subject: Subject,
    variants: Mapping[str, Variant],
    ledger: Ledger | None = None,
    indices: np.ndarray | None = None,
) -> Tally:
    """Asks all questions of each variant.

    A batch is read and encoded once for all variants. Memory does not grow with the questions.

    Args:
        subject: the network and the questions.
        variants: by name.
        ledger: keeps what is done; None = nothing.
        indices: of the questions asked; None = all.
    """
    ledger = ledger or Ledger()
    size = _ANSWERS_PER_PART // max(len(variants), 1)
    totals, done = None, 0
    chosen = None if indices is None else set(np.asarray(indices).tolist())
    count = len(subject.questions) if chosen is None else len(chosen)
    for name, part in subject.chunks(size):
        if chosen is not None:
            part = np.array([index for index in part if index in chosen], np.int64)
            if not len(part):
                continue
        done += len(part)
        counts = ledger.part(
            name,
            lambda part=part: {"counts": _count(subject, variants, part)},
            f"{done} of {count} questions, {len(variants)} variants",
        )["counts"]
        totals = counts if totals is None else totals + counts
    names = tuple(subject.questions.family_names)
    return Tally(tuple(variants), names, totals[0, :, 3], *np.moveaxis(totals[..., :3], -1, 0))


def _count(subject: Subject, variants: Mapping[str, Variant], indices: np.ndarray) -> np.ndarray:
    """(right, probability, changed, questions), float64 [variants, families + 1, 4]."""
    questions = subject.questions
    counts = np.zeros([len(variants), len(questions.family_names) + 1, 4])
    for batch in subject.batches(indices):
        families = questions.families[batch.positions].astype(int)  # -1 is the last
        layout, answers = None, []
        for index, variant in enumerate(variants.values()):
            encoded = batch.encoded
            if variant.layout is not None:
                if layout is None:
                    layout = subject.probe.answer(batch.encoded)["module_weights"].numpy()
                encoded = {**encoded, "module_weights": _replaced(variant, layout, batch)}
            with subject.probe.operator_weights(variant.operators):
                outputs = subject.probe.answer(encoded, plainly=True)
            probabilities = outputs["probabilities"].numpy()[: batch.real]
            answers.append(np.argmax(probabilities, axis=-1))
            values = np.zeros([batch.real, 4])
            if batch.answers is not None:
                right = batch.answers.numpy()[: batch.real]
                values[:, 0] = answers[-1] == right
                values[:, 1] = probabilities[np.arange(batch.real), right]
            values[:, 2] = answers[-1] != answers[variant.against]
            values[:, 3] = 1.0
            np.add.at(counts[index], families, values)
    return counts


def _replaced(variant: Variant, layout: np.ndarray, batch: Batch) -> np.ndarray:
    """The layout of a whole batch; what only fills it up keeps its own."""
    replaced = layout.copy()
    replaced[: batch.real] = variant.layout(layout[: batch.real], batch.positions)
    return replaced
