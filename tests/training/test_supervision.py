"""The ledger names whatever a run is told beside answers."""

import pytest

from lnmn_tf.config import RunConfig
from lnmn_tf.training.supervision import ANSWERS, describe, supervision

SIZE = {"image_height": 4, "image_width": 6}


def test_end_to_end_from_pixels_learns_from_answers_alone():
    ledger = supervision(RunConfig.create(SIZE))
    assert ledger["image encoder"] == ledger["layout"] == ANSWERS
    assert ledger["order of questions"] == "random"


@pytest.mark.parametrize(
    ("choices", "part", "named"),
    [
        ({"pretrain_epochs": 2}, "image encoder", "scenes"),
        ({"encoder_run": "runs/x"}, "image encoder", "runs/x"),
        ({"freeze_structure": True}, "structure of modules", "nothing"),
        ({"structure_split": "val"}, "structure of modules", "validation split"),
        ({"layout_loss_weight": 0.5}, "layout", "made of programs (--layout_loss_weight=0.5)"),
        ({"joining": True}, "structure of modules", "keep both maps and the text"),
        (
            {"search_epochs": 3},
            "order of questions",
            "without a relation, as many of each family",
        ),
        ({"search_epochs": 3}, "structure of modules", "begins anew, every operator alike"),
        ({"growing": True}, "layout", "answers alone; until 0.5 of the run"),
        ({"growing": True, "plan": True}, "layout", "a plan, push, push, answer, until 0.5 of"),
        ({"looks_push": True}, "layout", "answers alone; a look pushes alone, and keeps the maps"),
        (
            {"looks_push": True, "growing": True, "attention_3": 1},
            "layout",
            "so these push, push and answer",
        ),
        ({"word_inhibition": 2.0}, "words that a step reads", "is read less again"),
        ({"max_hops": 0}, "questions", "programs have 0 relations at most"),
        ({"init_from": "runs/y"}, "first weights", "runs/y"),
    ],
)
def test_what_a_run_is_told_is_named(choices, part, named):
    ledger = supervision(RunConfig.create({**SIZE, **choices}))
    assert named in ledger[part]
    assert part in describe(ledger)


def test_features_and_models_without_nodes_are_told_apart():
    ledger = supervision(RunConfig.create({"model": "stack_nmn", "features": "f_{split}.h5"}))
    assert "trained elsewhere" in ledger["image encoder"]
    assert "structure of modules" not in ledger
