"""One answer, explained: what each step read, ran, looked at and left, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from lnmn_tf.data.vocabulary import Vocabulary, tokenize
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.training.objectives import answer_probabilities

SHOWN_MODULES = 0.1  # least weight of a module in a program
SHOWN_WORDS = 0.4  # least attention of a word in a program, as a share of the step's strongest


@dataclass(frozen=True)
class Asked:
    """A question and what is known of it.

    Args:
        question: as it was written.
        picture: bytes of a PNG or JPEG file; None where there is none to show.
        truth: the true answer; "" where it is not known.
        family: of the question, or "".
        index: its position in its split, from 0; -1 where it is of none.
    """

    question: str
    picture: bytes | None = None
    truth: str = ""
    family: str = ""
    index: int = -1


@dataclass(frozen=True, eq=False)
class Explanation:
    """An answer with the T steps that led to it; S words, M modules, L slots of the stack.

    Args:
        asked: the question.
        words: its tokens, S.
        answers: all that the model can say.
        probabilities: of the answers, [answers], summing to one.
        module_names: M.
        module_weights: [T, M].
        word_attention: [T, S].
        read: the map at the pointer as a step begins, [T, H, W].
        written: the map at the pointer when it has ended, [T, H, W].
        stack: after each step, [T, H, W, L].
        pointer: after each step, [T, L].
        formulas: of modules by name, where they have any.
    """

    asked: Asked
    words: tuple[str, ...]
    answers: tuple[str, ...]
    probabilities: np.ndarray
    module_names: tuple[str, ...]
    module_weights: np.ndarray
    word_attention: np.ndarray
    read: np.ndarray
    written: np.ndarray
    stack: np.ndarray
    pointer: np.ndarray
    formulas: Mapping[str, str] = field(default_factory=dict)

    @property
    def answer(self) -> str:
        """The most probable answer."""
        return self.answers[int(np.argmax(self.probabilities))]

    @property
    def right(self) -> bool | None:
        """Whether the answer is the true one; None where that is not known."""
        return self.answer == self.asked.truth if self.asked.truth else None

    @property
    def num_steps(self) -> int:
        return len(self.module_weights)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The most probable answers, and after them the true one where it is not among them."""
        order = [int(i) for i in np.argsort(-self.probabilities, kind="stable")]
        chosen = order[:count]
        if self.asked.truth in self.answers:
            true = self.answers.index(self.asked.truth)
            chosen += [true] if true not in chosen else []
        return [(self.answers[i], float(self.probabilities[i])) for i in chosen]

    def strongest(self, step: int) -> tuple[str, float]:
        """The module of a step with the largest weight, and that weight."""
        index = int(np.argmax(self.module_weights[step]))
        return self.module_names[index], float(self.module_weights[step, index])

    def program(self) -> list[str]:
        """The soft program, a line a step: `t=1  push_3[0] 0.93  "cyan"`.

        Modules of a tenth or more, the strongest first; words with two fifths or more of the step's
        strongest attention, in the order of the question.
        """
        return [self._line(step) for step in range(self.num_steps)]

    def _line(self, step: int) -> str:
        weights, attention = self.module_weights[step], self.word_attention[step]
        order = [i for i in np.argsort(-weights, kind="stable") if weights[i] >= SHOWN_MODULES]
        order = order or [int(np.argmax(weights))]
        modules = " + ".join(f"{_indexed(self.module_names[i])} {weights[i]:.2f}" for i in order)
        least = SHOWN_WORDS * attention.max(initial=0.0)
        words = [w for w, a in zip(self.words, attention) if a >= least]
        return f't={step + 1}  {modules}  "{" ".join(words)}"'


def explain(
    network: StackMachine,
    vocabulary: Vocabulary,
    asked: Sequence[Asked],
    image: Mapping[str, Any],
    formulas: Mapping[str, str] | None = None,
    answer_loss: str = "softmax",
) -> list[Explanation]:
    """Answers some questions, and says how.

    Args:
        network: a built model, of which only `answer_and_trace`, `module_names` and `show` are used.
        vocabulary: of its words and answers.
        asked: the questions.
        image: {"image": float32 [batch, height, width, 3]} or {"features": [batch, H, W, C]}.
        formulas: of modules by name.
        answer_loss: of the training, see `answer_probabilities`.

    Returns:
        One explanation for each question.
    """
    ids = [vocabulary.encode(a.question) for a in asked]
    question = np.zeros([len(ids), max(map(len, ids))], np.int32)
    for row, numbers in zip(question, ids):
        row[: len(numbers)] = numbers
    outputs, trace = network.answer_and_trace({**image, "question": tf.constant(question)})
    written = tf.einsum("bthwl,btl->bthw", trace.stack, tf.cast(trace.pointer, trace.stack.dtype))
    arrays = {
        "probabilities": answer_probabilities(outputs["logits"], answer_loss),
        "module_weights": trace.module_weights,
        "word_attention": trace.word_attention,
        "read": network.show(trace.attention),
        "written": network.show(written),
        "stack": network.show(trace.stack),
        "pointer": trace.pointer,
    }
    arrays = {k: tf.cast(x, tf.float32).numpy() for k, x in arrays.items()}
    explanations = []
    for row, (each, numbers) in enumerate(zip(asked, ids)):
        own = {name: array[row] for name, array in arrays.items()}
        own["word_attention"] = own["word_attention"][:, : len(numbers)]
        explanations.append(
            Explanation(
                asked=each,
                words=tuple(tokenize(each.question)),
                answers=vocabulary.answers,
                module_names=tuple(network.module_names),
                formulas=dict(formulas or {}),
                **own,
            )
        )
    return explanations


def _indexed(name: str) -> str:
    """`look_3.0` as `look_3[0]`."""
    kind, dot, number = name.rpartition(".")
    return f"{kind}[{number}]" if dot and number.isdigit() else name
