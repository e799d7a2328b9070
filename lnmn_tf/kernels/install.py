"""The one place that puts kernels in the place of what they equal."""

from __future__ import annotations

import functools

from lnmn_tf.kernels.average import average
from lnmn_tf.kernels.knowledge_base import known
from lnmn_tf.kernels.loop import recomputed_loop
from lnmn_tf.kernels.nodes import NodeSums
from lnmn_tf.kernels.score import score
from lnmn_tf.kernels.skip import Skip
from lnmn_tf.kernels.tiles import CACHE
from lnmn_tf.layers.handcrafted import Score
from lnmn_tf.layers.nodes import NodeChain
from lnmn_tf.models.lnmn import LNMN
from lnmn_tf.models.machine import StackMachine


def install(network: StackMachine) -> StackMachine:
    """Makes a model fast; what it computes stays the same. Returns the model."""
    network.loop = recomputed_loop
    network.known = lambda features: known(network.knowledge_base, features, network.map_projection)
    network.reads_question = _is_large(network)
    if isinstance(network, LNMN):
        network.average = average
        if network.config.module_threshold or network.opened() is not None:  # some weights are 0
            network.run = Skip(network)
    for layer in network.submodules:
        if isinstance(layer, NodeChain):
            sums = NodeSums(layer)
            layer.weigh_channels, layer.sum_positions = sums.weigh_channels, sums.sum_positions
        elif isinstance(layer, Score):
            layer.score = functools.partial(score, layer)
    return network


def _is_large(network: StackMachine) -> bool:
    """Whether a question is better read outside of what is compiled.

    XLA copies the weights of an LSTM at every word. Where they fit into a core's cache, that costs less
    than TensorFlow's own loop; at the paper's size, four times more.
    """
    state = network.config.text_dim // 2
    weights = 8 * state * (network.config.embed_dim + state)
    return 4 * weights > CACHE
