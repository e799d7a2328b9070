"""What the benchmark of the input measures, and that it leaves nothing behind."""

from __future__ import annotations

import pytest

from lnmn_tf.benchmark.input import SOURCES, _forget, measure_input


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("input")
    sizes = {"map_shape": (3, 5, 17), "batch_size": 7, "gigabytes": 1e-5, "pictures": 3}
    return folder, measure_input(folder, **sizes)


def test_every_source_is_read_whole_cold_and_warm(measured):
    _, by_source = measured
    assert list(by_source) == [source.name for source in SOURCES]
    for name, result in by_source.items():
        for state in ("cold", "warm"):
            reading = result[state]
            rate = reading["examples"] / reading["seconds"]
            assert reading["examples_per_second"] == pytest.approx(rate)
        images = 3 if "pixels" in name else int(1e4 / (255 * (2 if "16" in name else 4)))
        batches = -(-images * 10 // 7)
        assert result["cold"]["examples"] == result["warm"]["examples"] == 7 * batches
        assert result["peak_memory_bytes"] > 10e6
        assert result["file_bytes"] > 1000


def test_the_files_are_removed(measured):
    folder, _ = measured
    assert list(folder.iterdir()) == []


def test_forgetting_a_file_leaves_its_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 99)
    _forget([path])
    assert path.read_bytes() == bytes(range(256)) * 99
