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
from lnmn_tf.layers.pooling import Pooling
from lnmn_tf.models.stack_machine import StackMachine, State


class Kind:
    """Cells that share their inputs and their effect on the stack.

    Args:
        name: for layers, traces and pictures.
        cells: how many.
        num_maps: attention maps that each reads.
        answers: whether they write memory (answer cells) or the stack (attention cells).
        pushes: they write above the map that they read, which stays (dialect `ours`).
        pools: they see what the maps point at, not the maps, so that the place of one object can decide
            where to look for another; answer cells see the attended features in place of the image as
            well (dialect `ours`).
    """

    def __init__(self, name, cells, num_maps, answers=False, pushes=False, pools=False):
        self.name, self.cells, self.num_maps = name, cells, num_maps
        self.answers, self.pushes, self.pools = answers, pushes, pools


def kinds_of(config: ModelConfig) -> tuple[Kind, ...]:
    """The cells of a model in the order of their module index."""
    replacing = config.attention_3 - config.pushing_cells - config.pooling_cells
    kinds = (
        Kind("push_3", config.pushing_cells, 1, pushes=True),
        Kind("attention_3", replacing, 1),
        Kind("relate_3", config.pooling_cells, 1, pools=True),
        Kind("attention_4", config.attention_4, 2),
        Kind("answer_3", config.answer_3, 1, answers=True, pools=config.pooling_answers),
        Kind("answer_4", config.answer_4, 2, answers=True, pools=config.pooling_answers),
    )
    return tuple(kind for kind in kinds if kind.cells)


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
        self.banks = [self._build_bank(kind) for kind in self._kinds]
        self.poolings = {
            kind.name: Pooling(
                kind.cells, kind.num_maps, not kind.answers, name=f"{kind.name}_pooling"
            )
            for kind in self._kinds
            if kind.pools
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
            "name": kind.name,
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

        "Is the cube left of the ball as large as the cylinder?" looks for the ball (push), looks on from
        there for the cube (relate), keeps that map and looks for the cylinder (push), and compares. What
        a cell does not need of its inputs, it can ignore. Both looks are one kind of cells, so that the
        first, which few questions need, learns from what all others need of the second.
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

    def prepare(self, knowledge_base: tf.Tensor, places: tf.Tensor) -> tuple[tf.Tensor, ...]:
        if not self.config.own_projection:
            knowledge_base = self.image_projection(knowledge_base)
            if self.config.normalise_inputs:
                knowledge_base = self.image_norm(knowledge_base)
            return places, self.banks[0].project_image(knowledge_base)
        return (places, *(bank.project_image(knowledge_base) for bank in self.banks))

    def execute(self, prepared, text, state: State, module_weights) -> State:
        places, *images = prepared
        if not self.config.own_projection:
            text = self.text_projection(text)
            if self.config.normalise_inputs:
                text = self.text_norm(text)
            images *= len(self.banks)
        *weights, no_op = tf.split(module_weights, [*(k.cells for k in self._kinds), 1], axis=-1)
        banks = zip(self._kinds, self.banks, images, weights)  # noqa: B905 (Python 3.9)
        effects = [self._effect(*bank, text, state, places) for bank in banks]
        effects.append(Effect(no_op, state.pointer))
        return combine(state, effects, self.config.keep_memory)

    def _effect(self, kind: Kind, bank, image, weights, text, state: State, places) -> Effect:
        """What the cells of one bank do to the state.

        All cells of a bank read and write at the same place, so the average over them of their stacks
        is one write of the average of their maps.
        """
        pointer = state.pointer
        maps = [stacks.read(state.stack, pointer)]  # each [batch, positions]
        for _ in range(kind.num_maps - 1):
            pointer = stacks.move_down(pointer)
            maps.append(stacks.read(state.stack, pointer))
        if kind.pools:
            pooled = self.poolings[kind.name](image, maps, places)
            operands = pooled.operands
            image = pooled.attended if kind.answers else image
        else:
            gate = tf.sigmoid if self.config.gate_attention else tf.identity
            operands = [gate(attention)[:, tf.newaxis, :, tf.newaxis] for attention in maps]

        text = bank.project_text(text)
        total = tf.reduce_sum(weights, axis=-1, keepdims=True)
        if kind.answers:
            answers = bank(image, text, operands, state.memory)  # [batch, cells, mem_dim]
            answer = tf.einsum("bk,bkm->bm", weights, answers)
            return Effect(total, stacks.move_down(pointer), answer=answer)
        if kind.pushes:
            pointer = stacks.move_up(pointer)
        written = bank(image, text, operands)  # [batch, cells, positions]
        return Effect(total, pointer, written=tf.einsum("bk,bkp->bp", weights, written))


class Effect(NamedTuple):
    """What the cells of a bank do together, each weighted by its module weight."""

    weight: tf.Tensor  # the sum of their module weights, [batch, 1]
    pointer: tf.Tensor  # where they leave the pointer, [batch, stack_len]
    written: tf.Tensor | None = None  # the map that they write there, [batch, positions]
    answer: tf.Tensor | None = None  # the memory features that they answer, [batch, mem_dim]


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
