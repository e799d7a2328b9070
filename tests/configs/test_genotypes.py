"""The structures that are shipped fit the models that their commands in docs/learning.md name."""

from pathlib import Path

import numpy as np
import pytest

from lnmn_tf.config.names import OPERATORS
from lnmn_tf.models.genotype import read_genotype, strongest
from lnmn_tf.models.registry import make_config
from lnmn_tf.training.networks import build_network
from lnmn_tf.training.warm_start import give_genotype

FOLDER = Path(__file__).resolve().parents[2] / "configs/genotypes"
PATHS = sorted(FOLDER.glob("*.json"))
SIZES = {
    "num_words": 7,
    "num_answers": 3,
    "embed_dim": 4,
    "text_dim": 6,
    "kb_dim": 5,
    "map_dim": 6,
    "mem_dim": 4,
    "mlp_dim": 5,
    "attention_3": 2,
    "attention_4": 1,
    "feature_shape": (2, 3, 5),
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_shipped_genotype_is_the_structure_of_the_model_that_it_is_given(path):
    answers = {"answer_3": 0, "answer_4": 3} if "lone" in path.stem else {"answer_4": 3}
    network = build_network(make_config("relational", **{**SIZES, "answer_3": 1, **answers}))
    give_genotype(network, path)
    alpha = {
        f"{bank}.{cell}": values
        for bank, structure in network.structure.items()
        for cell, values in enumerate(structure.numpy())
    }
    written = read_genotype(path, {name: len(nodes) for name, nodes in alpha.items()})
    assert strongest(alpha) == written


def test_the_random_structures_are_not_all_alike():
    assert len({p.read_text() for p in PATHS if p.stem.startswith("random")}) == 10


@pytest.mark.parametrize("seed", range(5))
def test_random_structures_of_cells_that_join_are_drawn_from_what_a_search_may_find(seed):
    draw = np.random.default_rng(seed)
    joined, kept = OPERATORS[:4], [name for name in OPERATORS if name != "choose_1"]
    nodes = {"look_3.0": [OPERATORS] * 2}
    nodes |= {
        name: [joined, kept, joined]
        for name in ("attention_4.0", "answer_4.0", "answer_4.1", "answer_4.2")
    }
    drawn = {name: [one[draw.integers(len(one))] for one in of] for name, of in nodes.items()}
    path = FOLDER / f"random_lone_{seed}.json"
    assert read_genotype(path, {name: len(of) for name, of in nodes.items()}) == drawn
