"""Weights that are stored in a smaller type than they are used in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf


class StoredWeights:
    """The weights of some networks, rounded to a type, and cast back where a graph begins.

    Their structure (alpha) is left as it is: it is small, and which operator is the strongest is read when a
    graph is built.

    Args:
        networks: built.
        dtype: float32, which changes nothing, bfloat16 or float16.
    """

    def __init__(self, networks: Sequence[tf.Module], dtype: str = "float32"):
        self.variables = [variable for network in networks for variable in network.variables]
        self._places = []  # (attributes of a layer, name of one, its variable, the variable stored)
        if dtype == "float32":
            return
        structure = [v for n in networks for v in getattr(n, "structure_variables", ())]
        exact = {id(variable) for variable in structure}
        stored = {
            id(variable): tf.Variable(tf.cast(variable, dtype), trainable=False)
            for variable in self.variables
            if id(variable) not in exact
        }
        for layer in {layer for network in networks for layer in (network, *network.submodules)}:
            for name, value in vars(layer).items():
                if id(value) in stored:  # not so a counter of Keras
                    self._places.append((vars(layer), name, value, stored[id(value)]))
        if {id(variable) for _, _, variable, _ in self._places} != set(stored):
            raise ValueError("a variable is no attribute of a layer")
        self.variables = [*stored.values(), *structure]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """A graph that is built in this context reads the stored weights, in float32."""
        for attributes, name, _, stored in self._places:
            attributes[name] = tf.cast(stored, tf.float32)
        try:
            yield
        finally:
            for attributes, name, variable, _ in self._places:
                attributes[name] = variable
