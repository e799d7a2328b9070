"""How far a network goes beyond its data: the combinations of CLOSURE, and other words for the same."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lnmn_tf.analysis.closure import TEMPLATES, closure_questions, read_scenes
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.analysis.sweep import Tally, Variant, sweep
from lnmn_tf.data.clevr import read_questions
from lnmn_tf.data.pixels import PixelStore
from lnmn_tf.data.question_set import QuestionSet, pad
from lnmn_tf.data.vocabulary import UNKNOWN
from lnmn_tf.errors import InputError
from lnmn_tf.files import write_json
from lnmn_tf.training.examples import Examples
from lnmn_tf.world.wordings import SYNONYMS

QUESTIONS = 300  # of each family of CLOSURE, at most; one about a scene
PARAPHRASE = "other words"


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


def closure_subject(subject: Subject, name: str, scenes, folder: Path) -> Subject | None:
    """The same network with questions of a family of CLOSURE, which are kept in `folder` as JSON.

    Only those whose answer the network can give; None where the scenes have no such question.
    """
    known = set(subject.vocabulary.answers)
    asked = [q for q in closure_questions(scenes, name, QUESTIONS) if q["answer"] in known]
    if not asked:
        return None
    path = folder / f"closure_{name}.json"
    write_json(path, {"questions": asked})
    data, model = subject.config.data, subject.config.model
    questions = read_questions(
        data.data_dir, subject.split, subject.vocabulary, questions_file=path
    )
    store = PixelStore(
        data.data_dir,
        subject.split,
        questions.image_filenames,
        model.image_height,
        model.image_width,
        cache_bytes=data.cache_mb << 20,
    )
    examples = Examples(questions, store).encoded(subject.probe.network.image_encoder)
    return dataclasses.replace(subject, examples=examples, pictures=store)


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracies on the split, in other words, and on each family of CLOSURE, as JSON."""
    subject.need_answers("generalise")
    if subject.config is None or not subject.config.model.image_height:
        raise InputError(
            "--what=generalise asks new questions about pictures; expected a run that reads pictures, "
            "not --features"
        )
    scenes = read_scenes(subject.config.data.data_dir, subject.split)
    own = _ask(subject, ledger.below("own"))
    other = dataclasses.replace(
        subject, examples=Examples(paraphrased(subject.questions), subject.examples.store)
    )
    told = _ask(other, ledger.below("paraphrase"))
    result: dict[str, Any] = {
        "families": list(subject.families),
        "own": own.accuracy("soft"),
        PARAPHRASE: told.accuracy("soft"),
        "closure": {},
    }
    folder = subject.folder or Path(subject.config.data.data_dir)
    for name in TEMPLATES:
        asked = closure_subject(subject, name, scenes, folder)
        if asked is None:
            continue
        found = _ask(asked, ledger.below(name)).accuracy("soft")
        families = [family for family in found if family != "overall"]
        ids = asked.questions.question_ids
        result["closure"][name] = {
            "accuracy": found["overall"],
            "known": float(np.mean([own.accuracy("soft").get(f, np.nan) for f in families])),
            "questions": len(asked.questions),
            "family": families,
            "unknown_words": float(np.mean((ids == UNKNOWN).any(axis=1))),
            "most_frequent": float(np.bincount(asked.questions.answers).max() / len(ids)),
            "sample": str(asked.questions.texts[0]),
        }
    return result


def _ask(subject: Subject, ledger: Ledger) -> Tally:
    return sweep(subject, {"soft": Variant()}, ledger)


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each kind of questions, in percent."""
    table = [
        {"questions": name, "accuracy": 100 * result[key]["overall"]}
        for name, key in (("the split", "own"), (PARAPHRASE, PARAPHRASE))
    ]
    for row in table:
        row |= {"known": 100 * result["own"]["overall"], "most_frequent": "", "unknown_words": ""}
    return table + [
        {
            "questions": name,
            "accuracy": 100 * found["accuracy"],
            "known": 100 * found["known"],
            "most_frequent": 100 * found["most_frequent"],
            "unknown_words": 100 * found["unknown_words"],
        }
        for name, found in result["closure"].items()
    ]


def summary(result: Mapping[str, Any]) -> str:
    """The table, with a sample of each family."""
    lines = []
    for row in rows(result):
        line = f"{row['questions']:16} {row['accuracy']:5.1f} %"
        if row["most_frequent"] != "":
            line += (
                f"; known questions with such answers {row['known']:.1f} %, most frequent answer "
                f"{row['most_frequent']:.1f} %"
            )
            if row["unknown_words"]:
                line += f"; {row['unknown_words']:.0f} % of them have a word the run does not know"
            line += f"\n{'':16} {result['closure'][row['questions']]['sample']}"
        lines.append(line)
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
        names = ("known questions of this kind", "these questions", "most frequent answer")
        looks = (
            {"marker": "o", "color": "white", "markeredgecolor": pictures.INK},
            {"marker": "D", "color": "#D55E00"},
            {"marker": "|", "color": pictures.PALE, "markersize": 11},
        )
        for name, look in zip(names, looks):
            axes.plot([], [], linestyle="", label=name, **look)
        axes.set_yticks(range(len(table)), [row["questions"] for row in table])
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set(xlim=(0, 112), xticks=range(0, 101, 20), xlabel="accuracy, %")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper left", ncols=3)
    return {"": figure}
