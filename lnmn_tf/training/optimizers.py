"""The two optimizers of Algorithm 2.

All are legacy Keras optimizers, the only kind that tensorflow-addons can wrap.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_addons as tfa
from tensorflow import keras

from lnmn_tf.config import TrainingConfig
from lnmn_tf.training.schedules import StructureDecay, WarmUpAndDecay

EPSILON = 1e-8  # PyTorch's, which the authors' program uses


class CoupledAdam(keras.optimizers.legacy.Adam):
    """Adam with L2 decay in the gradient, as `torch.optim.Adam(weight_decay=...)`.

    Args:
        l2: added to the gradient, times the variable.
        matrices: of weight matrices alone, see `is_weight_matrix`.
    """

    def __init__(self, l2: float, matrices: bool = False, name: str = "CoupledAdam", **kwargs):
        super().__init__(name=name, **kwargs)
        self.l2, self.matrices = l2, matrices

    def _resource_apply_dense(self, grad, var, apply_state=None):
        if not self.matrices or is_weight_matrix(var.name):
            grad += self.l2 * var
        return super()._resource_apply_dense(grad, var, apply_state)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l2": self.l2, "matrices": self.matrices}


def is_weight_matrix(name: str) -> bool:
    """Whether a variable is the matrix of a linear layer: no bias, no embedding, none of the LSTM."""
    return bool(re.search(r"(kernel|merge_question|merge_text):\d+$", name)) and "lstm" not in name


def weight_optimizer(config: TrainingConfig, total_steps: int) -> keras.optimizers.legacy.Optimizer:
    """Adam, Adam with L2 in the loss, or AdamW; under a moving average where `ema_decay` asks for one."""
    rate = _schedule(config.learning_rate, config, total_steps, config.decay)
    moments: dict[str, Any] = {"beta_1": config.beta_1, "beta_2": config.beta_2, "epsilon": EPSILON}
    if config.weight_decay:
        # The decay of addons' AdamW does not follow the learning rate by itself.
        decay = _schedule(
            config.learning_rate * config.weight_decay, config, total_steps, config.decay
        )
        optimizer = tfa.optimizers.AdamW(weight_decay=decay, learning_rate=rate, **moments)
    elif config.l2:
        optimizer = CoupledAdam(config.l2, matrices=True, learning_rate=rate, **moments)
    else:
        optimizer = keras.optimizers.legacy.Adam(rate, **moments)
    return _averaged(optimizer, config)


def structure_optimizer(
    config: TrainingConfig, total_steps: int
) -> keras.optimizers.legacy.Optimizer:
    """Adam for alpha; its decay is coupled (released), decoupled (AdamW), or `StructureDecay`.

    Where weights are averaged, so is alpha, but for the released decay: weights and an operator that have
    learned together belong together.
    """
    peak, decay = config.structure_learning_rate, config.structure_weight_decay
    kind = config.structure_decay if config.search == "decay" else "none"
    if kind == "annealed":  # the last word has the decay, which makes nodes choose
        steps = -(-total_steps // config.structure_every)
        rate = WarmUpAndDecay(peak, config.warmup_steps, steps, "linear", start=config.search_share)
    else:
        rate = _schedule(peak, config, total_steps, "constant")
    arguments: dict[str, Any] = {
        "learning_rate": rate,
        "beta_1": config.structure_beta_1,
        "beta_2": config.structure_beta_2,
        "epsilon": EPSILON,
    }
    if kind == "none":
        return _averaged(keras.optimizers.legacy.Adam(**arguments), config)
    if kind == "coupled":
        return CoupledAdam(decay, **arguments)
    if kind == "decoupled":
        decay = _schedule(peak * decay, config, total_steps, "constant")
    else:
        decay = StructureDecay(peak * decay, steps, config.search_share)
    return _averaged(tfa.optimizers.AdamW(weight_decay=decay, **arguments), config)


def _averaged(optimizer, config: TrainingConfig) -> keras.optimizers.legacy.Optimizer:
    """An optimizer that keeps moving averages, where `ema_decay` asks for them."""
    if not config.ema_decay:
        return optimizer
    return tfa.optimizers.MovingAverage(
        optimizer, average_decay=config.ema_decay, dynamic_decay=True
    )


def create_slots(optimizer: keras.optimizers.legacy.Optimizer, variables: Sequence) -> None:
    """Makes every variable of an optimizer, so that a checkpoint can fill it before the first step."""
    _ = optimizer.iterations
    if isinstance(optimizer, tfa.optimizers.MovingAverage):
        _ = optimizer._optimizer.iterations
    optimizer._create_all_weights(list(variables))


def learning_rate_of(optimizer: keras.optimizers.legacy.Optimizer) -> tf.Tensor:
    """The rate of the next step, a scalar."""
    optimizer = getattr(optimizer, "_optimizer", optimizer)  # inside tfa.optimizers.MovingAverage
    rate = optimizer.learning_rate
    return rate(optimizer.iterations) if callable(rate) else rate


def assign_with_average(
    optimizer: keras.optimizers.legacy.Optimizer, variable: tf.Variable, value: tf.Tensor
) -> None:
    """Gives a variable a value, and its moving average the same, where the optimizer keeps any."""
    variable.assign(value)
    if isinstance(optimizer, tfa.optimizers.MovingAverage):
        optimizer.get_slot(variable, "average").assign(value)


@contextlib.contextmanager
def answering_weights(
    optimizer: keras.optimizers.legacy.Optimizer, variables: Sequence[tf.Variable]
) -> Iterator[None]:
    """Within it, the variables hold their moving averages, where the optimizer keeps any."""
    if not isinstance(optimizer, tfa.optimizers.MovingAverage):
        yield
        return
    kept = [variable.numpy() for variable in variables]
    optimizer.assign_average_vars(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, kept):
            variable.assign(value)


def _schedule(peak: float, config: TrainingConfig, total_steps: int, decay: str):
    if decay == "constant" and not config.warmup_steps:
        return peak
    return WarmUpAndDecay(
        peak,
        config.warmup_steps,
        total_steps,
        decay,
        config.final_learning_rate,
        config.decay_start,
    )
