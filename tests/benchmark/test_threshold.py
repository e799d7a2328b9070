"""What the benchmark of thresholds measures."""

from __future__ import annotations

import pytest

from lnmn_tf.benchmark.threshold import THRESHOLDS, format_threshold, measure_threshold
from lnmn_tf.errors import InputError
from lnmn_tf.main import main
from lnmn_tf.training import evaluations


def test_with_threshold_zero_accuracy_is_that_of_an_evaluation(tiny_run):
    table = measure_threshold(tiny_run, batch_sizes=[4])
    assert main(["--mode=evaluate", f"--run_dir={tiny_run}"]) == 0
    accuracy = evaluations.read(tiny_run)[-1]["accuracy"]["accuracy"]
    for rows in table.values():
        assert list(rows) == [str(threshold) for threshold in THRESHOLDS]
        assert rows["0.0"]["accuracy"] == pytest.approx(accuracy)
        assert all(row["examples_per_second"] > 0 for row in rows.values())
    lines = format_threshold(table).splitlines()
    assert len(lines) == len(THRESHOLDS)
    assert "(1.00x)" in lines[0]


def test_without_a_run_it_says_what_it_needs():
    with pytest.raises(InputError, match="^trained_dir is empty"):
        measure_threshold("")
