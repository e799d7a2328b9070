"""Stack-NMN's hand-specified modules (paper, appendix A.2, Table 8; Hu et al., ECCV 2018).

The arithmetic of the modules that have weights, and the pooling that they share. What each module does
to the stack is in `lnmn_tf.models.stack_nmn`.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
from tensorflow import keras

EPSILON = 1e-12  # floor on a squared norm, as in tf.math.l2_normalize


def attend(knowledge_base: tf.Tensor, attention: tf.Tensor) -> tf.Tensor:
    """sum_p softmax(a)_p x_p: the image features that attention maps point at.

    Args:
        knowledge_base: x, [batch, positions, kb_dim].
        attention: raw maps, [batch, maps, positions].

    Returns:
        [batch, maps, kb_dim].
    """
    return tf.matmul(tf.nn.softmax(attention, axis=-1), knowledge_base)


class Score(keras.layers.Layer):
    """conv(l2_normalise(x * query)): how well each position fits the query."""

    def build(self, input_shape) -> None:
        kb_dim = input_shape[-1]
        self.kernel = self.add_weight("kernel", [kb_dim], None, _glorot(kb_dim, 1))
        self.bias = self.add_weight("bias", [1], None, "zeros")
        super().build(input_shape)

    def call(
        self, knowledge_base: tf.Tensor, squared: tf.Tensor, query: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Scores every position.

        Args:
            knowledge_base: x, [batch, positions, kb_dim].
            squared: x^2, [batch, positions, kb_dim], which does not change from step to step.
            query: [batch, kb_dim]; None = ones.

        Returns:
            An attention map, [batch, positions].
        """
        if query is None:
            query = tf.ones_like(knowledge_base[:, 0])
        return self.score(knowledge_base, squared, query)

    def score(self, knowledge_base, squared, query) -> tf.Tensor:
        """The equation, for a query [batch, kb_dim]: [batch, positions]. A kernel may stand in its place."""
        product = knowledge_base * query[:, tf.newaxis]
        product = tf.math.l2_normalize(product, axis=-1, epsilon=EPSILON)
        return tf.linalg.matvec(product, self.kernel) + self.bias


class Find(keras.layers.Layer):
    """conv(l2_normalise(x * W c)): where is what the text names? "Is there a *red cube*?"

    With the image features under an attention map it is `transform`, which looks from there: "What
    is *left of* the cube?"

    Args:
        kb_dim: channels of the image features.
    """

    def __init__(self, kb_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.text_projection = keras.layers.Dense(kb_dim, name="text_projection")
        self.score = Score(name="score")

    def call(
        self,
        knowledge_base: tf.Tensor,
        squared: tf.Tensor,
        text: tf.Tensor,
        attended: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Finds.

        Args:
            knowledge_base: [batch, positions, kb_dim].
            squared: its square, [batch, positions, kb_dim].
            text: c_t, [batch, context_dim].
            attended: for `transform`, the features under the map to start from, [batch, kb_dim].

        Returns:
            An attention map, [batch, positions].
        """
        query = self.text_projection(text)
        if attended is not None:
            query *= attended
        return self.score(knowledge_base, squared, query)


class Describe(keras.layers.Layer):
    """W2 [c ; f_mem ; l2_normalise(W c * prod_k x_k)]: the answer, from what attention points at.

    With one map: "What *colour* is it?" With two: "Are they the *same size*?" In the LNMN paper these
    are Answer and Compare.

    Args:
        kb_dim: channels of the image features.
        mem_dim: width of the memory features.
    """

    def __init__(self, kb_dim: int, mem_dim: int, **kwargs):
        super().__init__(**kwargs)
        self.text_projection = keras.layers.Dense(kb_dim, name="text_projection")
        self.memory_projection = keras.layers.Dense(mem_dim, name="memory_projection")

    def call(self, text: tf.Tensor, memory: tf.Tensor, attended: Sequence[tf.Tensor]) -> tf.Tensor:
        """Describes.

        Args:
            text: c_t, [batch, context_dim].
            memory: f_mem of the step before, [batch, mem_dim].
            attended: features under each map that the module reads, each [batch, kb_dim].

        Returns:
            New memory features, [batch, mem_dim].
        """
        product = self.text_projection(text)
        for features in attended:
            product *= features
        product = tf.math.l2_normalize(product, axis=-1, epsilon=EPSILON)
        return self.memory_projection(tf.concat([text, memory, product], axis=-1))


def _glorot(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    limit = (6.0 / (fan_in + fan_out)) ** 0.5
    return keras.initializers.RandomUniform(-limit, limit)
