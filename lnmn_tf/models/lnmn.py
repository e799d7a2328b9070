"""Learnable Neural Module Networks: the stack machine with generic cells (paper, section 3).

`LNMN` is the paper's model, `ReleasedLNMN` what the authors' program does instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config.lnmn import LNMNConfig
from lnmn_tf.layers import stack as stacks
from lnmn_tf.layers.cells import AnswerBank, AttentionBank, CellProjection
from lnmn_tf.layers.fusion import Concatenation, Fusion
from lnmn_tf.layers.nodes import NodeChain
from lnmn_tf.models.kinds import Kind, paper_kinds
from lnmn_tf.models.machine import StackMachine, State


class LNMN(StackMachine):
    """Learnable Neural Module Network, as the paper has it.

    Args:
        config: every size and switch.

    Call arguments and returns: see `StackMachine`.

    Reference: Pahuja, Fu, Chandar, Pal, "Structure Learning for Neural Module Networks", 2019.
    """

    normalises_nodes = False  # L2 norm over channels after each node
    config: LNMNConfig
    structure_constraint: Any = None  # of alpha, after each step of its optimizer
    keeps_memory = False  # a module that does not answer leaves the memory as it is; or answers 0

    def __init__(self, config: LNMNConfig, **kwargs):
        self.kinds = self.make_kinds(config)
        super().__init__(config, **kwargs)
        self.average = average
        self.banks = {
            kind.bank_name: self.make_bank(kind, self.make_fusion(kind)) for kind in self.kinds
        }
        self.make_projections()

    def make_kinds(self, config: Any) -> tuple[Kind, ...]:
        """The modules but NoOp, which is always there, of the model's own config."""
        return paper_kinds(config.attention_3, config.attention_4, config.answer_3, config.answer_4)

    def make_fusion(self, kind: Kind) -> Fusion:
        """How cells of a kind fuse their inputs: nodes, or the ablation of Table 2."""
        config = self.config
        if config.fusion == "concat":
            return Concatenation(kind.cells, kind.num_maps, name="fusion")
        return NodeChain(
            kind.cells,
            kind.num_maps,
            normalise=self.normalises_nodes,
            hard=config.hard_operators,
            zeroed=config.zeroed_operators,
            constraint=self.structure_constraint,
            without=self.left_out(kind),
            name="fusion",
        )

    def left_out(self, kind: Kind) -> tuple[tuple[str, ...], ...]:
        """For each node of a kind, operators that it may not become; () = none of any."""
        return ()

    def make_bank(self, kind: Kind, fusion: Fusion) -> AttentionBank | AnswerBank:
        """The cells of a kind."""
        if kind.answers:
            return AnswerBank(fusion, self.config.mem_dim, name=kind.bank_name)
        return AttentionBank(fusion, name=kind.bank_name)

    def make_projections(self) -> None:
        """conv1 and W1: each cell has its own."""
        map_dim = self.config.map_dim
        self.image_projections, self.text_projections = (
            {
                name: CellProjection(bank.cells, map_dim, name=f"{name}_{part}")
                for name, bank in self.banks.items()
            }
            for part in ("image", "text")
        )

    @property
    def module_names(self) -> tuple[str, ...]:
        names = [f"{kind.name}.{i}" for kind in self.kinds for i in range(kind.cells)]
        return (*names, "no_op")

    @property
    def controller_options(self) -> dict[str, Any]:
        return {"mlp_dim": self.config.module_mlp_dim}

    @property
    def structure(self) -> dict[str, tf.Variable]:
        """alpha of each bank, [cells, nodes, 6]; empty for the concatenation ablation."""
        chains = {name: bank.fusion for name, bank in self.banks.items()}
        return {n: chain.structure for n, chain in chains.items() if isinstance(chain, NodeChain)}

    @property
    def structure_variables(self) -> list[tf.Variable]:
        """alpha of every bank, each [cells, nodes, 6]."""
        return list(self.structure.values())

    def first_attention(self, positions: int) -> float:
        """Uniform image attention (Algorithm 1)."""
        return 1.0 / positions

    def sharpen(self, pointer: tf.Tensor) -> tf.Tensor:
        return stacks.sharpen(pointer, temperature=1.0)

    def see(self, features: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """conv1(I) for each bank, [batch, cells, positions, map_dim]."""
        knowledge_base = self.known(features)
        return tuple(self.image_projections[name](knowledge_base) for name in self.banks)

    def project_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """W1 c_txt for each bank, [batch, cells, 1, map_dim]."""
        return {name: self.text_projections[name](text[:, tf.newaxis]) for name in self.banks}

    def allowed(self, module_weights: tf.Tensor, state: State) -> tf.Tensor:
        """Without `module_threshold`, all; else kinds that no example gives as much count as NoOp."""
        threshold = self.config.module_threshold
        if not threshold:
            return module_weights
        sizes = [*(kind.cells for kind in self.kinds), 1]
        *groups, _ = tf.split(module_weights, sizes, axis=-1)
        kept = [w * tf.cast(tf.reduce_max(w) >= threshold, w.dtype) for w in groups]
        used = tf.add_n([tf.reduce_sum(w, axis=-1, keepdims=True) for w in kept])
        return tf.concat([*kept, 1.0 - used], axis=-1)

    def execute(self, image, text, state: State, module_weights) -> State:
        texts, seen = self.project_text(text), dict(zip(self.banks, image))
        *weights, no_op = tf.split(module_weights, [*(k.cells for k in self.kinds), 1], axis=-1)
        of_banks = {}
        for kind in self.kinds:
            name = kind.bank_name
            if name not in of_banks:
                of_bank = [w for w, k in zip(weights, self.kinds) if k.bank_name == name]
                of_banks[name] = self.run(
                    kind, seen[name], texts[name], state, tf.concat(of_bank, axis=-1)
                )
        outputs = [of_banks[kind.bank_name] for kind in self.kinds]
        return self.average(state, self.kinds, outputs, weights, no_op, self.keeps_memory)

    def run(self, kind: Kind, image, text, state: State, module_weights) -> tf.Tensor:
        """What the cells of a kind make of the state.

        Args:
            kind: with a bank of its own, or the first that uses a bank.
            image, text: in map space, [batch, 1 or cells, positions or 1, map_dim].
            state: before the step.
            module_weights: of all modules of its bank, [batch, modules]; a kernel may look at them.

        Returns:
            New maps [batch, cells, positions], or memory features [batch, cells, mem_dim].
        """
        maps = [stacks.read(state.stack, pointer) for pointer in kind.reads(state.pointer)]
        operands = [attention[:, tf.newaxis, :, tf.newaxis] for attention in maps]
        bank = self.banks[kind.bank_name]
        if kind.answers:
            return bank(image, text, operands, state.memory)
        return bank(image, text, operands)


class ReleasedLNMN(LNMN):
    """What the authors' program does otherwise than the paper says.

    Nodes are L2-normalised over channels; all cells share one image and one text projection; the stack
    begins with zeros; the pointer is sharpened at temperature 0.2; module weights come from one linear
    layer; word attention also looks at padding.
    """

    normalises_nodes = True
    attend_padding = True

    def make_projections(self) -> None:
        self.image_projection = keras.layers.Dense(self.config.map_dim, name="image_projection")
        self.text_projection = keras.layers.Dense(self.config.map_dim, name="text_projection")

    @property
    def controller_options(self) -> dict[str, Any]:
        return {}

    @property
    def map_projection(self) -> keras.layers.Dense:
        return self.image_projection

    def first_attention(self, positions: int) -> float:
        return 0.0

    def sharpen(self, pointer: tf.Tensor) -> tf.Tensor:
        return stacks.sharpen(pointer, temperature=0.2)

    def see(self, features: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """conv1(I), [batch, 1, positions, map_dim], the same for all banks."""
        return (self.known(features)[:, tf.newaxis],)

    def project_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        text = self.text_projection(text)[:, tf.newaxis, tf.newaxis]
        return dict.fromkeys(self.banks, text)

    def execute(self, image, text, state: State, module_weights) -> State:
        return super().execute(image * len(self.banks), text, state, module_weights)


def average(
    state: State,
    kinds: Sequence[Kind],
    outputs: Sequence[tf.Tensor],
    weights: Sequence[tf.Tensor],
    no_op: tf.Tensor,
    keeps_memory: bool,
) -> State:
    """A = sum_m A_m w_m, p = sum_m p_m w_m, f_mem = sum_m o_m w_m (Algorithm 1, section 2.3).

    Args:
        state: before the step.
        kinds: of all modules but NoOp.
        outputs: of each kind, [batch, cells, positions] or [batch, cells, mem_dim].
        weights: w^(t) of each kind, [batch, cells].
        no_op: that of NoOp, [batch, 1].
        keeps_memory: a module that does not answer leaves the memory as it is, or else answers 0.

    Returns:
        The state, its pointer not yet sharpened and its text as it was.
    """
    kept = state.memory if keeps_memory else tf.zeros_like(state.memory)
    modules = [(state.stack, state.pointer, kept, no_op[:, 0])]
    for kind, output, of_kind in zip(kinds, outputs, weights):
        pointer = kind.leaves(state.pointer)
        for cell in range(kind.cells):
            if kind.answers:
                left = state.stack, pointer, output[:, cell]
            else:
                left = stacks.write(state.stack, pointer, output[:, cell]), pointer, kept
            modules.append((*left, of_kind[:, cell]))
    stacks_, pointers, memories, of_modules = (tf.stack(parts) for parts in zip(*modules))
    return state._replace(
        stack=tf.einsum("mb,mbpl->bpl", of_modules, stacks_),
        pointer=tf.einsum("mb,mbl->bl", of_modules, pointers),
        memory=tf.einsum("mb,mbn->bn", of_modules, memories),
    )
