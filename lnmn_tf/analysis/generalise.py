"""How far a network goes beyond its data: CLOSURE's combinations, CoGenT's colours, other words."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lnmn_tf.analysis.closure import TEMPLATES, closure_questions, read_scenes
from lnmn_tf.analysis.cogent import CONDITIONS, WorldLike, draw_condition, share_in_training
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.analysis.sweep import Tally, Variant, sweep
from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.image_store import ImageStore
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.data.question_set import QuestionSet, pad
from lnmn_tf.data.vocabulary import UNKNOWN
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_json
from lnmn_tf.training.examples import Examples
from lnmn_tf.world.wordings import SYNONYMS

QUESTIONS = 300  # of each family of CLOSURE, at most; one about a scene
PARAPHRASE = "other words"
_ASKED = (("the split", "own"), (PARAPHRASE, PARAPHRASE))


def paraphrase(text: str) -> str:
    """The same question with every word for a size, a material or a shape replaced by another one."""
    return re.sub(r"[A-Za-z]+", lambda match: _another(match[0]), text)


def _another(word: str) -> str:
    for synonyms in SYNONYMS.values():
        for end in ("", "s"):
            if word.endswith(end) and word[: len(word) - len(end)] in synonyms:
                place = synonyms.index(word[: len(word) - len(end)])
                return synonyms[(place + 1) % len(synonyms)] + end
    return word


def paraphrased(questions: QuestionSet) -> QuestionSet:
    """All questions in other words."""
    texts = np.array([paraphrase(text) for text in questions.texts], object)
    ids, lengths = pad(questions.vocabulary.encode(text) for text in texts)
    return dataclasses.replace(questions, question_ids=ids, lengths=lengths, texts=texts)


class Chosen(ImageStore):
    """Some images of another store.

    Args:
        store: the other.
        rows: which of its images these are, int [I].
    """

    def __init__(self, store: ImageStore, rows: np.ndarray):
        self._store, self._rows = store, rows
        self.key, self.dtype, self.shape = store.key, store.dtype, store.shape
        self.in_memory = store.in_memory

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self._store.read(self._rows[indices])


def closure_subject(subject: Subject, name: str, scenes, folder: Path) -> Subject | None:
    """The same network with questions of a family of CLOSURE, which are kept in `folder` as JSON.

    Only those whose answer the network can give, about pictures of the split; None where the scenes have
    no such question.
    """
    known = set(subject.vocabulary.answers)
    row_of = {name: row for row, name in enumerate(subject.questions.image_filenames)}
    scenes = [scene for scene in scenes if scene["image_filename"] in row_of]
    asked = [q for q in closure_questions(scenes, name, QUESTIONS) if q["answer"] in known]
    if not asked:
        return None
    path = folder / f"closure_{name}.json"
    write_json(path, {"questions": asked})
    questions = read_questions(
        subject.config.data.data_dir, subject.split, subject.vocabulary, questions_file=path
    )
    rows = np.array([row_of[name] for name in questions.image_filenames])
    examples = Examples(questions, Chosen(subject.examples.store, rows))
    return dataclasses.replace(subject, examples=examples)


def cogent_subject(subject: Subject, condition: str, folder: Path) -> Subject:
    """The same network with pictures and questions of a condition of CoGenT, which stay in `folder`."""
    data, model = subject.config.data, subject.config.model
    world, answers = WorldLike.of(data.data_dir), subject.vocabulary.answers
    draw_condition(folder, condition, world, split=subject.split, answers=answers)
    questions = read_questions(folder, subject.split, subject.vocabulary)
    store = PixelStore(
        folder, subject.split, questions.image_filenames, model.image_height, model.image_width
    )
    examples = Examples(questions, store).encoded(subject.probe.network.image_encoder)
    return dataclasses.replace(subject, examples=examples, pictures=store)


def can_measure(subject: Subject) -> bool:
    """Whether there are pictures to ask about."""
    return subject.pictures is not None


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracies on the split, in other words, on CoGenT's conditions, on CLOSURE's families, as JSON."""
    subject.need_answers("generalise")
    if subject.config is None or not subject.config.model.image_height:
        raise InputError(
            "--what=generalise asks new questions about pictures; expected a run that reads pictures, "
            "not --features"
        )
    data = subject.config.data
    scenes = read_scenes(data.data_dir, subject.split)
    own = _ask(subject, ledger.below("own"))
    other = dataclasses.replace(
        subject, examples=Examples(paraphrased(subject.questions), subject.examples.store)
    )
    told = _ask(other, ledger.below("paraphrase"))
    result: dict[str, Any] = {
        "families": list(subject.families),
        "own": own.accuracy("soft"),
        PARAPHRASE: told.accuracy("soft"),
        "cogent": {"share_of_B_in_training": share_in_training(data.data_dir, data.train_split)},
        "closure": {},
    }
    with contextlib.ExitStack() as stack:
        folder = subject.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in CONDITIONS:
            asked = cogent_subject(subject, name, folder / f"cogent_{name}")
            found = _ask(asked, ledger.below(f"cogent_{name}"))
            result["cogent"][name] = {
                **found.accuracy("soft"),
                "questions": len(asked.questions),
                "pictures": len(asked.questions.image_filenames),
            }
        for name in TEMPLATES:
            asked = closure_subject(subject, name, scenes, folder)
            if asked is not None:
                result["closure"][name] = _of_closure(asked, own, _ask(asked, ledger.below(name)))
    return result


