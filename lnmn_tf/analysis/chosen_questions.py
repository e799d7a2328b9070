"""Which questions of a run are explained: one that is asked, some of a split, or wrong answers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lnmn_tf.analysis.explain import Asked, Explanation, explain
from lnmn_tf.errors import InputError
from lnmn_tf.training.evaluation import Predictor
from lnmn_tf.training.examples import Examples, open_split
from lnmn_tf.training.networks import check_features
from lnmn_tf.training.trained import TrainedRun

AT_A_TIME = 16  # questions in a traced batch
ANSWERED_AT_A_TIME = 2048  # while wrong answers are looked for
MOST = 200  # questions on one page


@dataclass(frozen=True)
class Request:
    """What to explain; one of `image`, `indices` and `wrong`.

    Args:
        image, question: a picture file, and a question about it.
        split: of the data; "" = that which the run reports.
        indices: positions in the split, from 0.
        wrong: the first questions that the run answers wrongly, each with one answered rightly.
        family: of these; "" = any.
        count: how many of these.
    """

    image: str = ""
    question: str = ""
    split: str = ""
    indices: tuple[int, ...] = ()
    wrong: bool = False
    family: str = ""
    count: int = 20

    @classmethod
    def of_texts(cls, indices: str, wrong: str, **others: Any) -> Request:
        """Of the texts of a command line; `wrong` is a family or all, and after a colon how many.

        Raises:
            InputError: no whole numbers, none of the three ways to choose, or several.
        """
        try:
            numbers = tuple(int(text) for text in indices.split(",") if text.strip())
        except ValueError:
            raise InputError(
                f"--indices is {indices!r}; expected whole numbers from 0, as in --indices=3,17"
            ) from None
        family, _, count = wrong.partition(":")
        if ":" in wrong and not (count.isdecimal() and 1 <= int(count) <= MOST):
            raise InputError(
                f"--wrong is {wrong!r}; expected a whole number from 1 to {MOST} after the colon"
            )
        if len(numbers) > MOST:
            raise InputError(f"--indices has {len(numbers)} numbers; expected at most {MOST}")
        family = "" if family == "all" else family
        request = cls(indices=numbers, wrong=bool(wrong), family=family, **others)
        request = dataclasses.replace(request, count=int(count) if count else request.count)
        ways = [bool(request.image), bool(numbers), request.wrong]
        if sum(ways) != 1:
            raise InputError(
                "--image, --indices and --wrong choose what is explained; expected one of them, and "
                f"{sum(ways)} are given"
            )
        return request

    @property
    def name(self) -> str:
        """For the files."""
        if self.image:
            return f"question_{Path(self.image).stem}"
        if self.indices:
            numbers = "_".join(map(str, self.indices[:6])) + ("_etc" if self.indices[6:] else "")
            return f"{self.split}_{numbers}"
        return "_".join(part for part in (self.split, "wrong", self.family) if part)


Pair = tuple[Explanation, ...]  # one explanation, or a right and a wrong answer to compare


def explain_request(
    run: TrainedRun, request: Request, formulas: Mapping[str, str] | None = None
) -> list[Pair]:
    """Explains what was asked for.

    Args:
        run: with its network.
        request: its `split` is a name.
        formulas: of modules by name.

    Raises:
        InputError: no such picture, split, question or family; nothing is answered wrongly.
    """
    say = functools.partial(
        explain,
        run.network,
        run.vocabulary,
        formulas=formulas,
        answer_loss=run.config.training.answer_loss,
    )
    if request.image:
        inputs = run.inputs_of(request.image, request.question)
        picture = Path(request.image).read_bytes()
        return [tuple(say([Asked(request.question, picture)], {"image": inputs["image"]}))]
    data = run.config.data
    examples = open_split(run.config, request.split, run.vocabulary, data.max_val_questions)
    check_features(run.config.model, examples.store, data.features)
    source = Path(data.data_dir) / "images" / request.split
    if request.indices:
        outside = [i for i in request.indices if not 0 <= i < len(examples.questions)]
        if outside:
            raise InputError(
                f"--indices has {outside[0]}; expected numbers from 0 to "
                f"{len(examples.questions) - 1}, for {examples.questions.source} has "
                f"{len(examples.questions)} questions"
            )
        return [(e,) for e in _explained(say, examples, np.array(request.indices), source)]
    right, wrong = _right_and_wrong(run, examples, request)
    shown = _explained(say, examples, np.concatenate([wrong, right]), source)
    pairs = zip(shown[len(wrong) :], shown)  # the wrong ones come first
    return [*pairs, *((e,) for e in shown[len(right) : len(wrong)])]


def _explained(say, examples: Examples, indices: np.ndarray, source: Path) -> list[Explanation]:
    questions, explanations = examples.questions, []
    answers = questions.vocabulary.answers
    for start in range(0, len(indices), AT_A_TIME):
        part = indices[start : start + AT_A_TIME]
        images = examples.store.read(questions.image_index[part])
        scale = 255.0 if examples.store.key == "image" else 1.0
        asked = []
        for i in part:
            family = questions.families[i]
            path = source / questions.image_filenames[questions.image_index[i]]
            asked.append(
                Asked(
                    question=questions.texts[i],
                    picture=path.read_bytes() if path.is_file() else None,
                    truth="" if questions.answers is None else answers[questions.answers[i]],
                    family=questions.family_names[family] if family >= 0 else "",
                    index=int(i),
                )
            )
        explanations += say(asked, {examples.store.key: tf.cast(images, tf.float32) / scale})
    return explanations


def _right_and_wrong(
    run: TrainedRun, examples: Examples, request: Request
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the first questions answered wrongly, and of as many answered rightly.

    The right one beside a wrong one is of its template where there is one, else of its family.
    """
    questions = examples.questions
    if questions.answers is None:
        raise InputError(f"{questions.source}: has no answers; expected a --split with answers")
    wanted = np.arange(len(questions))
    if request.family:
        if request.family not in questions.family_names:
            raise InputError(
                f"--wrong is {request.family!r}; expected all or one of {', '.join(questions.family_names)}"
            )
        wanted = np.flatnonzero(questions.families == questions.family_names.index(request.family))
    predictor = Predictor(run.network, run.config.training.batch_size, run.config.training.xla)
    right, wrong = [], []
    for start in range(0, len(wanted), ANSWERED_AT_A_TIME):
        part = wanted[start : start + ANSWERED_AT_A_TIME]
        is_right = predictor(examples.select(part)) == questions.answers[part]
        right, wrong = [*right, *part[is_right]], [*wrong, *part[~is_right]]
        if len(wrong) >= request.count:
            break
    wrong = wrong[: request.count]
    if not wrong:
        kind = f" of family {request.family}" if request.family else ""
        raise InputError(
            f"{questions.source}: all its {len(wanted)} questions{kind} are answered rightly; expected "
            "--indices, or another --split or family"
        )
    beside = []
    for position in wrong:  # paired in this order, so that those without a partner come last
        left = np.setdiff1d(right, beside).astype(int)
        same_family = left[questions.families[left] == questions.families[position]]
        templates = questions.question_family_index
        same = same_family[templates[same_family] == templates[position]]
        beside += [int(x[0]) for x in (same, same_family, left) if len(x)][:1]
    return np.array(beside, int), np.array(wrong, int)
