"""`--what=relations`: a network beside readers that do not know where a relation starts, or which feature is the same."""

import json

import numpy as np
import pytest

from lnmn_tf.analysis import relations
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.errors import InputError


@pytest.fixture
def records(subject):
    return json.loads(open(subject.questions.source).read())["questions"]


def counted(records):
    """How many relations a program has, or "same"."""
    functions = [[n["function"] for n in r["program"]] for r in records]
    return [
        "same" if any(name.startswith("same_") for name in names) else names.count("relate")
        for names in functions
    ]


@pytest.mark.parametrize("reader_is_right", [True, False])
def test_accuracies_are_those_of_the_questions_with_relations(
    subject, records, monkeypatch, reader_is_right
):
    read = iter(r["answer"] for r, n in zip(records, counted(records)) if n)
    for reader in ("answer_without_start", "answer_without_feature"):
        monkeypatch.setattr(relations, reader, lambda *_: next(read) if reader_is_right else None)
    groups = relations.measure(subject, Ledger(), {})["groups"]
    assert sum(group["questions"] for group in groups) == sum(n != 0 for n in counted(records)) > 0
    questions, right = subject.questions, []
    for batch in subject.batches():
        found = subject.probe.answer(batch.encoded)["probabilities"].numpy().argmax(-1)
        right += (found[: batch.real] == questions.answers[batch.positions]).tolist()
    for group in groups:
        of_group = [
            i
            for i, n in enumerate(counted(records))
            if n == group["relations"]
            and questions.family_names[questions.families[i]] == group["family"]
        ]
        assert group["questions"] == len(of_group)
        assert group["accuracy"] == np.mean([right[i] for i in of_group])
        assert group["without"] == reader_is_right
        assert group["wrong_without"] == (0 if reader_is_right else len(of_group))
        there = group["accuracy_there"]
        assert np.isnan(there) if reader_is_right else there == group["accuracy"]
    text = relations.summary({"groups": groups})
    assert ("it is never wrong" in text) == reader_is_right


def test_a_split_without_scenes_is_refused(subject, monkeypatch, tmp_path):
    assert relations.can_measure(subject)
    data = subject.config.data
    moved = subject.config.replace(data_dir=str(tmp_path))
    assert data.data_dir != moved.data.data_dir
    monkeypatch.setattr(subject, "config", moved)
    assert not relations.can_measure(subject)
    with pytest.raises(InputError, match="--what=relations looks up where things are"):
        relations.measure(subject, Ledger(), {})


def test_scenes_that_do_not_say_where_things_are_are_refused(subject, monkeypatch):
    bare = [
        {k: v for k, v in scene.items() if k != "directions"}
        for scene in relations.read_scenes(subject.config.data.data_dir, subject.split)
    ]
    monkeypatch.setattr(relations, "read_scenes", lambda *_: bare)
    with pytest.raises(InputError, match="'directions'.*expected CLEVR's programs, and scenes"):
        relations.measure(subject, Ledger(), {})
