"""Does a network look from the thing that a relation starts from? Beside it stands a reader that does not.

"What color is the cube left of the ball?" is answered by the leftmost cube, whatever the ball is (`world/shortcut.py`). So only
questions which that reader gets wrong tell whether relations are understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lnmn_tf.analysis.closure import read_scenes
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.data.clevr import scenes_path
from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.errors import InputError
from lnmn_tf.world.programs import function_of
from lnmn_tf.world.shortcut import answer_without_start


def can_measure(subject: Subject) -> bool:
    """Whether a split has programs, answers and scenes."""
    if subject.config is None or not subject.families or subject.questions.answers is None:
        return False
    return scenes_path(subject.config.data.data_dir, subject.split).is_file()


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracies of questions with a relation, by family and number of relations, in [0, 1].

    Returns:
        {"groups": [{"family", "relations", "questions", "accuracy", "without_start", "wrong_without": so many questions which
        the reader without a start gets wrong, "accuracy_there": of the network on these, NaN where there are none}]}

    Raises:
        InputError: the split has no answers, programs or scenes.
    """
    subject.need_answers("relations")
    subject.need_families("relations")
    found = ledger.part("answers", lambda: _answers(subject), f"{len(subject.questions)} questions")
    right, reader = found["right"] > 0, found["reader"]
    groups = []
    for family, hops in sorted(set(zip(found["family"].astype(int), found["relations"]))):
        if hops == 0:
            continue
        group = (found["family"] == family) & (found["relations"] == hops)
        there = group & (reader == 0)
        groups.append(
            {
                "family": subject.questions.family_names[family],
                "relations": int(hops),
                "questions": int(group.sum()),
                "accuracy": float(right[group].mean()),
                "without_start": float(reader[group].mean()),
                "wrong_without": int(there.sum()),
                "accuracy_there": float(right[there].mean()) if there.any() else float("nan"),
            }
        )
    return {"groups": groups}


def _answers(subject: Subject) -> dict[str, np.ndarray]:
    """Of each question: whether network and reader are right, its family, and its relations."""
    questions = subject.questions
    right, reader, relations = np.zeros([3, len(questions)])
    for position, record, scene in _records(subject):
        try:
            program = record["program"]
            relations[position] = [function_of(node) for node in program].count("relate")
            if relations[position]:
                reader[position] = answer_without_start(program, scene) == record["answer"]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(
                f"{questions.source}: the program of question {questions.question_index[position]} cannot be run on the "
                f"scene of its picture: {error!r}; expected CLEVR's programs, and scenes with 3d_coords and directions"
            ) from None
    for batch in subject.batches():
        logits = subject.probe.answer(batch.encoded)["logits"].numpy()[: batch.real]
        right[batch.positions] = logits.argmax(-1) == questions.answers[batch.positions]
    return {
        "right": right,
        "reader": reader,
        "family": questions.families.astype(float),
        "relations": relations,
    }


def _records(subject: Subject) -> Iterator[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
    """Position, record and scene of each question."""
    scenes = {
        scene["image_filename"]: scene
        for scene in read_scenes(subject.config.data.data_dir, subject.split)
    }
    positions = {int(n): i for i, n in enumerate(subject.questions.question_index)}
    for place, record in enumerate(stream_array(subject.questions.source, "questions")):
        position = positions.get(record.get("question_index", place))
        if position is not None:
            yield position, record, scenes.get(record["image_filename"], {})


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each family and number of relations, in percent."""
    shares = ("accuracy", "without_start", "accuracy_there")
    return [
        {name: 100 * x if name in shares else x for name, x in group.items()}
        for group in result["groups"]
    ]


def summary(result: Mapping[str, Any]) -> str:
    """The table."""
    if not result["groups"]:
        return "no question has a relation"
    lines = [
        f"{'percent right':19} relations  questions  here  without the start  here, where that one is wrong"
    ]
    for row in rows(result):
        there = f"{row['accuracy_there']:.1f} of {row['wrong_without']}"
        lines.append(
            f"{row['family']:19} {row['relations']:9d} {row['questions']:10d} {row['accuracy']:5.1f} "
            f"{row['without_start']:18.1f}  {there if row['wrong_without'] else 'it is never wrong'}"
        )
    return "\n".join(lines)


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"": the network beside the reader without a start}."""
    from lnmn_tf.analysis import pictures

    table = rows(result)
    with pictures.style():
        figure = pictures.figure(6.4, 0.3 * len(table) + 0.9)
        axes = figure.subplots()
        here, without = ([row[name] for row in table] for name in ("accuracy", "without_start"))
        places = range(len(table))
        axes.hlines(places, without, here, color=pictures.LINE, linewidth=2.5, zorder=1)
        axes.plot(here, places, "D", color="#D55E00", label="this network")
        axes.plot(
            without, places, "|", markersize=11, color=pictures.INK, label="without the start"
        )
        names = [f"{pictures.nice(row['family'])}, {row['relations']}" for row in table]
        pictures.percents(axes, names)
        axes.set_ylabel("family, relations")
        figure.legend(loc="outside upper left", ncols=2)
    return {"": figure}
