"""`kernels.average.average` equals `models.lnmn.average`."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.kernels import average as kernel
from lnmn_tf.models import lnmn
from lnmn_tf.models.kinds import Kind, paper_kinds
from lnmn_tf.models.machine import State
from tests.kernels.gradients import assert_equal

BATCH, POSITIONS, STACK_LEN, MEM_DIM, TEXT_DIM = 2, 5, 3, 7, 11
KINDS = {
    "paper": paper_kinds(2, 1, 1, 2),
    "a kind that keeps what it reads": (Kind("push_3", 2, 1, keeps=True), *paper_kinds(1, 1, 0, 1)),
    "answers alone": paper_kinds(0, 0, 1, 0),
}


@pytest.mark.parametrize("keeps_memory", [False, True])
@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_an_average_of_each_kind_is_the_average_over_modules(kinds, keeps_memory):
    random = np.random.default_rng(5)

    def some(*shape):
        return tf.constant(random.normal(size=shape), tf.float32)

    pointer = tf.constant(random.dirichlet(np.ones(STACK_LEN), size=BATCH), tf.float32)
    stack = some(BATCH, POSITIONS, STACK_LEN)
    state = State(stack, pointer, some(BATCH, MEM_DIM), some(BATCH, TEXT_DIM))
    widths = [MEM_DIM if kind.answers else POSITIONS for kind in kinds]
    outputs = [some(BATCH, kind.cells, width) for kind, width in zip(kinds, widths)]
    sizes = [*(kind.cells for kind in kinds), 1]
    logits = some(BATCH, sum(sizes))  # weights sum to 1, as the kernel takes for granted

    def run(average):
        *of_kinds, no_op = tf.split(tf.nn.softmax(logits), sizes, axis=-1)
        return average(state, kinds, outputs, of_kinds, no_op, keeps_memory)

    sources = [*state, *outputs, logits]
    assert_equal(lambda: run(kernel.average), lambda: run(lnmn.average), sources, 1e-4, 1e-5)
