"""`--what=relations`: a network beside readers that do not know where a relation starts, or which feature is the same."""

import dataclasses
import json

import numpy as np
import pytest

from lnmn_tf.analysis import relations
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.data.attributes import ATTRIBUTES
from lnmn_tf.data.vocabulary import tokenize
from lnmn_tf.errors import InputError
from lnmn_tf.training.examples import Examples
from lnmn_tf.world.programs import IllPosed, execute


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
    text = relations.summary({"groups": groups, "swaps": []})
    assert ("it is never wrong" in text) == reader_is_right


def with_another_feature(record, scene):
    """(feature, other feature, answer) of each question that another feature gives another answer."""
    functions = [n["function"] for n in record["program"]]
    for feature in ATTRIBUTES:
        if f"same_{feature}" not in functions:
            continue
        behind = " ".join(functions[functions.index(f"same_{feature}") + 1 :])
        for other in ATTRIBUTES:
            renamed = json.loads(
                json.dumps(record["program"]).replace(f"same_{feature}", f"same_{other}")
            )
            try:
                answer = execute(renamed, scene)
            except IllPosed:
                continue
            if other not in behind and answer != record["answer"]:
                yield feature, other, answer


def answer_of(subject, position, text):
    """What the network says to a question about the picture of another."""
    words = subject.vocabulary.words
    question = subject.questions.select(np.array([position]))
    ids = np.zeros_like(question.question_ids)
    ids[0, : len(tokenize(text))] = [words.index(word) for word in tokenize(text)]
    question = dataclasses.replace(question, question_ids=ids)
    examples = Examples(question, subject.examples.store)
    (batch,) = dataclasses.replace(subject, examples=examples).batches()
    logits = subject.probe.answer(batch.encoded)["logits"].numpy()
    return subject.vocabulary.answers[logits[0].argmax()]


def test_swaps_name_another_feature_where_that_changes_the_answer(subject, records):
    scenes = relations.read_scenes(subject.config.data.data_dir, subject.split)
    scenes = {scene["image_filename"]: scene for scene in scenes}
    of_family = {}
    for position, record in enumerate(records):
        family = subject.questions.family_names[subject.questions.families[position]]
        for feature, other, answer in with_another_feature(
            record, scenes[record["image_filename"]]
        ):
            if f"same {feature}" not in record["question"]:
                continue  # "exactly as big as"
            text = record["question"].replace(f"same {feature}", f"same {other}")
            said = answer_of(subject, position, text)
            as_it_was = answer_of(subject, position, record["question"])
            found = (
                as_it_was == record["answer"],
                said == answer,
                said == record["answer"],
            )
            of_family.setdefault(family, []).append(found)
    assert of_family
    result = relations.measure(subject, Ledger(), {})
    for swap in result["swaps"]:
        expected = of_family.pop(swap["family"])
        assert swap["swaps"] == len(expected)
        shares = [swap[name] for name in ("accuracy", "follows", "stays")]
        np.testing.assert_allclose(shares, np.mean(expected, axis=0))
    assert not of_family
    assert "with another feature named" in relations.summary(result)


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
