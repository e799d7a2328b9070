"""The machine that LNMN and Stack-NMN share: a controller driving modules over a memory stack.

Paper, Algorithm 1 and sections 2.1 to 2.3. A model says what its modules do in one step; this file runs
the steps in a `tf.while_loop` and classifies what is left in memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config.sizes import ModelConfig
from lnmn_tf.layers import stack as stacks
from lnmn_tf.layers.controller import Controller, Question
from lnmn_tf.layers.dropout import StepDropout
from lnmn_tf.layers.encoders import ImageEncoder, KnowledgeBase, QuestionEncoder
from lnmn_tf.layers.loop import loop
from lnmn_tf.models.draw import Draw, one_of


class Encoded(NamedTuple):
    """What all steps see of the inputs. `question` and `queries` may be (), still to be read."""

    image: tuple[tf.Tensor, ...]  # of the model's `see`, each [batch, ..., positions, channels]
    question: Question | tuple = ()
    queries: tf.Tensor | tuple = ()  # of the controller, [batch, steps, text_dim]


class State(NamedTuple):
    """What one step hands to the next."""

    stack: tf.Tensor  # A, [batch, positions, stack_len]
    pointer: tf.Tensor  # p, [batch, stack_len]
    memory: tf.Tensor  # f_mem, [batch, mem_dim]
    text: tf.Tensor  # c_(t-1), [batch, context_dim]
    read: tf.Tensor | tuple = ()  # sum of cv so far, [batch, words]; () where nobody asks


class Trace(NamedTuple):
    """What the machine did at each of its T steps."""

    module_weights: tf.Tensor  # w^(t) as executed, [batch, steps, modules]
    word_attention: tf.Tensor  # cv_t, [batch, steps, words]
    attention: tf.Tensor  # the map at the pointer as the step begins, [batch, steps, height, width]
    stack: tf.Tensor  # A after the step, [batch, steps, height, width, stack_len]
    pointer: tf.Tensor  # p after the step, [batch, steps, stack_len]
    memory: tf.Tensor  # f_mem after the step, [batch, steps, mem_dim]


class StepOutputs(NamedTuple):
    """What losses need of each step, and `call` returns."""

    module_weights: tf.Tensor  # w^(t), before one module is drawn, [batch, steps, modules]
    module_logits: tf.Tensor  # MLP(u), of which w^(t) is the softmax, [batch, steps, modules]


class StackMachine(keras.Model):
    """Question and image in, answer logits out. Subclasses say what their modules do.

    Args:
        config: every size and switch.

    Call arguments:
        inputs: dict with `question`, int32 [batch, words], 0 = padding at the end, and one of
            `image`, float32 [batch, height, width, 3] in [0, 1] (only with an image encoder), or
            `features`, float32 [batch, H, W, C]. Optional: `module_weights`, float32
            [batch, steps, modules], a layout that replaces the controller's (an expert's, for
            instance), and `encoded`, what `encode` returned, in place of what it was made of.

    Returns:
        dict with `logits` [batch, answers], and `module_weights` (as executed, or drawn from) and
        `module_logits` (the controller's), both [batch, steps, modules].

    Raises:
        ValueError: `image` and `features` are both given, or neither, or `image` without an encoder.
    """

    position = "sinusoids"  # what tells the positions of features apart, see `KnowledgeBase`
    attend_padding = False  # word attention also looks at padding
    no_op_rests = False  # a step reads words, and hands on c_t, as much as it does not run NoOp

    def __init__(self, config: ModelConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.loop = loop
        self.draw: Draw | None = None  # each step runs one module; None = all, by weight
        self.reads_question = True  # `encode` reads the question as well as the image
        self.image_encoder = None
        if config.image_height:
            self.image_encoder = ImageEncoder(
                config.encoder_filters,
                config.encoder_strides,
                config.encoder_groups,
                name="image_encoder",
            )
        self.question_encoder = QuestionEncoder(
            config.num_words,
            config.embed_dim,
            config.text_dim,
            self.attend_padding,
            name="question_encoder",
        )
        self.knowledge_base = KnowledgeBase(
            config.kb_dim, self.position, config.position_channels, name="knowledge_base"
        )
        self.controller = Controller(
            config.num_steps,
            len(self.module_names),
            config.text_dim,
            config.embed_dim,
            **self.controller_options,
            name="controller",
        )
        self.classifier_hidden = keras.layers.Dense(
            config.mlp_dim, activation="elu", name="classifier_hidden"
        )
        self.dropout = StepDropout(config.dropout, name="dropout")
        self.classifier_output = keras.layers.Dense(config.num_answers, name="classifier_output")

    # What a model says of itself.

    @property
    def module_names(self) -> tuple[str, ...]:
        """A name for each module, in the order of `module_weights`."""
        raise NotImplementedError

    @property
    def controller_options(self) -> dict[str, Any]:
        """What differs from the defaults of `Controller`."""
        return {}

    @property
    def map_projection(self) -> keras.layers.Dense | None:
        """A linear layer over the knowledge base that all modules share; None = none."""
        return None

    def see(self, features: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """What modules need of image features [batch, H, W, C], the same at all steps.

        Returns:
            Tensors [batch, ..., positions, channels], at least one.
        """
        raise NotImplementedError

    def execute(
        self,
        image: tuple[tf.Tensor, ...],
        text: tf.Tensor,
        state: State,
        module_weights: tf.Tensor,
    ) -> State:
        """Runs every module and averages what they do, weighted by w^(t) (Algorithm 1).

        Args:
            image: the result of `see`.
            text: c_t, [batch, context_dim].
            state: before the step.
            module_weights: [batch, modules].

        Returns:
            The state after the step, its pointer not yet sharpened.
        """
        raise NotImplementedError

    def allowed(self, module_weights: tf.Tensor, state: State) -> tf.Tensor:
        """The module weights that are executed, [batch, modules]; a model may rule some out."""
        return module_weights

    def opened(self) -> tf.Tensor | None:
        """How open each module is at each step, a factor of e^logit in [0, 1], [steps, modules]; None = all are.

        Where NoOp alone is open, the step is left out.
        """
        return None

    def open_weights(self, logits: tf.Tensor, opened: tf.Tensor, state: State) -> tf.Tensor:
        """The module weights that are executed where not all modules are open, [batch, modules]."""
        raise NotImplementedError

    def sharpen(self, pointer: tf.Tensor) -> tf.Tensor:
        """The pointer after the average over modules, [batch, stack_len]."""
        raise NotImplementedError

    def first_attention(self, positions: int) -> float:
        """What the stack holds before the first step."""
        return 0.0

    def last_memory(self, memory: tf.Tensor) -> tf.Tensor:
        """The memory features as the classifier sees them, [batch, mem_dim]."""
        return memory

    def show(self, attention: tf.Tensor) -> tf.Tensor:
        """Attention maps for people, each value in [0, 1] where the model has such."""
        return attention

    def on_map(self, maps: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
        """Maps [batch, steps, positions, slots] of the positions that modules saw, for all H x W."""
        return maps

    # Algorithm 1.

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """See the class."""
        question, state, outputs, _ = self._run(inputs, traced=False, training=training)
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
        batch, (height, width) = tf.shape(features)[0], features.shape[1:3]
        steps, stack_len = self.config.num_steps, self.config.stack_len
        attention = self.on_map(history.attention[..., tf.newaxis], features)
        stack = self.on_map(history.stack, features)
        trace = history._replace(
            attention=tf.reshape(attention, [batch, steps, height, width]),
            stack=tf.reshape(stack, [batch, steps, height, width, stack_len]),
        )
        return {"logits": logits, **outputs._asdict()}, trace

    def encode_image(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Image features, [batch, H, W, C], of pixels or as given."""
        if ("image" in inputs) == ("features" in inputs):
            raise ValueError("give either `image` or `features`, and not both")
        if "features" in inputs:
            return inputs["features"]
        if self.image_encoder is None:
            raise ValueError("this model has no image encoder: give `features`, not `image`")
        # Statistics of batches are learned in pretraining alone: shards would each have their own.
        return self.image_encoder(inputs["image"], training=False)

    def encode(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The inputs with `encoded` in place of what it was made of.

        That is large matrix products, which need no compilation.
        """
        encoded, made_of = (
            Encoded(tuple(self.see(self.encode_image(inputs)))),
            {"image", "features"},
        )
        if self.reads_question:
            encoded = self._read(encoded, inputs)
            made_of.add("question")
        others = {name: x for name, x in inputs.items() if name not in made_of}
        return {**others, "encoded": encoded}

    def _read(self, encoded: Encoded, inputs) -> Encoded:
        question = self.question_encoder(inputs["question"])
        return encoded._replace(question=question, queries=self.controller.queries(question))

    def known(self, features: tf.Tensor) -> tf.Tensor:
        """The knowledge base, or what `map_projection` makes of it, [batch, positions, channels]."""
        knowledge_base = self.knowledge_base(features)
        return self.map_projection(knowledge_base) if self.map_projection else knowledge_base

    @tf.autograph.experimental.do_not_convert  # nothing here needs it, and it takes most of tracing
    def _run(self, inputs, traced: bool, training: bool | None = None):
        """Encodes the inputs and runs the loop over steps."""
        encoded = (inputs if "encoded" in inputs else self.encode(inputs))["encoded"]
        if not encoded.question:
            encoded = self._read(encoded, inputs)
        layout = inputs.get("module_weights")
        given = self._given(encoded.queries, encoded.question.mask, layout, training)
        widths = [x.shape[-1] for x in given.values()]
        rows = tf.einsum("btd->tbd", tf.concat(list(given.values()), axis=-1))
        run = self._step_if_open if "opened" in given else self._step

        def step(row, state, invariant):
            of_step = dict(zip(given, tf.split(row, widths, axis=-1)))
            state, outputs, record = run(of_step, state, *invariant)
            return state, (outputs, record if traced else ())

        state, (outputs, trace) = self.loop(
            step,
            self._initial_state(encoded.question.mask, encoded.image[0].shape[-2], rows.dtype),
            rows,
            (encoded.question, encoded.image),
            (StepOutputs(*StepOutputs._fields), Trace(*Trace._fields) if traced else ()),
            self.config.num_steps,
        )
        outputs, trace = tf.nest.map_structure(
            lambda x: tf.einsum("tb...->bt...", x), (outputs, trace)
        )
        return encoded.question, state, outputs, trace

    def _given(self, queries, mask, layout, training) -> dict[str, tf.Tensor]:
        """What each step is given, by name, each [batch, steps, channels]; `_step` says what it does with it."""
        given = {"query": queries}
        if layout is not None:
            return {**given, "layout": tf.cast(layout, queries.dtype)}
        opened = self.opened()
        if opened is not None:
            alike = tf.broadcast_to(opened, [tf.shape(queries)[0], *opened.shape])
            given["opened"] = tf.cast(alike, queries.dtype)
        if self.draw is not None:
            given |= self.draw(mask, training)
        return given

    def _step(self, given: dict[str, tf.Tensor], state: State, question: Question, image):
        """One step of Algorithm 1.

        Args:
            given: `query` of the step; where there is one, the `layout` that replaces the module weights; how
                `opened` modules are, a factor of these; the `noise` by which one module is drawn where a step
                `draws`, and whether it `rests`.
            state: before the step.
            question: the encoded question.
            image: what modules see.

        Returns:
            The state after it, what losses need, and what is traced.
        """
        instruction = self.controller(given["query"], state.text, question, state.read)
        weights = given.get("layout", instruction.module_weights)
        if "opened" in given:
            weights = self.open_weights(instruction.module_logits, given["opened"], state)
        else:
            weights = self.allowed(weights, state)
        executed = weights
        if "noise" in given:
            executed = one_of(weights, given["noise"], given["draws"], given["rests"])
        new = self.execute(image, instruction.text, state, executed)
        text, read = instruction.text, instruction.word_attention
        if self.no_op_rests:
            rests = executed[:, -1:]
            text, read = text + rests * (state.text - text), (1.0 - rests) * read
        new = new._replace(pointer=self.sharpen(new.pointer), text=text)
        if self.controller.inhibition:
            new = new._replace(read=state.read + read)
        outputs = StepOutputs(weights, instruction.module_logits)
        record = Trace(
            module_weights=executed,
            word_attention=instruction.word_attention,
            attention=stacks.read(state.stack, state.pointer),
            stack=new.stack,
            pointer=new.pointer,
            memory=new.memory,
        )
        return new, outputs, record

    def _step_if_open(self, given, state: State, question: Question, image):
        """`_step`, or nothing where NoOp alone is open; then none of its work is done."""
        opened = given["opened"]

        def rest():
            record = Trace(
                module_weights=opened,
                word_attention=tf.zeros(tf.shape(question.mask), opened.dtype),
                attention=stacks.read(state.stack, state.pointer),
                stack=state.stack,
                pointer=state.pointer,
                memory=state.memory,
            )
            return state, StepOutputs(opened, tf.zeros_like(opened)), record

        return tf.cond(
            tf.reduce_any(opened[:, :-1] > 0.0),
            lambda: self._step(given, state, question, image),
            rest,
        )

    def _initial_state(self, mask: tf.Tensor, positions: int, dtype: tf.DType) -> State:
        """A^(0), p^(0), no memory, the learned c_0, and no word read, for questions of a mask."""
        config, batch = self.config, tf.shape(mask)[0]
        text = tf.cast(self.controller.initial_text, dtype)
        attention = tf.cast(self.first_attention(positions), dtype)
        return State(
            stack=tf.fill([batch, positions, config.stack_len], attention),
            pointer=stacks.bottom_pointer(batch, config.stack_len, dtype),
            memory=tf.zeros([batch, config.mem_dim], dtype),
            text=tf.broadcast_to(text, [batch, text.shape[-1]]),
            read=tf.zeros(tf.shape(mask), dtype) if self.controller.inhibition else (),
        )

    def _classify(self, encoding: tf.Tensor, memory: tf.Tensor, training) -> tf.Tensor:
        """MLP on [q ; f_mem] (section 2.3)."""
        memory = self.last_memory(memory)
        inputs = [encoding, memory] if self.config.classify_question else [memory]
        hidden = self.classifier_hidden(tf.concat(inputs, axis=-1))
        logits = self.classifier_output(self.dropout(hidden, training=training))
        return tf.cast(logits, tf.float32)
