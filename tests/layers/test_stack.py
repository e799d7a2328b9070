"""Laws of the memory stack."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers import stack as stacks

BATCH, POSITIONS, STACK_LEN = 2, 5, 3


@pytest.fixture
def random():
    return np.random.default_rng(5)


def maps(random):
    return tf.constant(random.normal(size=[BATCH, POSITIONS]), tf.float32)


def some_stack(random):
    return tf.constant(random.normal(size=[BATCH, POSITIONS, STACK_LEN]), tf.float32)


def some_pointer(random):
    return tf.constant(random.dirichlet(np.ones(STACK_LEN), size=BATCH), tf.float32)


@pytest.mark.parametrize("slot", range(STACK_LEN - 1))
def test_pop_after_push_returns_what_was_pushed(random, slot):
    stack, pointer = some_stack(random), tf.one_hot([slot] * BATCH, STACK_LEN)
    below, pushed = stacks.read(stack, pointer), maps(random)
    up = stacks.move_up(pointer)
    stack = stacks.write(stack, up, pushed)
    np.testing.assert_allclose(stacks.read(stack, up), pushed, atol=1e-6)
    down = stacks.move_down(up)
    np.testing.assert_array_equal(down, pointer)
    np.testing.assert_allclose(stacks.read(stack, down), below, atol=1e-6)


@pytest.mark.parametrize("move", [stacks.move_up, stacks.move_down])
def test_pointer_sums_to_one_and_saturates(random, move):
    pointer = some_pointer(random)
    for _ in range(STACK_LEN):
        pointer = move(pointer)
        np.testing.assert_allclose(tf.reduce_sum(pointer, axis=-1), 1.0, atol=1e-6)
    end = STACK_LEN - 1 if move is stacks.move_up else 0
    np.testing.assert_allclose(pointer, tf.one_hot([end] * BATCH, STACK_LEN), atol=1e-6)


def test_moves_shift_by_one_slot(random):
    pointer = some_pointer(random).numpy()
    a, b, c = pointer.T
    zero = np.zeros_like(a)
    for found, expected in (
        (stacks.move_up(pointer), [zero, a, b + c]),
        (stacks.move_down(pointer), [a + b, c, zero]),
        (stacks.move_up(pointer, saturate=False), [zero, a, b]),
        (stacks.move_down(pointer, saturate=False), [b, c, zero]),
    ):
        np.testing.assert_allclose(found, np.stack(expected, axis=-1), atol=1e-7)


def test_read_and_write_are_linear_in_the_pointer(random):
    stack, pointer, attention = some_stack(random), some_pointer(random), maps(random)
    slots = tf.eye(STACK_LEN)
    reads = [stacks.read(stack, tf.tile(slot[None], [BATCH, 1])) for slot in slots]
    expected = np.einsum("lbp,bl->bp", np.stack(reads), pointer)
    np.testing.assert_allclose(stacks.read(stack, pointer), expected, atol=1e-6)
    written = stacks.write(stack, pointer, attention).numpy()
    for slot in range(STACK_LEN):
        p = pointer.numpy()[:, slot, None]
        expected = stack.numpy()[..., slot] * (1 - p) + attention.numpy() * p
        np.testing.assert_allclose(written[..., slot], expected, atol=1e-6)


def test_gradient_of_a_read_is_the_pointer(random):
    stack, pointer = some_stack(random), some_pointer(random)
    with tf.GradientTape() as tape:
        tape.watch([stack, pointer])
        total = tf.reduce_sum(stacks.read(stack, pointer))
    of_stack, of_pointer = tape.gradient(total, [stack, pointer])
    np.testing.assert_allclose(of_stack, np.broadcast_to(pointer[:, None], stack.shape), atol=1e-6)
    np.testing.assert_allclose(of_pointer, np.sum(stack, axis=1), atol=1e-5)


def test_sharpening_keeps_the_order_and_the_sum(random):
    pointer = some_pointer(random)
    sharp = stacks.sharpen(pointer, 0.2)
    np.testing.assert_allclose(tf.reduce_sum(sharp, axis=-1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(np.argsort(sharp), np.argsort(pointer))
    np.testing.assert_allclose(
        stacks.sharpen(pointer, 1e-4), stacks.sharpen_hard(pointer), atol=1e-6
    )


def test_hard_sharpening_of_nothing_points_at_the_bottom():
    pointer = stacks.sharpen_hard(tf.zeros([BATCH, STACK_LEN]))
    np.testing.assert_array_equal(pointer, stacks.bottom_pointer(BATCH, STACK_LEN))
