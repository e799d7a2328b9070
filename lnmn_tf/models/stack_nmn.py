"""Stack-NMN: the stack machine with hand-specified modules (paper, sections 2 and A.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from lnmn_tf.config.stack_nmn import StackNMNConfig
from lnmn_tf.layers import stack as stacks
from lnmn_tf.layers.handcrafted import Describe, Find, Score, attend
from lnmn_tf.models.machine import StackMachine, State

# How many attention maps each module (pops, pushes).
ARITY = {
    "no_op": (0, 0),
    "find": (0, 1),
    "transform": (1, 1),
    "filter": (1, 1),
    "and": (2, 1),
    "or": (2, 1),
    "scene": (0, 1),
    "describe_one": (1, 1),
    "describe_two": (2, 1),
}


class View(NamedTuple):
    """What the modules of one step have before them; None where no module of the model needs it."""

    found: tf.Tensor | None  # the map of `find`, which `filter` shares, [batch, positions]
    scene: tf.Tensor | None  # the map of `scene`, [batch, positions]
    transformed: tf.Tensor | None  # the map of `transform`, [batch, positions]
    at_top: tf.Tensor  # image features under the map at the pointer, [batch, kb_dim]
    below: tf.Tensor  # image features under the map one below, [batch, kb_dim]
    text: tf.Tensor  # c_t, [batch, context_dim]


class StackNMN(StackMachine):
    """Stack Neural Module Network.

    Args:
        config: every size and switch; the defaults are the original's.

    Call arguments and returns: see `StackMachine`.

    Reference: Hu, Andreas, Darrell, Saenko, "Explainable Neural Computation via Stack Neural Module
        Networks", ECCV 2018.
    """

    config: StackNMNConfig

    def __init__(self, config: StackNMNConfig, **kwargs):
        super().__init__(config, **kwargs)
        modules = set(config.modules)
        kb_dim, mem_dim = config.kb_dim, config.mem_dim
        self.find = Find(kb_dim, name="find") if modules & {"find", "filter"} else None
        self.transform = Find(kb_dim, name="transform") if "transform" in modules else None
        self.scene = Score(name="scene") if "scene" in modules else None
        for name in sorted(modules & {"describe_one", "describe_two"}):
            setattr(self, name, Describe(kb_dim, mem_dim, name=name))

    @property
    def module_names(self) -> tuple[str, ...]:
        return self.config.modules

    @property
    def controller_options(self) -> dict[str, Any]:
        config = self.config
        return {
            "mlp_dim": config.module_mlp_dim,
            "attend_embeddings": config.attend_embeddings,
            "step_bias": True,
        }

    def sharpen(self, pointer: tf.Tensor) -> tf.Tensor:
        if self.config.hard_pointer:
            return stacks.sharpen_hard(pointer)
        return stacks.sharpen(pointer, self.config.pointer_temperature)

    def allowed(self, module_weights: tf.Tensor, state: State) -> tf.Tensor:
        """w^(t), of the strongest module alone (`hard_layout`), without those that cannot run."""
        config = self.config
        if config.hard_layout:
            strongest = tf.argmax(module_weights, axis=-1)
            module_weights = tf.one_hot(strongest, len(config.modules), dtype=module_weights.dtype)
        if not config.validate_modules:
            return module_weights
        pops, pushes = zip(*(ARITY[name] for name in config.modules))
        valid = tf.matmul(state.pointer, stacks.validity(pops, pushes, config.stack_len))
        if config.hard_validation:
            valid = tf.round(valid)
        module_weights *= valid
        total = tf.reduce_sum(module_weights, axis=-1, keepdims=True)
        return tf.math.divide_no_nan(module_weights, total)

    def see(self, features: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """(x, x^2, the map of `scene`), which hold for all steps."""
        knowledge_base = self.known(features)
        squared = tf.square(knowledge_base)
        scene = (self.scene(knowledge_base, squared),) if self.scene else ()
        return (knowledge_base, squared, *scene)

    def execute(self, image, text, state: State, module_weights) -> State:
        view = self._look(image, text, state)
        effects = [getattr(self, f"_{name}")(view, state) for name in self.module_names]
        weights = tf.unstack(module_weights, axis=-1)
        parts = zip(*((x.stack, x.pointer, x.memory, x.text) for x in effects))
        return State(*(_average(part, weights) for part in parts))

    def _look(self, image, text: tf.Tensor, state: State) -> View:
        """Runs whatever reads the image, once, however many modules need the result."""
        knowledge_base, squared, *scene = image
        maps = tf.stack([self._top(state), self._below(state)], axis=1)
        at_top, below = tf.unstack(attend(knowledge_base, maps), axis=1)
        return View(
            found=self.find(knowledge_base, squared, text) if self.find else None,
            scene=scene[0] if scene else None,
            transformed=self.transform(knowledge_base, squared, text, at_top)
            if self.transform
            else None,
            at_top=at_top,
            below=below,
            text=text,
        )

    # What each module returns: the stack and the pointer as it leaves them, and its memory features,
    # which are zero for all that do not answer.

    def _no_op(self, view: View, state: State) -> State:
        return state

    def _find(self, view: View, state: State) -> State:
        return self._push(state, view.found)

    def _scene(self, view: View, state: State) -> State:
        return self._push(state, view.scene)

    def _transform(self, view: View, state: State) -> State:
        return _write(state, state.pointer, view.transformed)

    def _filter(self, view: View, state: State) -> State:
        return self._and(view, self._find(view, state))

    def _and(self, view: View, state: State) -> State:
        intersection = tf.minimum(self._below(state), self._top(state))
        return _write(state, self._down(state.pointer), intersection)

    def _or(self, view: View, state: State) -> State:
        union = tf.maximum(self._below(state), self._top(state))
        return _write(state, self._down(state.pointer), union)

    def _describe_one(self, view: View, state: State) -> State:
        memory = self.describe_one(view.text, state.memory, [view.at_top])
        return self._answer("describe_one", state, state.pointer, memory)

    def _describe_two(self, view: View, state: State) -> State:
        memory = self.describe_two(view.text, state.memory, [view.below, view.at_top])
        return self._answer("describe_two", state, self._down(state.pointer), memory)

    def _answer(self, name: str, state: State, pointer: tf.Tensor, memory: tf.Tensor) -> State:
        """Leaves a map of zeros in the place of what was read, or (`keep_stack`) all as it was."""
        if name in self.config.keep_stack:
            return state._replace(memory=memory)
        nothing = tf.zeros_like(state.stack[:, :, 0])
        return _write(state, pointer, nothing)._replace(memory=memory)

    def _push(self, state: State, attention: tf.Tensor) -> State:
        pointer = stacks.move_up(state.pointer, self.config.saturate_pointer)
        return _write(state, pointer, attention)

    def _down(self, pointer: tf.Tensor) -> tf.Tensor:
        return stacks.move_down(pointer, self.config.saturate_pointer)

    def _top(self, state: State) -> tf.Tensor:
        """The map at the pointer, [batch, positions]."""
        return stacks.read(state.stack, state.pointer)

    def _below(self, state: State) -> tf.Tensor:
        """The map one below the pointer, [batch, positions]."""
        return stacks.read(state.stack, self._down(state.pointer))


class StackNMNForVQA(StackNMN):
    """Stack-NMN as its authors ran it on VQA: six modules, no position code, features of length 1.

    x <- x / ||x||, with the norm over all positions and channels of an image.
    """

    position = "none"

    def see(self, features: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """As `StackNMN.see`, of normalised features [batch, H, W, C]."""
        return super().see(tf.math.l2_normalize(features, axis=[1, 2, 3]))


def _write(state: State, pointer: tf.Tensor, attention: tf.Tensor) -> State:
    """The state of a module that writes at `pointer`, leaves it there, and answers nothing."""
    return state._replace(
        stack=stacks.write(state.stack, pointer, attention),
        pointer=pointer,
        memory=tf.zeros_like(state.memory),
    )


def _average(parts: Sequence[tf.Tensor], weights: Sequence[tf.Tensor]) -> tf.Tensor:
    """sum_m w_m x_m for tensors [batch, ...] and weights [batch]."""
    rank = parts[0].shape.rank
    return tf.add_n(
        [part * tf.reshape(weight, [-1] + [1] * (rank - 1)) for part, weight in zip(parts, weights)]
    )
