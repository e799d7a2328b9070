"""The module layout controller (paper, section 2.1 and Algorithm 1)."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
from tensorflow import keras


class Question(NamedTuple):
    """What the question encoder says of a batch of questions."""

    words: tf.Tensor  # h_1..h_S, [batch, words, text_dim]
    embeddings: tf.Tensor  # [batch, words, embed_dim]
    encoding: tf.Tensor  # q, [batch, text_dim]
    mask: tf.Tensor  # 1 for the words that attention may look at, else 0, [batch, words]


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

    With an inhibition k, a word that was read is less likely to be read again: the score of word s has
    k sum_(t' < t) cv_t's taken off.

    Args:
        num_steps: T; W1 differs from step to step.
        num_modules: M.
        text_dim: d, the width of q and h_s.
        embed_dim: width of a word embedding.
        mlp_dim: hidden units of the MLP; 0 is one linear layer without bias, as in the authors' code.
        attend_embeddings: c_t sums word embeddings, not h_s.
        step_bias: b1 differs from step to step (Stack-NMN).
        gain: factor of the logits of modules and words. Adam's steps have one size, so this is the pace
            at which a choice can become sharp.
        alike: W1 begins at zero and b1 at random: all questions begin with one layout, and depart from it
            where answers demand it. So what frequent questions learn, rare ones begin with.
        equal: the last layer of the MLP begins at zero: all modules are as likely, and stay so until they run.
        inhibition: k above; the paper has none.
    """

    def __init__(
        self,
        num_steps: int,
        num_modules: int,
        text_dim: int,
        embed_dim: int,
        mlp_dim: int = 0,
        attend_embeddings: bool = False,
        step_bias: bool = False,
        gain: float = 1.0,
        alike: bool = False,
        equal: bool = False,
        inhibition: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_steps, self.num_modules, self.mlp_dim = num_steps, num_modules, mlp_dim
        self.text_dim, self.embed_dim = text_dim, embed_dim
        self.attend_embeddings, self.step_bias, self.gain = attend_embeddings, step_bias, gain
        self.alike, self.equal, self.inhibition = alike, equal, inhibition
        self._make_weights()
        self.built = True

    def _make_weights(self) -> None:
        d, context_dim = self.text_dim, self.embed_dim if self.attend_embeddings else self.text_dim
        glorot, limit = "glorot_uniform", (3.0 / d) ** 0.5
        uniform = keras.initializers.RandomUniform
        self.initial_text = self.add_weight("initial_text", [context_dim], None, "random_normal")
        shape = [self.num_steps, d, d]
        initializer = "zeros" if self.alike else uniform(-limit, limit)
        self.question_kernel = self.add_weight(
            "question_kernel", shape, None, initializer
        )  # W1^(t)
        shape = [self.num_steps, d] if self.step_bias else [d]
        initializer = "random_normal" if self.alike else "zeros"
        self.question_bias = self.add_weight("question_bias", shape, None, initializer)  # b1
        limit = (6.0 / (2 * d + context_dim)) ** 0.5
        self.merge_question, self.merge_text = (  # W2 = [of the question ; of the text]
            self.add_weight(name, [fan_in, d], None, uniform(-limit, limit))
            for name, fan_in in (("merge_question", d), ("merge_text", context_dim))
        )
        self.merge_bias = self.add_weight("merge_bias", [d], None, "zeros")  # b2
        self.word_kernel = self.add_weight("word_kernel", [d, 1], None, glorot)  # W3
        if self.mlp_dim:
            self.hidden_kernel = self.add_weight("hidden_kernel", [d, self.mlp_dim], None, glorot)
            self.hidden_bias = self.add_weight("hidden_bias", [self.mlp_dim], None, "zeros")
            self.module_bias = self.add_weight("module_bias", [self.num_modules], None, "zeros")
        shape, initializer = (
            [self.mlp_dim or d, self.num_modules],
            "zeros" if self.equal else glorot,
        )
        self.module_kernel = self.add_weight("module_kernel", shape, None, initializer)

    def queries(self, question: Question) -> tf.Tensor:
        """W2 [W1^(t) q + b1 ; 0] + b2 for all steps, once per question: [batch, num_steps, text_dim]."""
        dtype = question.encoding.dtype
        kernel, bias = tf.cast(self.question_kernel, dtype), tf.cast(self.question_bias, dtype)
        queries = tf.einsum("bi,tio->bto", question.encoding, kernel) + bias
        merge = tf.cast(self.merge_question, dtype)
        return tf.einsum("bti,io->bto", queries, merge) + tf.cast(self.merge_bias, dtype)

    def call(
        self, query: tf.Tensor, text: tf.Tensor, question: Question, read: tf.Tensor | tuple = ()
    ) -> Instruction:
        """One step.

        Args:
            query: that of step t, [batch, text_dim].
            text: c_(t-1), [batch, context_dim].
            question: the encoded question.
            read: sum_(t' < t) cv_t', [batch, words], where there is an inhibition.

        Returns:
            The `Instruction` of step t.
        """
        u = query + tf.matmul(text, self.merge_text)
        module_logits = self.gain * tf.matmul(self._hidden(u), self.module_kernel)
        if self.mlp_dim:
            module_logits += self.module_bias
        scores = tf.linalg.matvec(question.words, self.gain * u * self.word_kernel[:, 0])
        if self.inhibition:
            scores -= self.inhibition * tf.convert_to_tensor(read)
        scores = tf.where(question.mask > 0.0, scores, scores.dtype.min)
        word_attention = tf.nn.softmax(scores, axis=-1)
        values = question.embeddings if self.attend_embeddings else question.words
        return Instruction(
            module_weights=tf.nn.softmax(module_logits, axis=-1),
            module_logits=module_logits,
            word_attention=word_attention,
            text=tf.linalg.matvec(values, word_attention, transpose_a=True),
        )

    def _hidden(self, u: tf.Tensor) -> tf.Tensor:
        if not self.mlp_dim:
            return u
        return tf.nn.elu(tf.matmul(u, self.hidden_kernel) + self.hidden_bias)
