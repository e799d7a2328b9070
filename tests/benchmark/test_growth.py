"""How cost grows: what is planned, what is made of it, and its picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from lnmn_tf.benchmark.growth import (
    FACTORS,
    PICTURE,
    Growth,
    exponent,
    format_growth,
    measure_growth,
    plan_growth,
)
from lnmn_tf.benchmark.growth_picture import draw
from lnmn_tf.benchmark.presets import PRESETS
from lnmn_tf.benchmark.run import benchmark
from lnmn_tf.errors import InputError


class FakeContest:
    """Whose steps take so many seconds an example."""

    def __init__(self, seconds: float, batch_size: int):
        self.seconds, self.batch_size = seconds, batch_size
        self.running = False

    def start(self, folder: Path):
        assert folder.is_dir()
        self.running = True
        return {"ours": self}

    def run(self, calls: int):
        assert self.running and calls == 1
        return {"seconds": [self.seconds * self.batch_size], "cpu_seconds": [7.0]}

    def kill(self):
        self.running = False


def sizes_of(contest) -> dict[str, int]:
    model, (height, width, _) = contest.model, contest.preset.map_shape
    return {
        "batch_size": contest.batch_size,
        "map_dim": model.map_dim,
        "num_steps": model.num_steps,
        "stack_len": model.stack_len,
        "positions": height * width,
        "modules": model.attention_3 + model.attention_4 + model.answer_3 + model.answer_4,
    }


@pytest.mark.parametrize("power", [0.0, 1.0, 1.5])
def test_the_exponent_is_the_power_that_seconds_an_example_grow_with(power):
    assert exponent(tuple(11.0 * factor**-power for factor in FACTORS)) == pytest.approx(power)


def test_what_is_planned_differs_in_one_size_each():
    preset = PRESETS["quickstart"]
    plan = plan_growth(preset, {"map_dim": 24})
    assert list(plan) == [
        "batch_size",
        "map_dim",
        "num_steps",
        "stack_len",
        "positions",
        "modules",
    ]
    assert plan["batch_size"].values == (64, 128, 256)
    assert plan["map_dim"].values == (24, 48, 96)
    assert plan["positions"].values == (96, 192, 384)
    assert plan["modules"].values == (6, 12, 24)  # NoOp costs nothing
    alone = sizes_of(plan["map_dim"].contests[0])
    for name, growth in plan.items():
        for contest, value in zip(growth.contests, growth.values):
            assert sizes_of(contest) == {**alone, name: value}


def test_growth_of_a_model_without_cells_is_refused_before_anything_is_measured(tmp_path):
    with pytest.raises(InputError, match="--what is growth and --model is 'stack_nmn'"):
        benchmark({}, run_dir=str(tmp_path), preset="stack_nmn", what="train,growth")
    assert not list(tmp_path.iterdir())


def test_what_is_measured_is_seconds_an_example(tmp_path):
    contests = tuple(FakeContest(0.5 * factor**2, batch_size=3 * factor) for factor in FACTORS)
    table = measure_growth(tmp_path, {"size": Growth("Size", (5, 10, 20), contests)}, rounds=2)
    row = table["size"]
    assert row["examples_per_second"] == pytest.approx((2.0, 0.5, 0.125))
    assert row["processor_seconds"] == pytest.approx((7 / 3, 7 / 6, 7 / 12))
    assert row["exponent"] == pytest.approx(2.0)
    assert not any(contest.running for contest in contests)
    assert "Size" in format_growth(table) and "size^2.00" in format_growth(table)
    assert "Size" in (tmp_path / PICTURE).read_text()


def test_in_the_picture_points_lie_on_the_dashed_line_if_growth_is_in_proportion():
    row = {"title": "map_dim", "values": (8, 16, 32), "examples_per_second": (100.0, 50.0, 25.0)}
    tree = ElementTree.fromstring(draw({"map_dim": row}))
    name = "{http://www.w3.org/2000/svg}"
    texts = {element.text for element in tree.iter(f"{name}text")}
    assert {"map_dim", "8", "32", "100", "25", "4x"} <= texts
    (line,) = tree.iter(f"{name}polyline")
    (dashed,) = (path for path in tree.iter(f"{name}path") if path.get("stroke-dasharray"))
    ends = dashed.get("d").lstrip("M").replace(" ", ",").split("L")
    points = line.get("points").split()
    assert [points[0], points[-1]] == ends
