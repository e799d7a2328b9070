"""Stack-NMN's score without its map: equals `layers.handcrafted.Score.score`.

The query multiplies the channels of x alike everywhere, so it can be moved to the other factor:

    score_p = sum_c x_pc (query_c w_c) / sqrt(sum_c x_pc^2 query_c^2) + b,

two matrix products, and l2_normalise(x * query), [positions, kb_dim], is never made.
"""

from __future__ import annotations

import tensorflow as tf

from lnmn_tf.layers.handcrafted import EPSILON, Score


def score(
    layer: Score, knowledge_base: tf.Tensor, squared: tf.Tensor, query: tf.Tensor
) -> tf.Tensor:
    """Equals `layer.score(knowledge_base, squared, query)`; see there for shapes."""
    scores = tf.linalg.matvec(knowledge_base, query * layer.kernel)
    norms = tf.linalg.matvec(squared, tf.square(query))
    return scores * tf.math.rsqrt(tf.maximum(norms, EPSILON)) + layer.bias
