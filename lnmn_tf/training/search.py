"""How alpha comes to one operator a node, beside its decay and its sparsity (`search` of the config).

`decay` adds nothing: with `structure_decay=annealed` it is this project's way, with `coupled` and a
sparsity above 0 the paper's (section 3.2). Each other way is a class that changes one thing of a structure
step, and takes alpha without any decay. All of them end with the choice (`choose_share`).
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from lnmn_tf.config import TrainingConfig
from lnmn_tf.layers.nodes import LEAST_ALPHA


class Search:
    """The way `decay`: a step of the optimizer, and no more.

    Args:
        config: of the training.
        total_steps: weight steps of the run.
    """

    shows_alpha = True  # the network sees alpha itself
    changes_alpha = False  # `after` does something

    def __init__(self, config: TrainingConfig, total_steps: int):
        self.end = config.choose_step(
            total_steps
        )  # weight steps before the choice; None = no choice
        self.start = int(config.search_share * total_steps)
        self.every, self.seed = config.structure_every, config.seed

    def time(self, step: tf.Tensor) -> tf.Tensor:
        """The share of the search that is over, a scalar in [0, 1]."""
        return tf.minimum(tf.cast(step, tf.float32) / max(self.end, 1), 1.0)

    def shown(self, alpha: tf.Tensor, step: tf.Tensor, index: int) -> tf.Tensor:
        """What the network sees of alpha, [..., 6], in step `step`; `index` numbers the banks."""
        return alpha

    def gradient(
        self, alpha: tf.Tensor, shown: tf.Tensor, of_shown: tf.Tensor, step: tf.Tensor, index: int
    ) -> tf.Tensor:
        """The gradient of alpha where that of what was shown is `of_shown`, each [..., 6]."""
        return of_shown

    def after(self, alpha: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """alpha after the structure step that goes with weight step `step`."""
        return alpha


class Annealing(Search):
    """ASAP (Noy et al., 2020): softmax(alpha / tau) with tau falling to `LAST`; what is weak is pruned.

    alpha here is what stands in the softmax, so that the network is as it answers at each step: it is
    multiplied by tau_t / tau_(t+1), and an operator whose weight falls below `LEAST` never comes back.
    """

    LAST, LEAST = 0.05, 0.01  # tau at the choice; the least weight of an operator
    changes_alpha = True

    def after(self, alpha: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        ratio = self.LAST ** (self.time(step) - self.time(step + self.every))
        alpha = alpha * ratio
        largest = tf.reduce_max(alpha, axis=-1, keepdims=True)
        weak = tf.nn.softmax(alpha, axis=-1) < self.LEAST
        return tf.where(weak, largest + LEAST_ALPHA, alpha)


class Sampling(Search):
    """GDAS (Dong and Yang, 2019): each step runs one operator a node, drawn by Gumbel-softmax.

    The operator drawn is that of the largest alpha + Gumbel noise, once a step for all that happens in it.
    The gradient is straight-through: that of softmax((alpha + noise) / tau), tau falling from `FIRST` to
    `LAST`. The noise is a function of seed and step alone, so a killed run draws the same again.

    The network sees logits of a mixture that has `REST` left for each other operator. So the gradient of
    those logits, REST (dL/dO_i - dL/dO_drawn), says what each operator would have changed.
    """

    FIRST, LAST, REST = 10.0, 0.1, 1e-3
    shows_alpha = False

    def noise(self, alpha: tf.Tensor, step: tf.Tensor, index: int) -> tf.Tensor:
        """Gumbel noise of alpha's shape."""
        seed = tf.stack([tf.cast(self.seed * 1000 + index, tf.int64), tf.cast(step, tf.int64)])
        uniform = tf.random.stateless_uniform(tf.shape(alpha), seed, minval=1e-6, maxval=1.0)
        return -tf.math.log(-tf.math.log(uniform * (1.0 - 1e-6)))

    def shown(self, alpha: tf.Tensor, step: tf.Tensor, index: int) -> tf.Tensor:
        drawn = tf.argmax(alpha + self.noise(alpha, step, index), axis=-1)
        one = tf.one_hot(drawn, alpha.shape[-1])
        logits = tf.math.log(
            tf.where(one > 0.0, 1.0 - (alpha.shape[-1] - 1) * self.REST, self.REST)
        )
        return tf.where(step < self.end, logits, alpha)  # what has chosen stays

    def gradient(
        self, alpha: tf.Tensor, shown: tf.Tensor, of_shown: tf.Tensor, step: tf.Tensor, index: int
    ) -> tf.Tensor:
        changes = tf.where(tf.nn.softmax(shown) < 0.5, of_shown / self.REST, 0.0)
        tau = self.FIRST + (self.LAST - self.FIRST) * self.time(step)
        mixture = tf.nn.softmax((alpha + self.noise(alpha, step, index)) / tau)
        mean = tf.reduce_sum(mixture * changes, axis=-1, keepdims=True)
        return mixture * (changes - mean) / tau


class LateEntropy(Search):
    """The entropy of each node is added to the loss, late: its weight is 0 for `search_share` of the run.

    Then it rises in a straight line, to `HIGHEST` at the choice.
    """

    HIGHEST = 1.0

    def gradient(
        self, alpha: tf.Tensor, shown: tf.Tensor, of_shown: tf.Tensor, step: tf.Tensor, index: int
    ) -> tf.Tensor:
        late = tf.cast(step - self.start, tf.float32) / max(self.end - self.start, 1)
        logs = tf.nn.log_softmax(alpha)
        mixture = tf.exp(logs)
        entropy = -tf.reduce_sum(mixture * logs, axis=-1, keepdims=True)
        weight = self.HIGHEST * tf.clip_by_value(late, 0.0, 1.0)
        return of_shown - weight * mixture * (logs + entropy)


PLAIN = Search(TrainingConfig(), 1)
WAYS: dict[str, Callable[[TrainingConfig, int], Search]] = {
    "decay": Search,
    "asap": Annealing,
    "gdas": Sampling,
    "entropy": LateEntropy,
}


def make_search(config: TrainingConfig, total_steps: int) -> Search:
    """The way that a config names."""
    return WAYS[config.search](config, total_steps)
