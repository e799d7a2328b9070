"""Banks of cells compute what a cell alone would, by the paper's formulas."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers.cells import AnswerBank, AttentionBank, CellProjection
from lnmn_tf.layers.fusion import Concatenation
from lnmn_tf.layers.nodes import NodeChain

BATCH, POSITIONS, CELLS, MAP_DIM, MEM_DIM, KB_DIM = 2, 5, 3, 7, 11, 13


def softmax(x):
    exponent = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponent / exponent.sum(axis=-1, keepdims=True)


def node(alpha, x1, x2, normalise=False):
    """Section 3.1 for one cell, an operator at a time."""
    a, b = np.broadcast_arrays(x1, x2)
    outputs = [np.minimum(a, b), np.maximum(a, b), a + b, a * b, a, b]
    output = sum(weight * y for weight, y in zip(softmax(alpha), outputs))
    if normalise:
        output = output / np.linalg.norm(output, axis=-1, keepdims=True)
    return output


def fused(structure, image, text, maps, normalise=False):
    """The chain of nodes of one cell, [batch, positions, map_dim]."""
    nodes = list(structure)
    attention = maps[0][..., None]
    if len(maps) == 2:
        attention = node(nodes.pop(0), attention, maps[1][..., None], normalise)
    seen = node(nodes.pop(0), image, attention, normalise)
    return node(nodes.pop(0), seen, text[:, None], normalise)


class Inputs:
    """Random inputs, as numpy sees them and as banks want them."""

    def __init__(self, num_maps):
        random = np.random.default_rng(num_maps)
        self.image = random.normal(size=[BATCH, POSITIONS, MAP_DIM]).astype(np.float32)
        self.text = random.normal(size=[BATCH, MAP_DIM]).astype(np.float32)
        self.maps = list(random.normal(size=[num_maps, BATCH, POSITIONS]).astype(np.float32))
        self.memory = random.normal(size=[BATCH, MEM_DIM]).astype(np.float32)
        self.for_bank = (
            tf.constant(self.image[:, None]),
            tf.constant(self.text[:, None, None]),
            [tf.constant(attention[:, None, :, None]) for attention in self.maps],
        )


def chain(num_maps, **kwargs):
    return NodeChain(CELLS, num_maps, **kwargs)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("num_maps", [1, 2])
def test_fusion_is_a_chain_of_nodes(num_maps, normalise):
    inputs, fusion = Inputs(num_maps), chain(num_maps, normalise=normalise)
    found = fusion(*inputs.for_bank).numpy()
    structure = fusion.structure.numpy()
    assert structure.shape == (CELLS, num_maps + 1, 6)
    for cell in range(CELLS):
        expected = fused(structure[cell], inputs.image, inputs.text, inputs.maps, normalise)
        np.testing.assert_allclose(found[:, cell], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_maps", [1, 2])
def test_attention_bank_is_a_1x1_convolution_of_the_fused_map(num_maps):
    inputs, fusion = Inputs(num_maps), chain(num_maps)
    bank = AttentionBank(fusion)
    bank(*inputs.for_bank)
    bank.bias.assign(np.arange(CELLS, dtype=np.float32))
    found = bank(*inputs.for_bank).numpy()
    assert found.shape == (BATCH, CELLS, POSITIONS)
    for cell in range(CELLS):
        features = fused(fusion.structure.numpy()[cell], inputs.image, inputs.text, inputs.maps)
        expected = features @ bank.kernel.numpy()[cell] + cell
        np.testing.assert_allclose(found[:, cell], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_maps", [1, 2])
def test_answer_bank_is_linear_in_text_memory_and_summed_map(num_maps):
    inputs, fusion = Inputs(num_maps), chain(num_maps)
    bank = AnswerBank(fusion, MEM_DIM)
    found = bank(*inputs.for_bank, tf.constant(inputs.memory)).numpy()
    assert found.shape == (BATCH, CELLS, MEM_DIM)
    for cell in range(CELLS):
        features = fused(fusion.structure.numpy()[cell], inputs.image, inputs.text, inputs.maps)
        parts = np.concatenate([inputs.text, inputs.memory, features.sum(axis=1)], axis=-1)
        expected = parts @ bank.kernel.numpy()[cell] + bank.bias.numpy()[cell]
        np.testing.assert_allclose(found[:, cell], expected, rtol=1e-4, atol=1e-4)


def test_gradients_are_those_of_the_formulas():
    """Central differences of the numpy formula, in float64, along a random direction."""
    inputs, fusion = Inputs(2), chain(2)
    bank = AttentionBank(fusion)
    image, text, maps = inputs.for_bank
    bank(image, text, maps)
    sources = [fusion.structure, bank.kernel, image, text, *maps]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        loss = tf.reduce_sum(tf.sin(bank(image, text, maps)))
    gradients = tape.gradient(loss, sources)

    def reference(structure, kernel, image, text, *maps):
        maps = [attention[:, 0, :, 0] for attention in maps]
        cells = [fused(alpha, image[:, 0], text[:, 0, 0], maps) for alpha in structure]
        scores = np.stack([features @ w for features, w in zip(cells, kernel)])
        return np.sin(scores).sum()

    random = np.random.default_rng(1)
    values = [np.asarray(source, np.float64) for source in sources]
    directions = [random.normal(size=value.shape) for value in values]
    for index, direction in enumerate(directions):
        moved = [
            [v + step * direction if i == index else v for i, v in enumerate(values)]
            for step in (1e-6, -1e-6)
        ]
        expected = (reference(*moved[0]) - reference(*moved[1])) / 2e-6
        found = np.sum(gradients[index].numpy() * direction)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_cells_of_a_bank_do_not_touch_each_other():
    inputs, fusion = Inputs(1), chain(1)
    bank = AttentionBank(fusion)
    with tf.GradientTape() as tape:
        first = tf.reduce_sum(tf.sin(bank(*inputs.for_bank)[:, 0]))
    for gradient in tape.gradient(first, bank.trainable_variables):
        assert np.any(gradient[0])
        np.testing.assert_array_equal(gradient[1:], 0.0)


def test_a_gain_is_a_factor_of_the_new_maps_and_their_bias():
    inputs, fusion = Inputs(1), chain(1)
    bank = AttentionBank(fusion, gain=4.0, bias=-1.0)
    found = bank(*inputs.for_bank)
    summed = fusion.weigh_channels(*inputs.for_bank, bank.kernel)
    np.testing.assert_allclose(found, 4.0 * (summed - 1.0), rtol=1e-5, atol=1e-5)


def test_each_cell_projects_by_a_kernel_of_its_own():
    random = np.random.default_rng(2)
    image = random.normal(size=[BATCH, POSITIONS, KB_DIM]).astype(np.float32)
    projection = CellProjection(CELLS, MAP_DIM)
    projection.build(image.shape)
    projection.bias.assign(random.normal(size=[CELLS, MAP_DIM]).astype(np.float32))
    found = projection(tf.constant(image)).numpy()
    for cell in range(CELLS):
        expected = image @ projection.kernel.numpy()[cell] + projection.bias.numpy()[cell]
        np.testing.assert_allclose(found[:, cell], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_maps", [1, 2])
def test_concatenation_is_one_convolution_of_all_inputs(num_maps):
    inputs, fusion = Inputs(num_maps), Concatenation(CELLS, num_maps)
    found = fusion(*inputs.for_bank).numpy()
    text = np.broadcast_to(inputs.text[:, None], inputs.image.shape)
    maps = [attention[..., None] for attention in inputs.maps]
    together = np.concatenate([inputs.image, text, *maps], axis=-1)
    for cell in range(CELLS):
        expected = together @ fusion.kernel.numpy()[cell] + fusion.bias.numpy()[cell]
        np.testing.assert_allclose(found[:, cell], expected, rtol=1e-4, atol=1e-5)


def test_unknown_operators_cannot_be_zeroed():
    with pytest.raises(ValueError, match="divide"):
        chain(1, zeroed=("divide",))
