"""All that the instruments know of a network's inside. When the network changes, this file follows.

Everything else here speaks of cells, of alpha and alpha', and of inputs and outputs of the public
contract (`network(inputs)`, `network.trace(inputs)`, `network.module_names`, `module_weights`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lnmn_tf.analysis.cell import Cell, Operands, softmax
from lnmn_tf.analysis.expressions import FIRST_MAP, IMAGE, MAP, SECOND_MAP, Symbol
from lnmn_tf.config.names import OPERATORS
from lnmn_tf.errors import InputError
from lnmn_tf.kernels.install import install
from lnmn_tf.layers.nodes import NodeChain
from lnmn_tf.models.lnmn import LNMN
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.models.registry import make_model
from lnmn_tf.models.relational import ATTENTION_GAIN, RelationalLNMN

__all__ = ["OPERATORS", "Cell", "Operands", "Probe", "changed", "softmax", "with_stack_len"]

Weights = Mapping[str, np.ndarray]  # of each cell by name, [nodes, 6]


class Probe:
    """A network whose operators and layouts can be replaced, and read again.

    While operators are replaced, the network's own alpha is not there: nobody else may use it.

    Args:
        network: a built model.
    """

    def __init__(self, network: StackMachine):
        self.network = network
        self._chains = _chains(network)
        self.encode = tf.function(self._encode, autograph=False)
        self._answer = tf.function(self._as_it_is, autograph=False)
        self._answer_plainly = tf.function(self._without_softmax, autograph=False)
        self._gradient = tf.function(self._gradient_of_probability, autograph=False)
        self._logit_gradient = tf.function(self._gradient_of_logit, autograph=False)

    @property
    def module_names(self) -> tuple[str, ...]:
        return tuple(self.network.module_names)

    @property
    def chains(self) -> list[NodeChain]:
        """What holds alpha, one for each bank of cells; none where there are no nodes."""
        return list(self._chains.values())

    @property
    def num_steps(self) -> int:
        return self.network.config.num_steps

    @property
    def stack_len(self) -> int:
        return self.network.config.stack_len

    @property
    def has_nodes(self) -> bool:
        """Whether there is a structure: not in Stack-NMN, nor in the concatenation ablation."""
        return bool(self._chains)

    @property
    def cells(self) -> list[Cell]:
        """Every cell with nodes, in the order of the modules; alpha as it is now.

        Raises:
            InputError: the network has no nodes.
        """
        if not self.has_nodes:
            raise InputError(
                f"--model is {self.network.config.model!r} with fusion="
                f"{getattr(self.network.config, 'fusion', '')!r}, whose modules have no nodes; "
                "expected a run of an LNMN with fusion=nodes"
            )
        cells = []
        for bank, chain in self._chains.items():
            kinds = [kind for kind in self.network.kinds if kind.bank_name == bank]
            for index, alpha in enumerate(chain.structure.numpy()):
                cells.append(
                    Cell(
                        f"{bank}.{index}",
                        tuple(f"{kind.name}.{index}" for kind in kinds),
                        kinds[0].answers,
                        _operands(kinds[0], self.network),
                        alpha,
                        chain.normalise,
                        _notes(kinds[0], self.network),
                    )
                )
        return cells

    @property
    def mixtures(self) -> dict[str, np.ndarray]:
        """alpha' of each cell, [nodes, 6]."""
        return {cell.name: softmax(cell.alpha) for cell in self.cells}

    @contextlib.contextmanager
    def alpha(self, alpha: Weights) -> Iterator[None]:
        """Inside, the cells named have other alpha; afterwards, all is as it was."""
        kept = [chain.structure.numpy() for chain in self._chains.values()]
        try:
            self._assign(alpha)
            yield
        finally:
            for chain, value in zip(self._chains.values(), kept):
                chain.structure.assign(value)

    @contextlib.contextmanager
    def operator_weights(self, weights: Weights | None = None) -> Iterator[None]:
        """Inside, `answer(plainly=True)` weighs operators by these numbers, which need not sum to one.

        Cells that are not named have alpha'. Afterwards, all is as it was.
        """
        mixtures = self.mixtures if self.has_nodes else {}
        with self.alpha({**mixtures, **(weights or {})}):
            yield

    def answer(self, encoded: dict[str, Any], plainly: bool = False) -> dict[str, tf.Tensor]:
        """The network's outputs, with "probabilities" [batch, answers].

        Args:
            encoded: what `encode` made of a batch; `module_weights` beside it replaces the layout.
            plainly: alpha holds weights of operators, no softmax is taken; see `operator_weights`.
        """
        return (self._answer_plainly if plainly and self.has_nodes else self._answer)(encoded)

    def gradient(
        self, encoded: dict[str, Any], answers: tf.Tensor, weight: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, np.ndarray]]:
        """(sum of the right answers' probabilities, its gradient by cell, [nodes, 6]), at this alpha.

        Args:
            encoded: see `answer`.
            answers: ids, [batch].
            weight: of each example in the sum, [batch].
        """
        total, gradients = self._gradient(encoded, answers, weight)
        return total, self._by_cell(gradients)

    def largest_logit_gradient(self, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        """Gradient by cell of the sum of each example's largest logit, where no softmax is taken."""
        return self._by_cell(self._logit_gradient(inputs))

    def trace(self, inputs: dict[str, Any]) -> tuple[dict[str, tf.Tensor], Any]:
        """(the network's outputs, its `Trace`), in eager mode or a graph."""
        return self.network.answer_and_trace(inputs)

    def show(self, attention: tf.Tensor) -> tf.Tensor:
        """An attention map as numbers that people read: probabilities where it holds logarithms."""
        return self.network.show(attention)

    def no_op(self) -> int:
        """Index of the module that does nothing."""
        if "no_op" not in self.module_names:
            raise InputError(f"modules is {self.module_names}; expected 'no_op' among them")
        return self.module_names.index("no_op")

    def below(self, pointer: np.ndarray) -> np.ndarray:
        """The pointer one slot below, [..., stack_len], as a module that reads a second map has it."""
        moved = np.concatenate([pointer[..., 1:], np.zeros_like(pointer[..., :1])], axis=-1)
        if getattr(self.network.config, "saturate_pointer", True):
            moved[..., 0] += pointer[..., 0]
        return moved

    def _assign(self, values: Weights) -> None:
        for bank, chain in self._chains.items():
            current = chain.structure.numpy()
            for index in range(len(current)):
                value = values.get(f"{bank}.{index}")
                if value is not None:
                    current[index] = value
            chain.structure.assign(current)

    def _by_cell(self, gradients: Sequence[tf.Tensor]) -> dict[str, np.ndarray]:
        return {
            f"{bank}.{index}": part
            for bank, gradient in zip(self._chains, gradients)
            for index, part in enumerate(gradient.numpy())
        }

    def _encode(self, inputs: dict[str, tf.Tensor]) -> dict[str, Any]:
        """Question and image as the steps need them, which no operator has an influence on."""
        return self.network.encode(inputs)

    def _as_it_is(self, encoded):
        outputs = self.network(encoded, training=False)
        return {**outputs, "probabilities": tf.nn.softmax(outputs["logits"])}

    def _without_softmax(self, encoded):
        with _no_softmax(self._chains.values()):
            return self._as_it_is(encoded)

    # The gradient of a step traces the step again: nodes stay replaced until it is there.

    def _gradient_of_probability(self, encoded, answers, weight):
        variables = [chain.structure for chain in self._chains.values()]
        with _mixing(self._chains.values()):
            with tf.GradientTape() as tape:
                probabilities = self._as_it_is(encoded)["probabilities"]
                right = tf.gather(probabilities, answers, batch_dims=1)
                total = tf.reduce_sum(weight * right)
            return total, tape.gradient(total, variables)

    def _gradient_of_logit(self, inputs):
        variables = [chain.structure for chain in self._chains.values()]
        with _no_softmax(self._chains.values()):
            with tf.GradientTape() as tape:
                logits = self._as_it_is(inputs)["logits"]
                total = tf.reduce_sum(tf.reduce_max(logits, axis=-1))
            return tape.gradient(total, variables)


def changed(network: StackMachine, **changes: Any) -> StackMachine:
    """A network with the same weights and other values of config fields, as far as these allow it."""
    config = network.config.replace(**changes)
    other = install(make_model(config))
    if config.image_height:
        image = {"image": tf.zeros([1, config.image_height, config.image_width, 3])}
    else:
        image = {"features": tf.zeros([1, *config.feature_shape])}
    other({**image, "question": tf.ones([1, 2], tf.int32)})
    if len(other.variables) != len(network.variables):
        raise ValueError(f"{len(network.variables)} weights for {len(other.variables)} variables")
    for mine, theirs in zip(other.variables, network.variables):
        mine.assign(theirs)
    return other


def with_stack_len(network: StackMachine, stack_len: int) -> StackMachine:
    """The same network, with the same weights, over a stack of another length.

    At the ends of the stack its pointer stays where it is: where there is one slot, all is read there
    and written there.
    """
    other_options = {}
    if hasattr(network.config, "saturate_pointer"):
        other_options["saturate_pointer"] = True
    return changed(network, stack_len=stack_len, **other_options)


def _chains(network: StackMachine) -> dict[str, NodeChain]:
    """The nodes of each bank by its name, which hold alpha, [cells, nodes, 6]."""
    if not isinstance(network, LNMN):
        return {}
    banks = {name: bank.fusion for name, bank in network.banks.items()}
    return {name: fusion for name, fusion in banks.items() if isinstance(fusion, NodeChain)}


def _operands(kind, network: LNMN) -> Operands:
    """The inputs of cells of a kind; v(a) is what a map points at, and how much it shows."""
    maps = (MAP,) if kind.num_maps == 1 else (FIRST_MAP, SECOND_MAP)
    if not _pools(kind, network):
        logarithms = isinstance(network, RelationalLNMN)
        gate = _wrapped("exp", r"\exp") if logarithms else (lambda symbol: symbol)
        return Operands(IMAGE, tuple(gate(symbol) for symbol in maps))
    shown = _wrapped("v", "v", "picture")
    image = IMAGE
    if kind.answers:
        image = Symbol(
            f"look(conv1(I), {maps[0].text})",
            rf"\mathrm{{look}}(\mathrm{{conv}}_1(I), {maps[0].latex})",
            frozenset({"picture", "map"}),
        )
    return Operands(image, tuple(shown(symbol) for symbol in maps))


def _wrapped(text: str, latex: str, *also: str):
    def wrap(symbol: Symbol) -> Symbol:
        return Symbol(
            f"{text}({symbol.text})", f"{latex}({symbol.latex})", symbol.sees | frozenset(also)
        )

    return wrap


def _pools(kind, network: LNMN) -> bool:
    """Whether cells of a kind see what their maps point at, not the maps."""
    return kind.bank_name in getattr(network, "poolings", {})


def _notes(kind, network: LNMN) -> tuple[str, ...]:
    """What stands around the nodes and is no part of the paper's cell."""
    notes = []
    if _pools(kind, network):
        notes.append(
            "v(a) = W3 look(conv1(I), a) + u n(a): the features under a map, and its sum n(a)"
        )
        if kind.answers:
            notes.append("look(conv1(I), a): the mean of conv1(I) under the softmax of a map")
    if not kind.answers and isinstance(network, RelationalLNMN):
        notes.append(
            "a holds log probabilities: a new map is log σ("
            f"{ATTENTION_GAIN:g} conv2(..)) + log P(object)"
            + (" + relation(a, W1 c)" if _pools(kind, network) else "")
        )
    return tuple(notes)


@contextlib.contextmanager
def _mixing(chains) -> Iterator[None]:
    """Nodes are traced as mixtures of all operators, whatever was left out to be fast."""
    kept = [chain.hard for chain in chains]
    try:
        for chain in chains:
            chain.hard = False
        yield
    finally:
        for chain, hard in zip(chains, kept):
            chain.hard = hard


@contextlib.contextmanager
def _no_softmax(chains) -> Iterator[None]:
    """Nodes are traced with alpha in the place of alpha'."""

    with _mixing(chains):
        try:
            for chain in chains:
                chain.operator_weights = tf.identity
            yield
        finally:
            for chain in chains:
                del chain.operator_weights
