"""The paper's maps grow with a power of 2 to the number of steps: a cell of two maps squares them."""

import numpy as np
import tensorflow as tf

from lnmn_tf.config import OPERATORS
from lnmn_tf.kernels.install import install
from lnmn_tf.models.registry import make_config, make_model

STEPS = 3
SIZES = {
    "num_words": 11,
    "num_answers": 3,
    "embed_dim": 5,
    "text_dim": 6,
    "kb_dim": 7,
    "map_dim": 5,
    "mem_dim": 11,
    "mlp_dim": 13,
    "num_steps": STEPS,
    "stack_len": 2,
    "position_channels": 8,
}


def largest_map_of_each_step(scale):
    """max |A| after each step of attention_4 with all products, its conv2 times `scale`."""
    tf.keras.utils.set_random_seed(3)
    model = install(make_model(make_config("paper", attention_3=0, attention_4=1, **SIZES)))
    random = np.random.default_rng(4)
    inputs = {
        "features": tf.constant(random.normal(size=[2, 3, 2, 7]), tf.float32),
        "question": tf.constant(random.integers(1, 11, size=[2, 4]), tf.int32),
    }
    model(inputs)
    bank = model.banks["attention_4"]
    product = tf.one_hot(OPERATORS.index("product"), 6) * 50.0
    bank.fusion.structure.assign(tf.broadcast_to(product, bank.fusion.structure.shape))
    bank.kernel.assign(scale * bank.kernel)
    layout = tf.one_hot([[model.module_names.index("attention_4.0")] * STEPS] * 2, 4)
    trace = model.trace({**inputs, "module_weights": layout})
    return np.abs(trace.stack.numpy().astype(float)).max(axis=(0, 2, 3, 4))


def test_maps_grow_with_the_scale_of_conv2_to_the_power_2_to_the_steps_less_1():
    small, large = largest_map_of_each_step(1e4), largest_map_of_each_step(2e4)
    powers = np.log2(large / small)
    np.testing.assert_allclose(powers, [2.0**step - 1.0 for step in (1, 2, 3)], rtol=0.02)
