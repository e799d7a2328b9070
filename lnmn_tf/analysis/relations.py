"""Does a network look from the thing that a relation starts from, and read which feature is the same?

Beside it stand readers that do not.

"What color is the cube left of the ball?" is answered by the leftmost cube, whatever the ball is, and some questions with "the same" need
not say the same what (`world/shortcut.py`). So only questions which these readers get wrong tell whether they are understood; and, of
*same*, questions whose answer changes where another feature is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lnmn_tf.analysis.closure import read_scenes
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.analysis.swaps import swapped
from lnmn_tf.data.clevr import scenes_path
from lnmn_tf.data.json_stream import stream_array
from lnmn_tf.errors import InputError
from lnmn_tf.world.programs import function_of
from lnmn_tf.world.shortcut import (
    answer_without_feature,
    answer_without_start,
    place_of_same,
)

_SAME = 100.0  # in place of a number of relations; so it comes after these


def can_measure(subject: Subject) -> bool:
    """Whether a split has programs, answers and scenes."""
    if subject.config is None or not subject.families or subject.questions.answers is None:
        return False
    return scenes_path(subject.config.data.data_dir, subject.split).is_file()


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracies of questions with a relation or a `same_*`, by family and number of relations, in [0, 1].

    Returns:
        {"groups": [{"family", "relations": how many, or "same", "questions", "accuracy", "without": of the reader that leaves out the
        start, or the feature, "wrong_without": so many questions which that reader gets wrong, "accuracy_there": of the network on
        these, NaN where there are none}],
        "swaps": [{"family", "swaps": questions with another feature named, which changes the answer, "accuracy": on these questions as
        they are, "follows": share of the answers that are right after the swap, "stays": that are what was right before}]}

    Raises:
        InputError: the split has no answers, programs or scenes.
    """
    subject.need_answers("relations")
    subject.need_families("relations")
    found = ledger.part("readers", lambda: _answers(subject), f"{len(subject.questions)} questions")
    right, reader = found["right"] > 0, found["reader"]
    groups = []
    for family, relations in sorted(set(zip(found["family"].astype(int), found["relations"]))):
        if relations == 0:
            continue
        group = (found["family"] == family) & (found["relations"] == relations)
        there = group & (reader == 0)
        groups.append(
            {
                "family": subject.questions.family_names[family],
                "relations": "same" if relations == _SAME else int(relations),
                "questions": int(group.sum()),
                "accuracy": float(right[group].mean()),
                "without": float(reader[group].mean()),
                "wrong_without": int(there.sum()),
                "accuracy_there": float(right[there].mean()) if there.any() else float("nan"),
            }
        )
    if not any(group["relations"] == "same" for group in groups):
        return {"groups": groups, "swaps": []}
    asked = ledger.part("swaps", lambda: swapped(subject, _records(subject)), "other features")
    return {"groups": groups, "swaps": list(_swaps(subject, right, asked))}


def _swaps(subject: Subject, right: np.ndarray, asked: dict) -> Iterator[dict[str, Any]]:
    """What `measure` says of swaps, for each family."""
    positions = asked["position"].astype(int)
    families = subject.questions.families[positions]
    for family in np.unique(families):
        of_family = families == family
        yield {
            "family": subject.questions.family_names[family],
            "swaps": int(of_family.sum()),
            "accuracy": float(right[positions[of_family]].mean()),
            "follows": float(asked["follows"][of_family].mean()),
            "stays": float(asked["stays"][of_family].mean()),
        }


def _answers(subject: Subject) -> dict[str, np.ndarray]:
    """Of each question: whether network and reader are right, its family, and its relations, or `_SAME`."""
    questions = subject.questions
    right, reader, relations = np.zeros([3, len(questions)])
    for position, record, scene in _records(subject):
        try:
            program = record["program"]
            relations[position] = [function_of(node) for node in program].count("relate")
            if relations[position]:
                reader[position] = answer_without_start(program, scene) == record["answer"]
            elif place_of_same(program) >= 0:
                relations[position] = _SAME
                reader[position] = answer_without_feature(program, scene) == record["answer"]
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
    shares = ("accuracy", "without", "accuracy_there")
    return [
        {name: 100 * x if name in shares else x for name, x in group.items()}
        for group in result["groups"]
    ]


def summary(result: Mapping[str, Any]) -> str:
    """The table."""
    if not result["groups"]:
        return "no question has a relation"
    lines = [
        f"{'percent right':19} relations  questions  here  a reader without start, or feature  here, where that one is wrong"
    ]
    for row in rows(result):
        there = f"{row['accuracy_there']:.1f} of {row['wrong_without']}"
        lines.append(
            f"{row['family']:19} {row['relations']:>9} {row['questions']:10d} {row['accuracy']:5.1f} "
            f"{row['without']:35.1f}  {there if row['wrong_without'] else 'it is never wrong'}"
        )
    if result["swaps"]:
        lines += [
            "",
            f"{'with another feature named, which changes the answer':52}  swaps  right as it was  follows  stays",
        ]
    lines += [
        f"{swap['family']:52} {swap['swaps']:6d} {100 * swap['accuracy']:15.1f} {100 * swap['follows']:8.1f} "
        f"{100 * swap['stays']:6.1f}"
        for swap in result["swaps"]
    ]
    return "\n".join(lines)


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"": the network beside the readers that leave something out}."""
    from lnmn_tf.analysis import pictures

    table = rows(result)
    with pictures.style():
        figure = pictures.figure(6.4, 0.3 * len(table) + 0.9)
        axes = figure.subplots()
        here, without = ([row[name] for row in table] for name in ("accuracy", "without"))
        places = range(len(table))
        axes.hlines(places, without, here, color=pictures.LINE, linewidth=2.5, zorder=1)
        axes.plot(here, places, "D", color="#D55E00", label="this network")
        axes.plot(
            without,
            places,
            "|",
            markersize=11,
            color=pictures.INK,
            label="a reader without start, or feature",
        )
        names = [f"{pictures.nice(row['family'])}, {row['relations']}" for row in table]
        pictures.percents(axes, names)
        axes.set_ylabel("family, relations")
        figure.legend(loc="outside upper left", ncols=2)
    return {"": figure}