def _of_closure(asked: Subject, own: Tally, tally: Tally) -> dict[str, Any]:
    found = tally.accuracy("soft")
    families = [family for family in found if family != "overall"]
    ids = asked.questions.question_ids
    return {
        "accuracy": found["overall"],
        "known": float(np.mean([own.accuracy("soft").get(f, np.nan) for f in families])),
        "questions": len(asked.questions),
        "family": families,
        "unknown_words": float(np.mean((ids == UNKNOWN).any(axis=1))),
        "most_frequent": float(np.bincount(asked.questions.answers).max() / len(ids)),
        "sample": str(asked.questions.texts[0]),
    }


def _ask(subject: Subject, ledger: Ledger) -> Tally:
    return sweep(subject, {"soft": Variant()}, ledger)


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each kind of questions, in percent.

    `known` is what the network reaches on questions that it knows: A's for CoGenT's B, else the split's.
    """
    own, cogent = result["own"], result.get("cogent", {})
    table = [_row(name, result[key]["overall"], own["overall"]) for name, key in _ASKED]
    if "B" in cogent:
        table.append(_row("CoGenT A", cogent["A"]["overall"], own["overall"]))
        table += [
            _row(f"CoGenT B{'' if f == 'overall' else ': ' + f}", cogent["B"][f], cogent["A"][f])
            for f in ("overall", *result["families"])
            if f in cogent["A"] and f in cogent["B"]
        ]
    return table + [
        _row(name, found["accuracy"], found["known"])
        | {
            "most_frequent": 100 * found["most_frequent"],
            "unknown_words": 100 * found["unknown_words"],
        }
        for name, found in result["closure"].items()
    ]


def _row(name: str, accuracy: float, known: float) -> dict[str, Any]:
    row = {"questions": name, "accuracy": 100 * accuracy, "known": 100 * known}
    return row | {"most_frequent": "", "unknown_words": ""}


def summary(result: Mapping[str, Any]) -> str:
    """The table, with a sample of each family."""
    lines = []
    for row in rows(result):
        line = f"{row['questions']:27} {row['accuracy']:5.1f} %"
        if row["most_frequent"] != "":
            line += (
                f"; known questions with such answers {row['known']:.1f} %, most frequent answer "
                f"{row['most_frequent']:.1f} %"
            )
            if row["unknown_words"]:
                line += f"; {row['unknown_words']:.0f} % of them have a word the run does not know"
            line += f"\n{'':27} {result['closure'][row['questions']]['sample']}"
        elif row["questions"].startswith("CoGenT B"):
            line += f"; the same of A {row['known']:.1f} %"
        lines.append(line)
    share = result.get("cogent", {}).get("share_of_B_in_training")
    if share is not None:
        lines.append(
            f"{100 * share:.0f} % of the training's cubes and cylinders have the colours of B: "
            + (
                "nothing in B is new to this run"
                if share > 0.1
                else "B is new to this run, A is what it knows"
            )
        )
    return "\n".join(lines)


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"": accuracy on known questions, and on new ones}."""
    from lnmn_tf.analysis import pictures

    table = rows(result)
    with pictures.style():
        figure = pictures.figure(6.4, 0.3 * len(table) + 0.9)
        axes = figure.subplots()
        for place, row in enumerate(table):
            known, found = row["known"], row["accuracy"]
            axes.plot([known, found], [place] * 2, color=pictures.LINE, linewidth=2.5, zorder=1)
            if row["most_frequent"] != "":
                axes.plot(
                    row["most_frequent"], place, marker="|", markersize=11, color=pictures.PALE
                )
            axes.plot(
                known, place, marker="o", markersize=6, color="white", markeredgecolor=pictures.INK
            )
            axes.plot(found, place, marker="D", markersize=6, color="#D55E00")
            axes.text(103, place, f"{found:.1f}", va="center", fontsize=7)
            if row["questions"] == "CoGenT A" or (
                place and row["most_frequent"] != "" and table[place - 1]["most_frequent"] == ""
            ):
                axes.axhline(place - 0.5, color=pictures.LINE, linewidth=0.8)
        names = ("known questions of this kind", "these questions", "most frequent answer")
        looks = (
            {"marker": "o", "color": "white", "markeredgecolor": pictures.INK},
            {"marker": "D", "color": "#D55E00"},
            {"marker": "|", "color": pictures.PALE, "markersize": 11},
        )
        for name, look in zip(names, looks):
            axes.plot([], [], linestyle="", label=name, **look)
        pictures.percents(axes, [row["questions"].replace("_", " ") for row in table], high=112.0)
        figure.legend(loc="outside upper left", ncols=3)
    return {"": figure}
