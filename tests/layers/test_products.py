"""A product with the kernel of each cell is that of `numpy.matmul`, and so are its gradients."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.layers.products import multiply

BATCH, CELLS, ROWS, N, M = 2, 3, 5, 7, 11


@pytest.mark.parametrize("shared", [True, False])
def test_product_and_gradients_are_those_of_numpy(shared):
    random = np.random.default_rng(0)
    x = random.normal(size=[BATCH, 1 if shared else CELLS, ROWS, N])
    kernel = random.normal(size=[CELLS, N, M])
    upstream = random.normal(size=[BATCH, CELLS, ROWS, M])
    sources = [tf.constant(x), tf.constant(kernel)]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        product = multiply(*sources)
    of_x, of_kernel = tape.gradient(product, sources, tf.constant(upstream))

    np.testing.assert_allclose(product, x @ kernel, rtol=1e-12)
    expected = upstream @ kernel.transpose(0, 2, 1)
    expected = expected.sum(axis=1, keepdims=True) if shared else expected
    np.testing.assert_allclose(of_x, expected, rtol=1e-12)
    wide = np.broadcast_to(x, [BATCH, CELLS, ROWS, N])
    np.testing.assert_allclose(of_kernel, np.einsum("bkrn,bkrm->knm", wide, upstream), rtol=1e-12)
