"""A packed model answers as the run that it was made of, in a tenth of the space."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.errors import InputError
from lnmn_tf.models.registry import make_config
from lnmn_tf.training.networks import build_network
from lnmn_tf.training.packed import WEIGHTS, load_packed, pack
from lnmn_tf.training.trained import TrainedRun


def test_a_packed_model_answers_as_its_run(tiny_run, tmp_path):
    folder = pack(tiny_run, tmp_path / "packed")
    run, packed = TrainedRun.open(tiny_run), TrainedRun.open(folder)
    assert packed.step == run.step and packed.step > 0
    for found, expected in zip(packed.network.variables, run.network.variables):
        scale = np.abs(expected.numpy()).max() + 1e-3
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * scale)
    sizes = [sum(f.stat().st_size for f in p.rglob("*") if f.is_file()) for p in (folder, tiny_run)]
    assert 5 * sizes[0] < sizes[1]


def test_a_run_is_packed_once_and_only_when_finished(tiny_run, tmp_path):
    pack(tiny_run, tmp_path / "packed")
    with pytest.raises(InputError, match="not empty"):
        pack(tiny_run, tmp_path / "packed")
    with pytest.raises(InputError, match="finished run"):
        pack(tmp_path, tmp_path / "other")


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and nothing else", None])
def test_weights_that_are_damaged_or_of_another_model_are_one_sentence(damage, tmp_path):
    sizes = {"num_words": 5, "num_answers": 3, "text_dim": 4, "feature_shape": (1, 2, 3)}
    network = build_network(make_config("stack_nmn", **sizes))
    if damage is None:
        np.savez(tmp_path / WEIGHTS, weight=np.zeros(3, np.float16))
    else:
        (tmp_path / WEIGHTS).write_bytes(damage)
    before = [v.numpy() for v in network.variables]
    with pytest.raises(InputError, match=WEIGHTS):
        load_packed(network, tmp_path)
    tf.nest.map_structure(
        np.testing.assert_array_equal, before, [v.numpy() for v in network.variables]
    )
