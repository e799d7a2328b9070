"""A trained network behind the three signatures that are served."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import tensorflow as tf

from lnmn_tf.data.vocabulary import MAX_WORDS, PADDING, Vocabulary
from lnmn_tf.features.backbone import Backbone
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.training.objectives import answer_probabilities

from .checks import checked, checked_each
from .pictures import read_pictures
from .stored_weights import StoredWeights
from .tokeniser import Tokeniser

TOP = 5  # answers in `top_answers`
DOCUMENTATION = {
    "question": "string [batch], in English, UTF-8",
    "question_ids": "int32 [batch, words], word ids of the vocabulary, 0 after the end of a question",
    "image": "string [batch], the bytes of a PNG or JPEG file of any size",
    "features": "{dtype} [batch, height, width, channels], as in training",
    "answer": "string [batch], the most likely answer",
    "probability": "float32 [batch], its probability; of a run of answer_loss=sigmoid, how right it is by itself",
    "top_answers": f"string [batch, {TOP}], by falling probability; empty beyond the last answer",
    "top_probabilities": f"float32 [batch, {TOP}]",
    "words": "string [batch, words], the question as the model reads it; empty after its end",
    "word_attention": "float32 [batch, steps, words], where each step looks in the question",
    "module_names": "string [batch, modules]",
    "module_weights": "float32 [batch, steps, modules], how much each step uses each module",
    "attention": "float32 [batch, steps, H, W], the map at the pointer as each step begins: probabilities in "
    "relational, any number in other models",
    "pointer": "float32 [batch, steps, slots], the place in the stack after each step",
}
# What a question comes as in each.
TEXT = tf.TensorSpec([None], tf.string, "question")
IDS = tf.TensorSpec([None, None], tf.int32, "question_ids")
SIGNATURES = {"serving_default": TEXT, "explain": TEXT, "answer_from_ids": IDS}
Tensors = dict[str, tf.Tensor]


class Servable:
    """Everything between a request's tensors and a reply's.

    It is no tf.Module: tracked by one, a Keras model would bring its training functions along.

    Args:
        network: built, with its weights.
        vocabulary: of its run.
        folder: where the tokeniser keeps its asset; must be there until the module is saved.
        backbone: makes features of pictures, for a network that reads features.
        dtype: that weights are stored in.
        features_dtype: float32 or float16, of the features in a request; a signature has one.
        jit: compile the network by XLA.
        answer_loss: of the training, see `answer_probabilities`.
    """

    def __init__(
        self,
        network: StackMachine,
        vocabulary: Vocabulary,
        folder: str | os.PathLike,
        backbone: Backbone | None = None,
        dtype: str = "float32",
        features_dtype: str = "float32",
        jit: bool = False,
        answer_loss: str = "softmax",
    ):
        self.network, self.vocabulary, self.backbone = network, vocabulary, backbone
        self._tokeniser = Tokeniser(vocabulary, folder)
        self._weights = StoredWeights([network, *([backbone.network] if backbone else [])], dtype)
        self._features_dtype, self._jit = tf.as_dtype(features_dtype), jit
        self._answer_loss = answer_loss

    @property
    def image_key(self) -> str:
        """`image` for a model that answers about pictures, else `features`."""
        return "image" if self.network.config.image_height or self.backbone else "features"

    @property
    def image_spec(self) -> tf.TensorSpec:
        """Of the one of them."""
        if self.image_key == "image":
            return tf.TensorSpec([None], tf.string, "image")
        return tf.TensorSpec(
            [None, *self.network.config.feature_shape], self._features_dtype, "features"
        )

    @property
    def documentation(self) -> dict[str, str]:
        """What the tensors of its signatures are, by name."""
        other = ({"image", "features"} - {self.image_key}).pop()
        dtype = self._features_dtype.name
        return {k: text.format(dtype=dtype) for k, text in DOCUMENTATION.items() if k != other}

    def serving_default(self, question: tf.Tensor, image: tf.Tensor) -> Tensors:
        """Text and picture to answers."""
        _, ids = self._tokeniser(question)
        return self._answers(self._run(self._call, ids, image)["logits"])

    def explain(self, question: tf.Tensor, image: tf.Tensor) -> Tensors:
        """The same, and what the machine did at each step."""
        words, ids = self._tokeniser(question)
        outputs, trace = self._run(self.network.answer_and_trace, ids, image)
        names = tf.constant([self.network.module_names])
        return {
            **self._answers(outputs["logits"]),
            "words": words,
            "word_attention": trace.word_attention,
            "module_names": tf.tile(names, [tf.shape(words)[0], 1]),
            "module_weights": trace.module_weights,
            "attention": self.network.show(trace.attention),
            "pointer": trace.pointer,
        }

    def answer_from_ids(self, question_ids: tf.Tensor, image: tf.Tensor) -> Tensors:
        """Word ids and picture to answers."""
        ids = self._checked_ids(question_ids)
        return self._answers(self._run(self._call, ids, image)["logits"])

    def _call(self, inputs: Tensors) -> Tensors:
        return self.network(inputs, training=False)

    def _run(self, function: Callable, ids: tf.Tensor, image: tf.Tensor):
        """A function of the network's inputs, compiled where that is wanted; its results as float32."""
        inputs = self._inputs(ids, image)
        if self._jit:
            function = tf.function(function, jit_compile=True)
        # In mixed precision they are not: a run may be exported where its training ends.
        return tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), function(inputs))

    def _checked_ids(self, ids: tf.Tensor) -> tf.Tensor:
        ids = tf.ensure_shape(ids, [None, None])
        batch, words = tf.unstack(tf.shape(ids))
        ids = checked(ids, batch > 0, "the batch has no question")
        ids = checked(
            ids,
            words <= MAX_WORDS,
            f"question_ids has {{}} columns; expected at most {MAX_WORDS}",
            words,
        )
        last = self.vocabulary.num_words - 1
        is_known = tf.reduce_all((ids >= 0) & (ids <= last), axis=1)
        ids = checked_each(ids, is_known, f"question {{}} has an id that is not in 0 to {last}")
        has_words = tf.reduce_any(tf.not_equal(ids, PADDING), axis=1)
        return checked_each(ids, has_words, "question {} is empty: all its ids are 0")

    def _inputs(self, ids: tf.Tensor, image: tf.Tensor) -> Tensors:
        """The network's own inputs."""
        config, key = self.network.config, self.image_key
        image = tf.ensure_shape(image, self.image_spec.shape)
        questions, images = tf.shape(ids)[0], tf.shape(image)[0]
        image = checked(
            image,
            tf.equal(questions, images),
            f"there are {{}} questions, but {{}} of {key}; expected one for each question",
            questions,
            images,
        )
        if config.image_height:
            image = read_pictures(image, config.image_height, config.image_width)
            return {"question": ids, "image": image / 255.0}
        if self.backbone:
            size = self.backbone.image_shape
            image = self.backbone(read_pictures(image, *size, self.backbone.resize))
        image = tf.cast(image, tf.float32)
        is_finite = tf.reduce_all(tf.math.is_finite(image), axis=[1, 2, 3])
        image = checked_each(image, is_finite, "features {} hold NaN or infinity")
        return {"question": ids, "features": image}

    def _answers(self, logits: tf.Tensor) -> Tensors:
        """The most likely answers; where there are fewer than five, empty ones follow."""
        is_finite = tf.reduce_all(tf.math.is_finite(logits), axis=1)
        logits = checked_each(
            logits, is_finite, "question {} has no finite answer: scale its features"
        )
        answers = self.vocabulary.answers
        missing = max(TOP - len(answers), 0)
        logits = tf.pad(logits, [[0, 0], [0, missing]], constant_values=float("-inf"))
        probabilities, ids = tf.math.top_k(answer_probabilities(logits, self._answer_loss), TOP)
        texts = tf.gather(tf.constant([*answers, *[""] * missing]), ids)
        return {
            "answer": texts[:, 0],
            "probability": probabilities[:, 0],
            "top_answers": texts,
            "top_probabilities": probabilities,
        }

    def to_module(self, names: Iterable[str] = SIGNATURES) -> tuple[tf.Module, dict[str, Callable]]:
        """What `tf.saved_model.save` wants: a module with all state, and the signatures of these names."""
        module = tf.Module()
        module.weights = self._weights.variables
        module.tokeniser = self._tokeniser
        return module, {name: self._signature(name) for name in names}

    def _signature(self, name: str):
        """The method of this name as a graph, whose inputs have the names of the specs."""
        function, question = getattr(self, name), SIGNATURES[name]

        def named(**inputs: tf.Tensor) -> Tensors:
            with self._weights.in_place():
                return function(inputs[question.name], inputs[self.image_key])

        specs = {spec.name: spec for spec in (question, self.image_spec)}
        return tf.function(named, autograph=False).get_concrete_function(**specs)
