"""The machine that LNMN and Stack-NMN share: a controller driving modules over a memory stack.

Paper, Algorithm 1 and sections 2.1 to 2.3. A subclass says what its modules do in one step; this file
runs the steps in a `tf.while_loop` and classifies what is left in memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config import ModelConfig
from lnmn_tf.layers import stack as stacks
from lnmn_tf.layers.controller import Question
from lnmn_tf.layers.dropout import StepDropout
from lnmn_tf.layers.loop import recomputed_loop
from lnmn_tf.layers.places import likeliest, spread
from lnmn_tf.models.encoding import EncodingModel


class State(NamedTuple):
    """What one step hands to the next."""

    stack: tf.Tensor  # A, [batch, positions, stack_len]
    pointer: tf.Tensor  # p, [batch, stack_len]
    memory: tf.Tensor  # f_mem, [batch, mem_dim]
    text: tf.Tensor  # c_(t-1), [batch, context_dim]


class Trace(NamedTuple):
    """What the machine did at each of its T steps."""

    module_weights: tf.Tensor  # w^(t), [batch, steps, modules]
    word_attention: tf.Tensor  # cv_t, [batch, steps, words]
    attention: tf.Tensor  # the map at the pointer as the step begins, [batch, steps, height, width]
    stack: tf.Tensor  # A after the step, [batch, steps, height, width, stack_len]
    pointer: tf.Tensor  # p after the step, [batch, steps, stack_len]
    memory: tf.Tensor  # f_mem after the step, [batch, steps, mem_dim]


class StepOutputs(NamedTuple):
    """What losses need of each step, and `call` returns."""

    module_weights: tf.Tensor  # w^(t) as executed, [batch, steps, modules]
    module_logits: tf.Tensor  # MLP(u), of which w^(t) is the softmax, [batch, steps, modules]


class StackMachine(EncodingModel):
    """Question and image in, answer logits out.

    Args:
        config: every size and switch.

    Call arguments:
        inputs: dict with `question`, int32 [batch, words], 0 = padding at the end, and one of
            `image`, float32 [batch, height, width, 3] in [0, 1] (only with an image encoder), or
            `features`, float32 [batch, H, W, C]. Optional: `module_weights`, float32
            [batch, steps, modules], a layout that replaces the controller's (an expert's, for
            instance). What `encode` returns will do in place of inputs.

    Returns:
        dict with `logits` [batch, answers], and `module_weights` (as executed) and `module_logits`
        (the controller's), both [batch, steps, modules].
    """

    def __init__(self, config: ModelConfig, **kwargs):
        super().__init__(config, **kwargs)
        if config.normalise_inputs:
            self.memory_norm = keras.layers.LayerNormalization(name="memory_norm")
        self.classifier_hidden = keras.layers.Dense(
            config.mlp_dim, activation="elu", name="classifier_hidden"
        )
        self.dropout = StepDropout(config.dropout, name="dropout")
        self.classifier_output = keras.layers.Dense(config.num_answers, name="classifier_output")

    def execute(
        self,
        prepared: tuple[tf.Tensor, ...],
        text: tf.Tensor,
        state: State,
        module_weights: tf.Tensor,
    ) -> State:
        """Runs every module and averages what they do, weighted by w^(t) (Algorithm 1).

        Args:
            prepared: the result of `prepare`.
            text: c_t, [batch, context_dim].
            state: before the step.
            module_weights: [batch, modules].

        Returns:
            The state after the step, its pointer not yet sharpened.
        """
        raise NotImplementedError

    def weigh(self, module_weights: tf.Tensor, state: State) -> tf.Tensor:
        """The module weights that are executed; a subclass may rule some out."""
        return module_weights

    def show(self, attention: tf.Tensor) -> tf.Tensor:
        """Attention maps for people: probabilities, where maps hold their logarithms."""
        return attention

    def sharpen(self, pointer: tf.Tensor) -> tf.Tensor:
        """The pointer after the average over modules."""
        if self.config.hard_pointer:
            return stacks.sharpen_hard(pointer)
        return stacks.sharpen(pointer, self.config.pointer_temperature)

    def call(self, inputs: dict[str, Any], training: bool | None = None):
        """See the class."""
        question, state, outputs, _ = self._run(inputs, traced=False)
        logits = self._classify(question.encoding, state.memory, training)
        return {"logits": logits, **outputs._asdict()}

    def trace(self, inputs: dict[str, tf.Tensor]) -> Trace:
        """Everything the machine did on the way to its answer; see `Trace` for shapes."""
        return self.answer_and_trace(inputs)[1]

    def answer_and_trace(self, inputs: dict[str, tf.Tensor]) -> tuple[dict, Trace]:
        """What `call` returns without training, and `trace`, for the price of one run."""
        features = self.encode_image(inputs)
        others = {k: x for k, x in inputs.items() if k != "image"}
        question, state, outputs, history = self._run({**others, "features": features}, traced=True)
        logits = self._classify(question.encoding, state.memory, training=False)
        attention, stack = history.attention[..., tf.newaxis], history.stack
        batch, (height, width) = tf.shape(features)[0], features.shape[1:3]
        if self.chooses_places:
            chosen = likeliest(features, self.config.attended_places)
            attention, stack = (spread(x, chosen, height * width) for x in (attention, stack))
        steps, stack_len = self.config.num_steps, self.config.stack_len
        trace = history._replace(
            attention=tf.reshape(attention, [batch, steps, height, width]),
            stack=tf.reshape(stack, [batch, steps, height, width, stack_len]),
        )
        return {"logits": logits, **outputs._asdict()}, trace

    @tf.autograph.experimental.do_not_convert  # nothing here needs it, and it takes most of tracing
    def _run(self, inputs, traced: bool):
        """Encodes the inputs and runs the loop over steps."""
        prepared = tuple(inputs["seen"] if "seen" in inputs else self.see(inputs))
        question, plan = inputs["read"] if "read" in inputs else self.read(inputs)
        rows = tf.einsum("btc->tbc", plan)
        columns = rows.shape[-1]
        if "module_weights" in inputs:
            layout = tf.einsum("btm->tbm", tf.cast(inputs["module_weights"], rows.dtype))
            rows = tf.concat([rows, layout], axis=-1)

        def step(row, state, invariant):
            plan, layout = row[:, :columns], row[:, columns:]
            state, outputs, record = self._step(plan, layout, state, *invariant)
            return state, (outputs, record if traced else ())

        state, (outputs, trace) = recomputed_loop(
            step,
            self._initial_state(tf.shape(rows)[1], prepared[0].shape[-2], rows.dtype),
            rows,
            (question, prepared),
            (StepOutputs(*StepOutputs._fields), Trace(*Trace._fields) if traced else ()),
            self.config.num_steps,
        )
        outputs, trace = tf.nest.map_structure(
            lambda x: tf.einsum("tb...->bt...", x), (outputs, trace)
        )
        return question, state, outputs, trace

    def _step(self, plan, layout, state: State, question: Question, prepared):
        """One step of Algorithm 1; `layout` replaces the module weights, unless it has no columns."""
        instruction = self.controller(plan, state.text, question)
        weights = layout if layout.shape[-1] else instruction.module_weights
        weights = self.weigh(weights, state)
        new = self.execute(prepared, instruction.text, state, weights)
        new = new._replace(pointer=self.sharpen(new.pointer), text=instruction.text)
        outputs = StepOutputs(weights, instruction.module_logits)
        record = Trace(
            module_weights=weights,
            word_attention=instruction.word_attention,
            attention=stacks.read(state.stack, state.pointer),
            stack=new.stack,
            pointer=new.pointer,
            memory=new.memory,
        )
        return new, outputs, record

    def _initial_state(self, batch: tf.Tensor, positions: int, dtype: tf.DType) -> State:
        """A^(0), p^(0), no memory, and the learned c_0."""
        config = self.config
        fill = {"zeros": 0.0, "ones": 1.0, "uniform": 1.0 / positions}[config.initial_stack]
        text = tf.cast(self.controller.initial_text, dtype)
        return State(
            stack=tf.fill([batch, positions, config.stack_len], tf.cast(fill, dtype)),
            pointer=stacks.bottom_pointer(batch, config.stack_len, dtype),
            memory=tf.zeros([batch, config.mem_dim], dtype),
            text=tf.broadcast_to(text, [batch, text.shape[-1]]),
        )

    def _classify(self, encoding: tf.Tensor, memory: tf.Tensor, training) -> tf.Tensor:
        """MLP on [q ; f_mem] (section 2.3)."""
        if self.config.normalise_inputs:
            memory = self.memory_norm(memory)
        inputs = [encoding, memory] if self.config.classify_question else [memory]
        hidden = self.classifier_hidden(tf.concat(inputs, axis=-1))
        logits = self.classifier_output(self.dropout(hidden, training=training))
        return tf.cast(logits, tf.float32)
