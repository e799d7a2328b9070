"""Trials: which structures are tried, which one is taken, and the file of what was tried."""

from __future__ import annotations

import numpy as np
import pytest

from lnmn_tf.errors import InputError
from lnmn_tf.training import trials


def test_alpha_leaves_open_what_it_is_not_sure_of():
    sure = np.array([[0.02, 0.0, 0.0, 0.97, 0.0, 0.01]] * 3)
    unsure = sure.copy()
    unsure[1] = [0.0, 0.45, 0.05, 0.25, 0.0, 0.25]
    found = trials.likely(np.stack([sure, unsure, sure]))
    p = "product"
    assert found == [(p, p, p), (p, "max", p), (p, "choose_2", p)]
    found = trials.likely(np.full([2, 3, 6], 1 / 6))  # 216 structures, all as likely
    assert len(set(found)) == len(found) == trials.MOST_TRIALS


def test_a_look_is_tried_without_its_map():
    product, without = ("product", "min"), ("choose_1", "min")
    least = ("min", "min")
    assert trials.with_simpler([product]) == [product, without]
    assert trials.with_simpler([product, least, ("sum", "min")]) == [product, without, least]
    assert trials.with_simpler([without, product]) == [without, product]


@pytest.mark.parametrize(
    "questions, taken",
    [
        (400, ("choose_1", "product")),  # one standard error is 1.5 points
        (40_000, ("product", "product")),  # 0.15 points
        (100, ("choose_1", "choose_2")),  # 3 points
    ],
)
def test_the_simplest_structure_within_one_standard_error_is_taken(questions, taken):
    tried = [
        trials.Trial(structure, {"accuracy": accuracy, "questions": questions})
        for structure, accuracy in (
            (("product", "product"), 0.9),
            (("choose_1", "min"), 0.886),
            (("choose_1", "product"), 0.888),
            (("choose_1", "choose_2"), 0.88),
        )
    ]
    assert trials.best(tried).structure == taken


@pytest.mark.parametrize(
    "text",
    [
        "{}\n",
        "[]\n",
        "no JSON\n",
        '{"structure": 3, "accuracy": 1, "families": {}}\n',
        '{"structure": ["min"], "accuracy": 1, "families": 2}\n',
        '{"structure": ["min"], "accuracy": 1, "families": {}}\n',
    ],
)
def test_a_list_of_trials_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "trials.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match="without it, they begin anew"):
        trials.read(path)
