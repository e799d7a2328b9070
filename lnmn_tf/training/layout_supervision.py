"""Expert layouts in training: the module weights are pulled to them (`--layout_loss_weight`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from lnmn_tf.config import RunConfig
from lnmn_tf.data.expert_layouts import allowed_modules, layouts_of
from lnmn_tf.data.question_set import NO_MODULE, QuestionSet
from lnmn_tf.errors import InputError
from lnmn_tf.models.registry import make_model
from lnmn_tf.training.objectives import layout_loss

EXPERT_LAYOUT = "expert_layout"  # of a batch, int32 [batch, steps]


class LayoutSupervision:
    """The loss of the layout, as Stack-NMN is trained with on CLEVR (Hu et al., 2018).

    A question whose layout is longer than the model's steps adds nothing to it.

    Args:
        weight: factor of the loss.
        module_names: of the model.

    Raises:
        InputError: the model has no module that can do the work of one of the expert's.
    """

    def __init__(self, weight: float, module_names: Sequence[str]):
        self.weight = weight
        self._allowed = allowed_modules(module_names)  # [ids, modules]

    def loss(self, outputs: Mapping[str, tf.Tensor], batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Mean over the batch, in nats, without the weight; see `layout_loss`."""
        expert = batch[EXPERT_LAYOUT]
        known = expert[:, 0] != NO_MODULE
        ids = tf.maximum(expert, 0)
        return layout_loss(outputs["module_logits"], ids, known, self._allowed)


def expert_columns(questions: QuestionSet, num_steps: int) -> dict[str, np.ndarray]:
    """What batches carry for the loss: of N questions, `EXPERT_LAYOUT`, int32 [N, num_steps]."""
    return {EXPERT_LAYOUT: layouts_of(questions, num_steps)}


def check_layouts(config: RunConfig, questions: QuestionSet) -> str:
    """What is to be said of the expert layouts that a run trains with; "" where it trains without.

    Args:
        config: of the run, with the sizes that follow from its data.
        questions: for the weights.

    Raises:
        InputError: model or questions do not go with --layout_loss_weight.
    """
    weight = config.training.layout_loss_weight
    if not weight:
        return ""
    if getattr(config.model, "growing", False):
        raise InputError(
            f"--layout_loss_weight is {weight:g} and the machine grows, so that it answers at its last step "
            "alone, which expert layouts do not; expected --set=growing=false"
        )
    LayoutSupervision(weight, make_model(config.model).module_names)
    return describe_coverage(questions, config.model.num_steps)


def describe_coverage(questions: QuestionSet, num_steps: int) -> str:
    """One line about the share of the questions that have an expert layout of at most `num_steps`.

    Raises:
        InputError: a question has no program, or none has a layout as short as that.
    """
    known = layouts_of(questions, num_steps)[:, 0] != NO_MODULE
    if not known.any():
        lengths = (questions.layouts != NO_MODULE).sum(axis=1)
        raise InputError(
            f"{questions.source}: the shortest expert layout has {lengths.min()} modules and --num_steps is "
            f"{num_steps}; expected at least as many steps, or --layout_loss_weight=0"
        )
    return (
        f"expert layouts of at most --num_steps={num_steps} modules: {100 * known.mean():.1f} % of the "
        f"training questions; the layouts of the other {(~known).sum()} are learned from answers alone"
    )
