"""The search finds operators that were planted: min for *and*, max for *or*, product for *compare*.

Through Algorithm 2 as it trains every model: two batches, two optimizers, the annealed decay of alpha.
"""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config import OPERATORS, RunConfig
from lnmn_tf.layers.nodes import beneath_largest
from lnmn_tf.layers.operators import node, operator_weights
from lnmn_tf.training.fitting import make_trainer
from lnmn_tf.world.planted import KINDS, TRUTH, WORDS, planted_world

STEPS, BATCH = 1500, 128


class PlantedNetwork(keras.Model):
    """Two maps of the attributes asked about, a node for each kind of question, and a threshold.

    Gains are positive: max(a, b) = -min(-a, -b), so free signs would exchange min and max.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.words = self.add_weight("words", [len(WORDS), channels], None, "random_normal")
        self.gain = self.add_weight("gain", [len(KINDS)], None, "zeros")
        self.threshold = self.add_weight("threshold", [len(KINDS)], None, "zeros")
        normal = keras.initializers.RandomNormal(stddev=1.0)
        shape = [len(KINDS), 1, len(OPERATORS)]
        self.structure = self.add_weight(
            "structure", shape, None, normal, constraint=beneath_largest
        )

    @property
    def structure_variables(self):
        return [self.structure]

    def encode(self, inputs):
        return {**inputs, "encoded": ()}  # nothing precedes the steps

    def call(self, inputs, training=None):
        kind, *attributes = tf.unstack(inputs["question"], axis=1)
        channels = [tf.nn.softplus(tf.gather(self.words, word)) for word in attributes]
        maps = [tf.einsum("bhwc,bc->bhw", inputs["features"], c) for c in channels]
        first, second = (tf.reshape(m, [tf.shape(m)[0], 1, -1, 1]) for m in maps)
        mixed = node(operator_weights(self.structure[:, 0]), first, second)
        scores = tf.nn.softplus(self.gain) * tf.reduce_sum(mixed, axis=[2, 3]) + self.threshold
        asked = tf.one_hot(kind - WORDS.index(KINDS[0]), len(KINDS))
        score = tf.reduce_sum(asked * scores, axis=-1)
        weights = tf.ones([tf.shape(score)[0], 1, 1])
        return {"logits": tf.stack([-score, score], axis=-1), "module_weights": weights}


def batches(seed):
    world = planted_world(4000, seed=seed)
    arrays = {
        "features": world.features,
        "question": world.question_ids,
        "answer": world.answers,
    }
    data = tf.data.Dataset.from_tensor_slices(arrays).shuffle(4000, seed=seed)
    return data.repeat().batch(BATCH, drop_remainder=True)


PAPER = {"structure_decay": "coupled", "structure_weight_decay": 1e-3, "sparsity": 1.0}
WAYS = {
    "annealed": {},
    "paper": PAPER,
    **{name: {"search": name, "sparsity": 0.0} for name in ("asap", "gdas", "entropy")},
}


def searched(seed, choices):
    """(the operators found, the least weight of a node's strongest, accuracy on other examples)."""
    tf.keras.utils.set_random_seed(seed)
    network = PlantedNetwork(planted_world(1, seed=0).features.shape[-1])
    config = RunConfig.create(
        {
            "features": "{split}.h5",
            "batch_size": BATCH,
            "learning_rate": 1e-2,
            "structure_learning_rate": 3e-2,
            "entropy_schedule": "none",
            "xla": "off",
            "shards": 1,
            "seed": seed,
            **choices,
        }
    )
    trainer = make_trainer(network, config, STEPS)
    data = tf.data.Dataset.zip((batches(seed), batches(seed + 100)))
    trainer.fit(data, steps_per_epoch=STEPS, epochs=1, verbose=0)

    weights = tf.nn.softmax(network.structure[:, 0]).numpy()
    found = {kind: OPERATORS[row.argmax()] for kind, row in zip(KINDS, weights)}
    other = planted_world(2000, seed=seed + 200)
    outputs = network({"features": other.features, "question": other.question_ids})
    accuracy = np.mean(np.argmax(outputs["logits"], axis=-1) == other.answers)
    return found, weights.max(axis=-1).min(), accuracy


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_search_finds_the_planted_operators_from_answers_alone(seed):
    found, least, accuracy = searched(seed, WAYS["annealed"])
    assert found == TRUTH
    assert least > 0.8  # each node has chosen
    assert accuracy > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("way", ["asap", "gdas", "entropy"])
def test_other_ways_of_the_search_find_them_too(way):
    found, least, accuracy = searched(0, WAYS[way])
    assert found == TRUTH
    assert least > 0.8
    assert accuracy > 0.97


@pytest.mark.slow
def test_the_sparsity_of_the_paper_chooses_an_operator_for_each_node_right_or_wrong():
    _, least, _ = searched(0, WAYS["paper"])
    assert least > 0.9
