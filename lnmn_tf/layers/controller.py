"""The module layout controller (paper, section 2.1 and Algorithm 1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow import keras


class Question(NamedTuple):
    """What the question encoder says of a batch of questions."""

    words: tf.Tensor  # h_1..h_S, [batch, words, text_dim]
    embeddings: tf.Tensor  # [batch, words, embed_dim]
    encoding: tf.Tensor  # q, [batch, text_dim]
    mask: tf.Tensor  # 1 for the words that attention may look at, else 0, [batch, words]
    places: tf.Tensor  # of the words: 0 for the first, 1 for the last, [batch, words]


class Instruction(NamedTuple):
    """What the controller says at one step."""

    module_weights: tf.Tensor  # w^(t), [batch, modules]
    module_logits: tf.Tensor  # of which w^(t) is the softmax, [batch, modules]
    word_attention: tf.Tensor  # cv_t, [batch, words]
    text: tf.Tensor  # c_t, the textual parameter, [batch, text_dim or embed_dim]


class Controller(keras.layers.Layer):
    """One step of the controller.

        u = W2 [W1^(t) q + b1 ; c_(t-1)] + b2
        w^(t) = softmax(MLP(u))
        cv_t = softmax_s(W3 (u * h_s)),  c_t = sum_s cv_ts h_s

    Args:
        num_steps: T; W1 differs from step to step.
        num_modules: M.
        mlp_dim: hidden units of the MLP; 0 is one bias-free linear layer, as in the authors' code.
        attend_embeddings: c_t sums word embeddings, not h_s (a switch of Stack-NMN).
        step_bias: b1 differs from step to step (Stack-NMN).
        layout_prior: first value of a bias of the module logits that differs from step to step,
            [num_steps, num_modules]; None = no such bias.
        gain: factor of the logits of modules and of words, and so of the pace at which Adam, whose
            steps have one size, can make a choice sharp.
        reading_width: where it is not 0, the word attention begins as a window that goes from the end
            of the question at the first step to its beginning at the last: the deviation of that
            window, as a share of the question.
    """

    def __init__(
        self,
        num_steps: int,
        num_modules: int,
        mlp_dim: int = 0,
        attend_embeddings: bool = False,
        step_bias: bool = False,
        layout_prior: np.ndarray | None = None,
        gain: float = 1.0,
        reading_width: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.layout_prior, self.gain, self.reading_width = layout_prior, gain, reading_width
        self.num_steps, self.num_modules, self.mlp_dim = num_steps, num_modules, mlp_dim
        self.attend_embeddings, self.step_bias = attend_embeddings, step_bias
        self.merge = None

    def build_for(self, text_dim: int, embed_dim: int) -> None:
        """Creates the weights; `text_dim` is the width of q and h_s."""
        self.text_dim = text_dim
        glorot = "glorot_uniform"
        # With a prior, choices begin neutral: the prior's layout, and all words alike.
        of_choices = glorot if self.layout_prior is None else "zeros"
        limit = (3.0 / text_dim) ** 0.5
        context_dim = embed_dim if self.attend_embeddings else text_dim
        self.initial_text = self.add_weight("initial_text", [context_dim], None, "random_normal")
        self.question_kernel = self.add_weight(  # W1^(t)
            "question_kernel",
            [self.num_steps, text_dim, text_dim],
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        bias_shape = [self.num_steps, text_dim] if self.step_bias else [text_dim]
        self.question_bias = self.add_weight("question_bias", bias_shape, None, "zeros")  # b1
        # W2 = [of the question ; of the text], for what it makes of the question is the same at all steps.
        glorot_of_both = (6.0 / (2 * text_dim + context_dim)) ** 0.5
        self.merge_question, self.merge_text = (
            self.add_weight(
                name,
                [fan_in, text_dim],
                initializer=keras.initializers.RandomUniform(-glorot_of_both, glorot_of_both),
            )
            for name, fan_in in (("merge_question", text_dim), ("merge_text", context_dim))
        )
        self.merge_bias = self.add_weight("merge_bias", [text_dim], None, "zeros")
        self.word_kernel = self.add_weight("word_kernel", [text_dim, 1], None, of_choices)  # W3
        if self.mlp_dim:
            self.hidden_kernel = self.add_weight(
                "hidden_kernel", [text_dim, self.mlp_dim], None, glorot
            )
            self.hidden_bias = self.add_weight("hidden_bias", [self.mlp_dim], None, "zeros")
            self.module_bias = self.add_weight("module_bias", [self.num_modules], None, "zeros")
        self.module_kernel = self.add_weight(
            "module_kernel", [self.mlp_dim or text_dim, self.num_modules], None, of_choices
        )
        if self.reading_width:
            self.reading = self.add_weight(
                "reading",
                [self.num_steps, 2],
                initializer=keras.initializers.Constant(
                    first_reading(self.num_steps, self.reading_width)
                ),
            )
        if self.layout_prior is not None:
            self.layout_bias = self.add_weight(
                "layout_bias",
                self.layout_prior.shape,
                initializer=keras.initializers.Constant(self.layout_prior),
            )
        self.built = True

    @property
    def word_variables(self) -> list[tf.Variable]:
        """What the logits of words are linear in: without change there, they do not change from 0."""
        return [self.word_kernel]

    @property
    def layout_variables(self) -> list[tf.Variable]:
        """What the logits of modules are linear in, and their biases."""
        biases = [] if self.layout_prior is None else [self.layout_bias]
        return [self.module_kernel, *([self.module_bias] if self.mlp_dim else []), *biases]

    def plan(self, question: Question) -> tf.Tensor:
        """What each step knows before it begins, once per question: [batch, num_steps, columns].

        That is what the question adds to u, W2 [W1^(t) q + b1 ; 0] + b2, and the layout bias of the step
        where there is one.
        """
        dtype = question.encoding.dtype
        kernel, bias = tf.cast(self.question_kernel, dtype), tf.cast(self.question_bias, dtype)
        queries = tf.einsum("tbo->bto", tf.matmul(question.encoding, kernel)) + bias
        merge = tf.cast(self.merge_question, dtype)
        columns = [tf.einsum("bti,io->bto", queries, merge) + tf.cast(self.merge_bias, dtype)]
        batch = tf.shape(question.encoding)[0]
        for variable in self._step_biases:
            columns.append(tf.broadcast_to(tf.cast(variable, dtype), [batch, *variable.shape]))
        return tf.concat(columns, axis=-1)

    @property
    def _step_biases(self) -> list[tf.Variable]:
        """What a step knows that is the same for all questions, [num_steps, columns] each."""
        layout = [] if self.layout_prior is None else [self.layout_bias]
        return [*layout, *([self.reading] if self.reading_width else [])]

    def call(self, plan: tf.Tensor, text: tf.Tensor, question: Question) -> Instruction:
        """One step.

        Args:
            plan: that of step t, [batch, columns].
            text: c_(t-1), [batch, context_dim].
            question: the encoded question.

        Returns:
            The `Instruction` of step t.
        """
        widths = [self.text_dim, *(variable.shape[-1] for variable in self._step_biases)]
        query, *step_biases = tf.split(plan, widths, axis=-1)
        u = query + tf.matmul(text, self.merge_text)
        hidden = u
        if self.mlp_dim:
            hidden = tf.nn.elu(tf.matmul(u, self.hidden_kernel) + self.hidden_bias)
        module_logits = self.gain * tf.matmul(hidden, self.module_kernel)
        if self.mlp_dim:
            module_logits += self.module_bias
        if self.layout_prior is not None:
            module_logits += step_biases[0]
        scores = tf.linalg.matvec(question.words, self.gain * u * self.word_kernel[:, 0])
        if self.reading_width:
            slope, curvature = tf.split(step_biases[-1], 2, axis=-1)
            scores += (slope + curvature * question.places) * question.places
        scores = tf.where(question.mask > 0.0, scores, scores.dtype.min)
        word_attention = tf.nn.softmax(scores, axis=-1)
        values = question.embeddings if self.attend_embeddings else question.words
        return Instruction(
            module_weights=tf.nn.softmax(module_logits, axis=-1),
            module_logits=module_logits,
            word_attention=word_attention,
            text=tf.linalg.matvec(values, word_attention, transpose_a=True),
        )


def first_reading(num_steps: int, width: float) -> np.ndarray:
    """Coefficients of place and place^2 in the logits of words, float32 [num_steps, 2].

    -(place - centre)^2 / (2 width^2) but for a constant; the centre goes from 1 to 0.
    """
    centre = np.linspace(1.0, 0.0, num_steps) if num_steps > 1 else np.full(1, 0.5)
    return np.stack([2.0 * centre, -np.ones(num_steps)], axis=-1).astype(np.float32) / (
        2.0 * width**2
    )
