"""Courses of lambda_w and of the learning rate over a run."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
from tensorflow import keras

from lnmn_tf.config import TrainingConfig

FIRST_FREEDOM = -10.0  # its logarithm as the steps that rest begin to open


def entropy_weight(epoch: float, config: TrainingConfig) -> float:
    """lambda_w, the weight of the module entropy, at a time in epochs.

    Paper, section 4: from 1 to 0 in a straight line over 20 epochs, then to -1 over the next 10, and
    there it stays. First the modules are kept mixed, so that all of them learn; then each step is pushed
    to choose one. The schedule `annealed` does the same within a run of any length, see `turning`.

    The released program changes it once an epoch e, counted from 0: (1 - 2 e / 49), from epoch 20 on
    (11 - 6 (e - 19)) / 49. It has 1e-2 beside it, and adds the entropy up over the batch; here the batch
    size stands beside the mean instead.

    Args:
        epoch: epochs done, with the part of the current one.
        config: `entropy_schedule` and its constants.
    """
    if config.entropy_schedule == "none":
        return 0.0
    if config.entropy_schedule == "released":
        whole = math.floor(epoch)
        course = 1.0 - 2.0 * whole / 49.0 if whole < 20 else (11.0 - 6.0 * (whole - 19)) / 49.0
        return config.entropy_weight * 1e-2 * course * config.batch_size
    if config.entropy_schedule == "annealed":
        return config.entropy_weight * turning(epoch / config.epochs, config.search_share)
    course = 1.0 - epoch / 20.0 if epoch <= 20.0 else -(epoch - 20.0) / 10.0
    return config.entropy_weight * max(course, -1.0)


def turning(time: float, zero: float) -> float:
    """From 1 to 0 in a straight line until `zero`, a share of the run, then to -1 at its end."""
    return 1.0 - time / zero if time < zero else -(time - zero) / (1.0 - zero)


def first_step(share: float, num_steps: int, config: TrainingConfig) -> int:
    """The first step of a growing machine that does not rest at first, from 0, at a share of the run.

    It begins with the last two of T steps: one that looks, one that answers. The third from the end opens
    after the first of `grow_shares`.
    """
    return max(0, num_steps - 2 - (share >= config.grow_shares[0]))


def freedom(share: float, config: TrainingConfig) -> float:
    """How open a growing machine's other steps and modules are, from 0 to 1, at a share of the run.

    From the second to the third of `grow_shares` its logarithm rises in a straight line.
    """
    _, begin, end = config.grow_shares
    if share < begin:
        return 0.0
    if share >= end:
        return 1.0
    return math.exp(FIRST_FREEDOM * (end - share) / (end - begin))


class StructureDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A decay of alpha that falls from `peak` to -`peak` over a run, as `turning` does.

    While it is positive, alpha is drawn to 0 and operators stay mixed: a node that no answer depends on does
    not choose by chance, and one that is needed late still can. While it is negative, alpha grows, which is
    the same as a falling temperature of softmax(alpha / temperature): each node ends with one operator. So
    lambda_w goes from reward to penalty (section 3.2), and so does this.

    Args:
        peak: at the first step, a share of alpha per step.
        total_steps: steps of the run.
        zero: share of the run after which it is 0.

    Call arguments and returns:
        step: optimizer steps done, a scalar; the decay of the next step, float32.
    """

    def __init__(self, peak: float, total_steps: int, zero: float):
        self.peak, self.total_steps, self.zero = peak, total_steps, zero

    def __call__(self, step):
        time = tf.minimum(tf.cast(step, tf.float32) / self.total_steps, 1.0)
        falling, growing = 1.0 - time / self.zero, (self.zero - time) / (1.0 - self.zero)
        return self.peak * tf.where(time < self.zero, falling, growing)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "total_steps": self.total_steps, "zero": self.zero}


class WarmUpAndDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises from 0 in a straight line and then stays, or falls.

    Without a rise and a wait it is Keras' `PolynomialDecay` or `CosineDecay`. These are not used, for they
    begin to fall at once, and the warm-up of the second has a first step of rate 0, which is lost.

    Args:
        peak: the largest rate.
        warmup_steps: steps of the rise.
        total_steps: steps of the run, at whose end the rate is `final`.
        decay: "constant", "cosine" or "linear".
        final: as a share of the peak.
        start: share of the steps after the rise, after which it falls.

    Call arguments and returns:
        step: optimizer steps done, a scalar; the rate for the next step, float32.
    """

    def __init__(
        self,
        peak: float,
        warmup_steps: int,
        total_steps: int,
        decay: str,
        final: float = 0.0,
        start: float = 0.0,
    ):
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps
        self.decay, self.final, self.start = decay, final, start

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rise = tf.minimum((step + 1.0) / max(self.warmup_steps, 1), 1.0)
        span = max(self.total_steps - self.warmup_steps, 1)
        progress = (step - self.warmup_steps) / span
        progress = tf.clip_by_value((progress - self.start) / (1.0 - self.start), 0.0, 1.0)
        if self.decay == "cosine":
            left = 0.5 * (1.0 + tf.cos(math.pi * progress))
        elif self.decay == "linear":
            left = 1.0 - progress
        else:
            left = 1.0
        return self.peak * rise * (self.final + (1.0 - self.final) * left)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "decay": self.decay,
            "final": self.final,
            "start": self.start,
        }
