"""Relational LNMN, this project's own model: LNMN whose cells see what a map points at.

What it does otherwise than the paper, and why, stands in docs/learning.md.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config.relational import RelationalConfig
from lnmn_tf.layers import stack as stacks
from lnmn_tf.layers.cells import AnswerBank, AttentionBank
from lnmn_tf.layers.fusion import Fusion
from lnmn_tf.layers.nodes import beneath_largest
from lnmn_tf.layers.places import (
    likeliest,
    pick,
    places_as_seen,
    places_on_map,
    spread,
)
from lnmn_tf.layers.pooling import Pooling, Relation
from lnmn_tf.models.draw import Draw
from lnmn_tf.models.growth import Growth, open_weights
from lnmn_tf.models.kinds import Kind, paper_kinds
from lnmn_tf.models.lnmn import LNMN
from lnmn_tf.models.machine import State

ATTENTION_GAIN, ATTENTION_BIAS = 4.0, -1.0  # a new map begins with little attended
CONTROLLER_GAIN = 2.0


class RelationalLNMN(LNMN):
    """LNMN with maps of log probabilities, cells that look from an object, and a stack that can grow.

    * A map holds the log probability that a place is meant, the sum of three conditions: the cell says so,
      an object is there, and it lies where the question wants it. Each can be learned where the others
      are sure.
    * The cells `look_3` see what the map on top of the stack points at, and where that lies. Each is two
      modules: `relate_3` replaces the map, `push_3` writes above it; or, where `looks_push`, the latter alone.
    * Answer cells see the features that their maps point at, and how much they show.
    * Image, text and memory are normalised (Ba et al., 2016); all cells share one image and one text
      projection; c_t mixes word embeddings.
    * A module that does not answer leaves the memory as it is.
    * All questions begin with one layout (`Controller.alike`), and may draw others (`models.draw`).
    * Modules that the stack has no maps for do not run, as in Stack-NMN: what looks first must push.
    * The pointer is not sharpened. Its moves are exact, so it is as sharp as the module weights; a
      softmax after each step would pull it back to the slot where most of it is.

    Args:
        config: every size and switch.

    Call arguments and returns: see `StackMachine`.
    """

    config: RelationalConfig
    keeps_memory = True
    structure_constraint = staticmethod(beneath_largest)

    def __init__(self, config: RelationalConfig, **kwargs):
        super().__init__(config, **kwargs)
        self.poolings, self.relations = {}, {}
        for kind in self.kinds:
            name, looks = kind.bank_name, kind.bank_name == "look_3"
            if looks or kind.answers:
                scale = 0.25 if looks else 1.0
                self.poolings[name] = Pooling(
                    kind.cells, kind.num_maps, scale, name=f"{name}_pooling"
                )
            if looks:
                self.relations[name] = Relation(
                    kind.cells, config.likeness, name=f"{name}_relation"
                )
        self.memory_norm = keras.layers.LayerNormalization(name="memory_norm")
        self.growth = None
        if config.growing:
            self.growth = Growth(self.kinds, config.num_steps, config.plan, name="growth")
            self.no_op_rests = True
        if config.draws:
            self.draw = Draw(self.growth, len(self.module_names), name="draw")

    def make_kinds(self, config: RelationalConfig) -> tuple[Kind, ...]:
        looking = config.looking_cells
        looks = [Kind("push_3", looking, 1, keeps=True, bank="look_3")]
        if not config.looks_push:
            looks.append(Kind("relate_3", looking, 1, bank="look_3"))
        others = config.attention_3 - config.looking_modules
        rest = paper_kinds(others, config.attention_4, config.answer_3, config.answer_4)
        return (*(looks if looking else ()), *rest)

    def left_out(self, kind: Kind) -> tuple[tuple[str, ...], ...]:
        if not self.config.joining or kind.num_maps == 1:
            return ()
        both = ("choose_1", "choose_2")
        return both, ("choose_1",), both  # of two maps, with the picture, with the text

    def make_bank(self, kind: Kind, fusion: Fusion) -> AttentionBank | AnswerBank:
        if kind.answers:
            return AnswerBank(fusion, self.config.mem_dim, name=kind.bank_name)
        return AttentionBank(fusion, ATTENTION_GAIN, ATTENTION_BIAS, name=kind.bank_name)

    def make_projections(self) -> None:
        self.image_projection = keras.layers.Dense(self.config.map_dim, name="image_projection")
        self.text_projection = keras.layers.Dense(self.config.map_dim, name="text_projection")
        self.image_norm = keras.layers.LayerNormalization(name="image_norm")
        self.text_norm = keras.layers.LayerNormalization(name="text_norm")

    @property
    def position(self) -> str:  # type: ignore[override]
        """Chosen places say themselves where they are."""
        return "none" if self.chooses_places else "coordinates"

    @property
    def chooses_places(self) -> bool:
        """Modules look only where an object is likely: the encoder says where that is."""
        return bool(self.config.encoder_groups and self.config.attended_places)

    @property
    def controller_options(self) -> dict[str, Any]:
        return {
            "attend_embeddings": True,
            "step_bias": True,
            "gain": CONTROLLER_GAIN,
            "alike": True,
            "equal": self.config.looks_push,  # a lone look learns no weight before others open
            "inhibition": self.config.word_inhibition,
        }

    @property
    def map_projection(self) -> keras.layers.Dense:
        return self.image_projection

    def first_attention(self, positions: int) -> float:
        """Everything, with log probability 0."""
        return 0.0

    def sharpen(self, pointer: tf.Tensor) -> tf.Tensor:
        return pointer

    def allowed(self, module_weights: tf.Tensor, state: State) -> tf.Tensor:
        """w^(t) where the stack has maps and room for a module, as in Stack-NMN; else it is NoOp's.

        The stack begins empty, so what looks first must push.
        """
        weights = super().allowed(module_weights, state)[:, :-1] * self.valid(state)[:, :-1]
        no_op = 1.0 - tf.reduce_sum(weights, axis=-1, keepdims=True)
        return tf.concat([weights, no_op], axis=-1)

    def open_weights(self, logits: tf.Tensor, opened: tf.Tensor, state: State) -> tf.Tensor:
        return super().allowed(open_weights(logits, opened, self.valid(state)), state)

    def valid(self, state: State) -> tf.Tensor:
        """How far the stack has maps and room for each module, in [0, 1], [batch, modules]; NoOp needs none."""
        lone = self.config.lone_answers
        needed = [1 if lone and kind.answers else kind.pops for kind in self.kinds]
        pops = [n for n, kind in zip(needed, self.kinds) for _ in range(kind.cells)]
        pushes = [kind.pushes for kind in self.kinds for _ in range(kind.cells)]
        valid = stacks.validity([*pops, 0], [*pushes, 0], self.config.stack_len)
        return tf.matmul(state.pointer, tf.cast(valid, state.pointer.dtype))

    def opened(self) -> tf.Tensor | None:
        return self.growth.openness(self.compute_dtype) if self.growth else None

    def show(self, attention: tf.Tensor) -> tf.Tensor:
        return tf.exp(attention)

    def last_memory(self, memory: tf.Tensor) -> tf.Tensor:
        return self.memory_norm(memory)

    def on_map(self, maps: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
        if not self.chooses_places:
            return maps
        chosen = likeliest(features, self.config.attended_places)
        return spread(maps, chosen, features.shape[1] * features.shape[2])

    def see(self, features: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """(where, presence, the image in map space), see `Places`."""
        if self.chooses_places:
            features = pick(features, likeliest(features, self.config.attended_places))
        image = self.image_norm(self.known(features))[:, tf.newaxis]
        places = (places_as_seen if self.config.encoder_groups else places_on_map)(features)
        return (*(tf.cast(x, self.compute_dtype) for x in places), image)

    def project_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        text = self.text_norm(self.text_projection(text))[:, tf.newaxis, tf.newaxis]
        return dict.fromkeys(self.banks, text)

    def execute(self, image, text, state: State, module_weights) -> State:
        return super().execute((image,) * len(self.banks), text, state, module_weights)

    def run(self, kind: Kind, image, text, state: State, module_weights) -> tf.Tensor:
        where, presence, features = image
        name, bank = kind.bank_name, self.banks[kind.bank_name]
        maps = [stacks.read(state.stack, pointer) for pointer in kind.reads(state.pointer)]
        if kind.answers:
            pooled = self.poolings[name](features, maps)
            return bank(pooled.attended, text, pooled.operands, state.memory)
        if name in self.poolings:
            operands = self.poolings[name](features, maps).operands
        else:
            operands = [tf.exp(attention)[:, tf.newaxis, :, tf.newaxis] for attention in maps]
        attention = tf.math.log_sigmoid(bank(features, text, operands)) + presence[:, tf.newaxis]
        if name in self.relations:
            attention += self.relations[name](text, maps[0], where, features)
        return attention
