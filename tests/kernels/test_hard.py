"""`kernels.hard.hard_cell` equals a chain of hard nodes, and holds nothing that is dead."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import OPERATORS
from lnmn_tf.kernels.hard import hard_cell
from lnmn_tf.kernels.nodes import NodeSums
from lnmn_tf.layers.nodes import NodeChain

BATCH, POSITIONS, MAP_DIM = 2, 5, 7


def make(operators, num_maps, over_channels=False, **choices):
    """A hard and a sharp chain of the same operators, and their inputs."""
    random = np.random.default_rng(5)
    shape = [BATCH, 1, 1, MAP_DIM] if over_channels else [BATCH, 1, POSITIONS, 1]
    shapes = ([BATCH, 1, POSITIONS, MAP_DIM], [BATCH, 1, 1, MAP_DIM], *[shape] * num_maps)
    image, text, *maps = (tf.constant(random.normal(size=s), tf.float32) for s in shapes)
    chains = [NodeChain(len(operators), num_maps, hard=h, **choices) for h in (True, False)]
    for chain in chains:
        chain.build(image.shape)
        chain.structure.assign(200.0 * tf.one_hot(operators, len(OPERATORS)))
    kernel = tf.constant(random.normal(size=[len(operators), MAP_DIM]), tf.float32)
    return *chains, (image, text, maps), kernel


@pytest.mark.parametrize("zeroed", [(), ("sum", "choose_1")])
@pytest.mark.parametrize(
    ("num_maps", "normalise", "over_channels"),
    [(1, False, False), (1, True, False), (1, False, True), (2, True, False), (2, False, True)],
)
def test_hard_operators_are_the_limit_of_sharp_alpha(num_maps, normalise, over_channels, zeroed):
    every = list(
        itertools.product(range(6), repeat=num_maps + 1)
    )  # a cell for every chain there is
    hard, sharp, inputs, kernel = make(
        every[:: 2 * num_maps - 1], num_maps, over_channels, normalise=normalise, zeroed=zeroed
    )
    sums, expected = NodeSums(hard), sharp(*inputs)
    np.testing.assert_allclose(hard(*inputs), expected, rtol=1e-4, atol=2e-5)
    for name, arguments in (("weigh_channels", (kernel,)), ("sum_positions", ())):
        found, expected = (getattr(form, name)(*inputs, *arguments) for form in (sums, sharp))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5, err_msg=name)


def test_the_terms_of_a_cell_add_up_to_its_fused_map():
    operators = [["sum", "product"], ["product", "min"], ["choose_2", "sum"]]
    indices = [[OPERATORS.index(name) for name in cell] for cell in operators]
    hard, _, (image, text, maps), _ = make(indices, 1)
    fused = hard(image, text, maps)
    for index, cell in enumerate(operators):
        found = hard_cell(cell, image[:, 0], text[:, 0], [maps[0][:, 0]])
        np.testing.assert_allclose(found.fused(), fused[:, index], rtol=1e-5, atol=1e-5)


def graph_of(chain, inputs, kernel):
    def weigh(image, text, attention):
        return NodeSums(chain).weigh_channels(image, text, [attention], kernel)

    image, text, (attention,) = inputs
    graph = tf.function(weigh).get_concrete_function(image, text, attention).graph
    return graph, dict(zip(("image", "text", "attention"), graph.inputs))


def test_what_no_operator_needs_is_not_in_the_graph():
    names = [["product", "choose_1"], ["choose_1", "product"], ["product", "choose_2"]]
    unused = ("text", "attention", "image")
    for operators, absent in zip(names, unused):
        indices = [[OPERATORS.index(name) for name in operators]]
        hard, sharp, inputs, kernel = make(indices, 1)
        graph, placeholders = graph_of(hard, inputs, kernel)
        operations = {operation.type for operation in graph.get_operations()}
        assert not operations & {"Minimum", "Maximum", "Softmax", "OneHot", "ReadVariableOp"}
        reached = tf.compat.v1.graph_util.extract_sub_graph(
            graph.as_graph_def(), [graph.outputs[0].op.name]
        )
        left = {node.name for node in reached.node}
        multiplied = [
            operation
            for operation in placeholders[absent].consumers()
            if operation.name in left and operation.type not in ("StridedSlice", "ZerosLike")
        ]
        assert not multiplied, absent
        whole, _ = graph_of(sharp, inputs, kernel)
        assert len(graph.get_operations()) < len(whole.get_operations())


def test_the_structure_is_read_when_a_graph_is_traced():
    product, total = OPERATORS.index("product"), OPERATORS.index("sum")
    hard, _, inputs, kernel = make([[product, product]], 1)
    sums = NodeSums(hard)
    old = tf.function(lambda: sums.weigh_channels(*inputs, kernel))
    before = old().numpy()
    hard.structure.assign(tf.one_hot([[total, total]], len(OPERATORS)))
    np.testing.assert_array_equal(old(), before)
    new = tf.function(lambda: sums.weigh_channels(*inputs, kernel))
    assert np.abs(new() - before).max() > 0.1
