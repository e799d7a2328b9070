"""The alternating training step of Algorithm 2 (paper, section 3.2)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.layers.nodes import NodeChain, chosen
from lnmn_tf.models.machine import StackMachine
from lnmn_tf.training.gradients import ENCODED, Batch, ShardedGradients, global_norm
from lnmn_tf.training.layout_supervision import LayoutSupervision
from lnmn_tf.training.objectives import (
    cross_entropy,
    module_entropy,
    soft_cross_entropy,
    structure_sparsity,
)
from lnmn_tf.training.optimizers import (
    answering_weights,
    assign_with_average,
    learning_rate_of,
)
from lnmn_tf.training.replicas import run_on_replicas
from lnmn_tf.training.search import PLAIN, Search

if TYPE_CHECKING:
    from lnmn_tf.training.evaluation import Predictor

# What a structure step reports; all zero at a step that takes none.
STRUCTURE_REPORT = (
    "structure_loss",
    "structure_cross_entropy",
    "structure_sparsity",
    "structure_gradient_norm",
)


class AlternatingTrainer(keras.Model):
    """Trains the structure on one batch and the weights on another, step by step.

        1. alpha <- alpha - grad_alpha [L_val(W, alpha) - lambda_op sparsity(alpha)]
        2. W     <- W     - grad_W     [L_train(W, alpha) - lambda_w (1/T) sum_t H(w^(t))]

    The structure goes first, as in the authors' program. A model without structure (Stack-NMN, the
    concatenation ablation), or one that has chosen its operators, only takes step 2.

    Args:
        network: a built model.
        sparsity: lambda_op.
        structure_every: take step 1 at every so many steps.
        unrolled: differentiate L_val at the weights after one step of descent on the training batch
            (second order, DARTS equation 7), not at the weights as they are.
        search: how alpha comes to one operator a node; None = never take step 1, the structure stays.
        choose_step: weight step at which each node becomes its strongest operator for good. No later step
            moves alpha or its moving average, and none takes step 1. None = never.
        answer_loss: "softmax", or "sigmoid" for batches with `answer_scores`.
        clip_norm: largest global norm of a gradient, of the weights' and of the structure's; 0 = unlimited.
        shards: parts that a batch is cut into, one for each core.
        xla: compile the gradient functions.
        expert: pulls the module weights to expert layouts in step 2; None = nothing does. Weight batches
            then have `EXPERT_LAYOUT`.

    Call arguments:
        The data of `fit` are pairs (weight batch, structure batch), each a dict with `question`,
        `answer` [batch], and `features` or `image`.
    """

    def __init__(
        self,
        network: StackMachine,
        sparsity: float = 1.0,
        structure_every: int = 1,
        unrolled: bool = False,
        search: Search | None = PLAIN,
        choose_step: int | None = None,
        answer_loss: str = "softmax",
        clip_norm: float = 0.0,
        shards: int = 1,
        xla: bool = True,
        expert: LayoutSupervision | None = None,
    ):
        super().__init__()
        self.expert = expert
        self.network = network
        self.predictor: Predictor | None = None  # answers of the network, by `make_trainer`
        self.sparsity, self.structure_every = sparsity, structure_every
        self.unrolled, self.clip_norm = unrolled, clip_norm
        self.search, self.answer_loss, self.choose_step = search, answer_loss, choose_step
        self.entropy_weight = tf.Variable(0.0, trainable=False, name="lambda_w")
        self.structure = list(getattr(network, "structure_variables", ()))
        names = {id(variable) for variable in self.structure}
        self.weights_of_network = [v for v in network.trainable_variables if id(v) not in names]
        weights, structure = self.weights_of_network, self.structure

        def gradients(loss, variables):
            through = variables is not structure  # what is encoded depends on weights alone
            return ShardedGradients(loss, variables, shards, xla, network.encode, through)

        self._make_gradients, self.hardened = gradients, False
        self._of_weights = gradients(self.weight_loss, weights)
        self._of_structure = gradients(self.structure_loss, structure)
        self._of_both = gradients(self.structure_loss, structure + weights)
        self._mixed = gradients(self.weight_loss, structure)

    def compile(self, optimizer, arch_optimizer=None, **kwargs):
        """`optimizer` moves the weights, `arch_optimizer` the structure."""
        super().compile(optimizer=optimizer, **kwargs)
        self.arch_optimizer = arch_optimizer

    def compute_as(self, other: AlternatingTrainer) -> None:
        """Takes over what another trainer has compiled. Both have one network, in one state, and the same losses."""
        for name in (
            "entropy_weight",
            "_of_weights",
            "_of_structure",
            "_of_both",
            "_mixed",
            "predictor",
        ):
            setattr(self, name, getattr(other, name))

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Within it, weights and structure are those that answer: moving averages, where there are any."""
        with (
            answering_weights(self.optimizer, self.weights_of_network),
            answering_weights(self.arch_optimizer, self.structure),
        ):
            yield

    def call(self, inputs, training=None):
        return self.network(inputs, training=training)

    def weight_loss(self, batch: Batch) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """L_train - lambda_w (1/T) sum_t H(w^(t)), and the loss of the layout where there is one."""
        outputs = self.network(_inputs(batch), training=True)
        error = self._answer_error(outputs["logits"], batch)
        entropy = module_entropy(outputs["module_weights"])
        report = {
            "cross_entropy": error,
            "module_entropy": entropy,
            "accuracy": _accuracy(outputs["logits"], batch["answer"]),
        }
        total = error - self.entropy_weight * entropy
        if self.expert is not None:
            report["layout_loss"] = self.expert.loss(outputs, batch)
            total += self.expert.weight * report["layout_loss"]
        return total, report

    def _answer_error(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        if self.answer_loss == "sigmoid":
            return soft_cross_entropy(logits, batch["answer_scores"])
        return cross_entropy(logits, batch["answer"])

    def structure_loss(self, batch: Batch) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """L_val - lambda_op sum ||alpha'||_2 / ||alpha'||_1."""
        outputs = self.network(_inputs(batch), training=True)
        error = self._answer_error(outputs["logits"], batch)
        sparsity = structure_sparsity(self.structure)
        report = {"structure_cross_entropy": error, "structure_sparsity": sparsity}
        return error - self.sparsity * sparsity, report

    def make_train_function(self, force=False):
        """What `fit` calls at each step. Conditions stand outside of what replicas run in step."""
        if self.train_function is None or force:
            self.train_function = tf.function(
                lambda iterator: self.train_step(next(iterator)), autograph=False
            )
        return self.train_function

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """Algorithm 2, one turn. Returns what the two losses report."""
        weight_batch, structure_batch = data
        reports = {}
        if self.structure and self.search is not None:
            step = self.optimizer.iterations
            due = tf.equal(step % self.structure_every, 0)
            if self.choose_step is not None:
                due &= step < self.choose_step
                tf.cond(tf.equal(step, self.choose_step), self.choose, lambda: None)
            reports = tf.cond(
                due,
                lambda: run_on_replicas(self._structure_step, weight_batch, structure_batch),
                lambda: dict.fromkeys(STRUCTURE_REPORT, 0.0),
            )
        return {**run_on_replicas(self._weight_step, weight_batch), **reports}

    @property
    def has_choice(self) -> bool:
        """Whether there is a step at which nodes choose."""
        return bool(self.structure) and self.search is not None and self.choose_step is not None

    def choose(self) -> None:
        """Makes each node its strongest operator, with a moving average that is the same."""
        for alpha in self.structure:
            assign_with_average(self.arch_optimizer, alpha, chosen(alpha))

    def harden(self) -> None:
        """Makes steps after the choice compute the one operator of each node alone (`kernels.hard`).

        Their values and gradients stay the same; they are compiled anew, for operators are read from
        alpha when a graph is made.
        """
        self.hardened = True
        chains = [x for x in self.network.submodules if isinstance(x, NodeChain)]
        for chain in chains:
            chain.hard = True
        if chains:
            self._of_weights = self._make_gradients(self.weight_loss, self.weights_of_network)
            self.make_train_function(force=True)

    @contextlib.contextmanager
    def _shown(self) -> Iterator[tuple[list[tf.Tensor], list[tf.Tensor]]]:
        """Within it, the network sees what the search shows of alpha. Gives (alpha, what is shown)."""
        step, kept = self.optimizer.iterations, [tf.identity(alpha) for alpha in self.structure]
        if self.search is None or self.search.shows_alpha:
            yield kept, kept
            return
        shown = [self.search.shown(alpha, step, i) for i, alpha in enumerate(kept)]
        _assign(self.structure, shown)
        yield kept, shown
        _assign(self.structure, kept)

    def _weight_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        with self._shown():
            losses, gradients = self._of_weights(batch)
        gradients, losses["gradient_norm"] = self._clipped(gradients)
        _apply(self.optimizer, gradients, self.weights_of_network)
        return losses

    def _clipped(self, gradients: list[tf.Tensor]) -> tuple[list[tf.Tensor], tf.Tensor]:
        """The gradients, no longer than `clip_norm`, and how long they were."""
        norm = global_norm(gradients)
        if self.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, use_norm=norm)
        return gradients, norm

    def _structure_step(self, weight_batch: Batch, structure_batch: Batch):
        search, step = self.search, tf.identity(self.optimizer.iterations)
        with self._shown() as (alphas, shown):
            if self.unrolled:
                losses, gradients = self._unrolled_gradients(weight_batch, structure_batch)
            else:
                losses, gradients = self._of_structure(structure_batch)
        triples = enumerate(zip(alphas, shown, gradients))
        gradients = [search.gradient(*triple, step, i) for i, triple in triples]
        gradients, norm = self._clipped(gradients)
        _apply(self.arch_optimizer, gradients, self.structure)
        if search.changes_alpha:
            _assign(self.structure, [search.after(alpha, step) for alpha in self.structure])
        losses["structure_loss"] = losses.pop("loss")
        losses["structure_gradient_norm"] = norm
        return losses

    def _unrolled_gradients(self, weight_batch: Batch, structure_batch: Batch):
        """DARTS, equations 7 and 8, with xi the learning rate of the weights.

        grad_alpha L_val(w', alpha) - xi grad2_(alpha, w) L_train(w, alpha) grad_w' L_val(w', alpha) at
        w' = w - xi grad_w L_train; the product with the second derivative is a central difference of
        grad_alpha L_train along grad_w' L_val.
        """
        weights = self.weights_of_network
        xi = tf.cast(learning_rate_of(self.optimizer), tf.float32)
        kept = [tf.identity(variable) for variable in weights]
        _, descent = self._of_weights(weight_batch)
        _shift(weights, kept, descent, -xi)
        losses, gradients = self._of_both(structure_batch)
        direction = gradients[len(self.structure) :]
        step = 0.01 / tf.maximum(tf.linalg.global_norm(direction), 1e-12)
        _shift(weights, kept, direction, step)
        _, above = self._mixed(weight_batch)
        _shift(weights, kept, direction, -step)
        _, below = self._mixed(weight_batch)
        _shift(weights, kept, direction, 0.0)
        return losses, [
            first - xi * (plus - minus) / (2.0 * step)
            for first, plus, minus in zip(gradients, above, below)
        ]


def _inputs(batch: Batch) -> Batch:
    names = ("question", "features", "image", ENCODED)
    return {name: batch[name] for name in names if name in batch}


def _accuracy(logits: tf.Tensor, answers: tf.Tensor) -> tf.Tensor:
    right = tf.equal(tf.argmax(logits, axis=-1, output_type=answers.dtype), answers)
    return tf.reduce_mean(tf.cast(right, tf.float32))


def _apply(optimizer, gradients, variables) -> None:
    pairs = zip(gradients, variables)
    optimizer.apply_gradients(
        pairs, experimental_aggregate_gradients=False
    )  # they are means already


def _shift(variables, origin, direction, step) -> None:
    _assign(variables, [start + step * change for start, change in zip(origin, direction)])


def _assign(variables, values) -> None:
    def assign(strategy, values):
        for variable, value in zip(variables, values):
            strategy.extended.update(variable, lambda v, x: v.assign(x), args=(value,))

    tf.distribute.get_replica_context().merge_call(assign, args=(values,))
