"""Learnable Neural Module Networks: the stack machine with generic cells (paper, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config import ModelConfig
from lnmn_tf.layers import stack as stacks
from lnmn_tf.layers.cells import AnswerBank, AttentionBank
from lnmn_tf.layers.fusion import Concatenation
from lnmn_tf.layers.nodes import NodeChain, StructureInitializer
from lnmn_tf.layers.places import Places
from lnmn_tf.layers.pooling import Pooling, Relation
from lnmn_tf.models.kinds import Kind, kinds_of
from lnmn_tf.models.stack_machine import StackMachine, State


class LNMN(StackMachine):
    """Learnable Neural Module Network.

    Args:
        config: every size and switch.

    Call arguments and returns: see `StackMachine`.

    Reference: Pahuja, Fu, Chandar, Pal, "Structure Learning for Neural Module Networks", 2019.
    """

    def __init__(self, config: ModelConfig, **kwargs):
        self._kinds = kinds_of(config)
        super().__init__(config, **kwargs)
        kinds = {kind.bank: kind for kind in self._kinds}  # of kinds with one bank, any will do
        self.banks = [self._build_bank(kind) for kind in kinds.values()]
        self.poolings = {
            bank: Pooling(
                kind.cells, kind.num_maps, 1.0 if kind.answers else 0.25, name=f"{bank}_pooling"
            )
            for bank, kind in kinds.items()
            if kind.pools
        }
        self.relations = {
            bank: Relation(kind.cells, name=f"{bank}_relation")
            for bank, kind in kinds.items()
            if kind.pools and not kind.answers
        }
        if not config.own_projection:
            self.image_projection = keras.layers.Dense(config.map_dim, name="image_projection")
            self.text_projection = keras.layers.Dense(config.map_dim, name="text_projection")
        if config.normalise_inputs:
            self.image_norm = keras.layers.LayerNormalization(name="image_norm")
            self.text_norm = keras.layers.LayerNormalization(name="text_norm")

    def _build_bank(self, kind: Kind):
        config = self.config
        if config.fusion == "concat":
            fusion = Concatenation(kind.cells, kind.num_maps, name="fusion")
        else:
            fusion = NodeChain(
                kind.cells,
                kind.num_maps,
                normalise=config.normalise_nodes,
                hard=config.hard_operators,
                zeroed=config.zeroed_operators,
                initializer=StructureInitializer(config.structure_stddev, config.product_bias),
                name="fusion",
            )
        arguments = {
            "fusion": fusion,
            "map_dim": config.map_dim,
            "own_projection": config.own_projection,
            "name": kind.bank,
        }
        if kind.answers:
            bank = AnswerBank(config.mem_dim, **arguments)
        else:
            bank = AttentionBank(config.attention_gain, config.attention_bias, **arguments)
        if config.own_projection:
            context_dim = config.embed_dim if config.attend_embeddings else config.text_dim
            bank.build_projection(config.kb_dim, context_dim)
        return bank

    @property
    def module_names(self) -> tuple[str, ...]:
        names = [f"{kind.name}.{i}" for kind in self._kinds for i in range(kind.cells)]
        return (*names, "no_op")

    @property
    def layout_prior(self) -> np.ndarray | None:
        """A plan for every question: look, look on from there, look for something else, answer.

        "Is the cube left of the ball as large as the cylinder?" looks for the cylinder and keeps that map
        (push), looks for the ball, looks on from there for the cube (relate), and compares. A push and a
        relation differ in what they leave on the stack alone, and what a cell does not need of its inputs,
        it can ignore. All looks are one kind of cells, so that one that few questions need learns from
        what all others need of the next.
        """
        if not self.config.layout_bias:
            return None
        kinds = [kind.name for kind in self._kinds for _ in range(kind.cells)]
        steps = self.config.num_steps
        look = "push_3" if self.config.pushing_cells else "attention_3"
        plan = ["relate_3"] * (steps - 1) + ["answer"]
        if steps > 1:
            plan[0] = look
        if steps > 2:
            plan[max(steps // 2 - 1, 1)] = look
        prior = np.zeros([len(plan), len(self.module_names)], np.float32)
        for row, wanted in zip(prior, plan):  # noqa: B905 (Python 3.9)
            chosen = [i for i, kind in enumerate(kinds) if kind.startswith(wanted)]
            row[chosen or [i for i, kind in enumerate(kinds) if "answer" not in kind]] = 1.0
        return self.config.layout_bias * prior

    @property
    def structure_variables(self) -> list[tf.Variable]:
        """alpha of every bank, each [cells, nodes, 6]; empty for the concatenation ablation."""
        return [bank.fusion.structure for bank in self.banks if isinstance(bank.fusion, NodeChain)]

    def leave_out_minima(self, wanted: bool) -> None:
        """Leaves minima out of the graph where min and max weigh the same, so that they cancel.

        Graphs that were traced before do not change.
        """
        for bank in self.banks:
            if isinstance(bank.fusion, NodeChain):
                bank.fusion.balanced = wanted and bank.fusion.is_balanced()

    def show(self, attention: tf.Tensor) -> tf.Tensor:
        return tf.exp(attention) if self.config.log_attention else attention

    @property
    def map_projection(self) -> keras.layers.Dense | None:
        return None if self.config.own_projection else self.image_projection

    def prepare(self, knowledge_base: tf.Tensor, places: Places) -> tuple[tf.Tensor, ...]:
        if not self.config.own_projection:
            if self.config.normalise_inputs:
                knowledge_base = self.image_norm(knowledge_base)
            return *places, self.banks[0].project_image(knowledge_base)
        return (*places, *(bank.project_image(knowledge_base) for bank in self.banks))

    def execute(self, prepared, text, state: State, module_weights) -> State:
        where, presence, *images = prepared
        places = Places(where, presence)
        if not self.config.own_projection:
            text = self.text_projection(text)
            if self.config.normalise_inputs:
                text = self.text_norm(text)
            images *= len(self.banks)
        *weights, no_op = tf.split(module_weights, [*(k.cells for k in self._kinds), 1], axis=-1)
        effects = []
        for bank, image in zip(self.banks, images):  # noqa: B905 (Python 3.9)
            users = [
                (kind, w)
                for kind, w in zip(self._kinds, weights)  # noqa: B905
                if kind.bank == bank.name
            ]
            kind, threshold = users[0][0], self.config.module_threshold
            if threshold and bank.built:  # variables cannot be made within a branch
                largest = tf.reduce_max([tf.reduce_max(w) for _, w in users])
                wanted = largest >= threshold
                output = tf.cond(
                    wanted,
                    lambda k=kind, b=bank, i=image: self._output(k, b, i, text, state, places),
                    lambda k=kind: self._no_output(k, state),
                )
                users = [(kind, tf.cast(wanted, w.dtype) * w) for kind, w in users]
            else:
                output = self._output(kind, bank, image, text, state, places)
            effects += [effect_of(kind, w, output, state) for kind, w in users]
        if self.config.module_threshold:  # what does not run counts as NoOp
            no_op = 1.0 - tf.add_n([effect.weight for effect in effects])
        effects.append(Effect(no_op, state.pointer))
        return combine(state, effects, self.config.keep_memory)

    def _output(self, kind: Kind, bank, image, text, state: State, places: Places) -> tf.Tensor:
        """New maps [batch, cells, positions], or memories [batch, cells, mem_dim], of a bank.

        In `ours`, a map holds log probabilities that a place is meant: that the cell says so, that an object
        is there, and that it lies as the question wants it. Each can be mended where the others are sure.
        """
        maps = [stacks.read(state.stack, pointer) for pointer in kind.reads(state.pointer)]
        if kind.pools:
            pooled = self.poolings[kind.bank](image, maps)
            operands = pooled.operands
            image = pooled.attended if kind.answers else image
        else:
            gate = tf.exp if self.config.log_attention else tf.identity
            operands = [gate(attention)[:, tf.newaxis, :, tf.newaxis] for attention in maps]
        text = bank.project_text(text)
        if kind.answers:
            return bank(image, text, operands, state.memory)
        attention = bank(image, text, operands)
        if self.config.log_attention:
            attention = tf.math.log_sigmoid(attention) + places.presence[:, tf.newaxis]
        if kind.pools:
            attention += self.relations[kind.bank](text, maps[0], places.where)
        return attention

    def _no_output(self, kind: Kind, state: State) -> tf.Tensor:
        """What stands in the place of `_output` where no example needs any cell of a bank."""
        like = state.memory if kind.answers else state.stack[..., 0]
        return tf.repeat(tf.zeros_like(like)[:, tf.newaxis], kind.cells, axis=1)


class Effect(NamedTuple):
    """What the cells of a bank do together, each weighted by its module weight."""

    weight: tf.Tensor  # the sum of their module weights, [batch, 1]
    pointer: tf.Tensor  # where they leave the pointer, [batch, stack_len]
    written: tf.Tensor | None = None  # the map that they write there, [batch, positions]
    answer: tf.Tensor | None = None  # the memory features that they answer, [batch, mem_dim]


def effect_of(kind: Kind, weights: tf.Tensor, output: tf.Tensor, state: State) -> Effect:
    """What the cells of a kind do to the state.

    All cells of a kind read and write at the same place, so the average over them of their stacks is
    one write of the average of their maps.

    Args:
        weights: of its modules, [batch, cells].
        output: of its bank, [batch, cells, positions] or [batch, cells, mem_dim].
        state: before the step.
    """
    averaged = tf.einsum("bk,bkn->bn", weights, output)
    weight = tf.reduce_sum(weights, axis=-1, keepdims=True)
    pointer = kind.reads(state.pointer)[-1]
    if kind.answers:
        return Effect(weight, stacks.move_down(pointer), answer=averaged)
    if kind.pushes:
        pointer = stacks.move_up(pointer)
    return Effect(weight, pointer, written=averaged)


def combine(state: State, effects: Sequence[Effect], keep_memory: bool) -> State:
    """The average over modules of the stacks, pointers and memories that they leave (Algorithm 1).

    Args:
        state: before the step.
        effects: of each bank, and of NoOp; their weights sum to one.
        keep_memory: what does not answer leaves the memory as it is; else it answers zero.
    """
    writers = [effect for effect in effects if effect.written is not None]
    answerers = [effect for effect in effects if effect.answer is not None]
    overwritten = tf.add_n([effect.weight * effect.pointer for effect in writers])
    written = tf.einsum(
        "nbp,nbl->bpl",
        tf.stack([effect.written for effect in writers]),
        tf.stack([effect.pointer for effect in writers]),
    )
    memory = tf.add_n([effect.answer for effect in answerers])
    if keep_memory:
        memory += (1.0 - tf.add_n([effect.weight for effect in answerers])) * state.memory
    return State(
        stack=state.stack * (1.0 - overwritten)[:, tf.newaxis] + written,
        pointer=tf.add_n([effect.weight * effect.pointer for effect in effects]),
        memory=memory,
        text=state.text,
    )
