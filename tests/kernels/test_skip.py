"""`kernels.skip.Skip` equals `models.lnmn.LNMN.run`, but runs nothing that no example needs."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.errors import InputError
from lnmn_tf.kernels.install import install
from lnmn_tf.models.lnmn import LNMN
from lnmn_tf.models.registry import make_config, make_model

BATCH, HEIGHT, WIDTH, CHANNELS, WORDS, STEPS = 2, 3, 5, 7, 4, 3
SIZES = {
    "num_words": 11,
    "num_answers": 6,
    "embed_dim": 5,
    "text_dim": 6,
    "kb_dim": 7,
    "map_dim": 8,
    "mem_dim": 9,
    "mlp_dim": 10,
    "num_steps": STEPS,
    "stack_len": 3,
}
LAYOUT = ("push_3", "push_3", "answer_4")  # a kind for each step
CALLS = ("eager", "graph", pytest.param("xla", marks=pytest.mark.slow))


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(5)
    features = random.normal(size=[BATCH, HEIGHT, WIDTH, CHANNELS])
    question = random.integers(1, 11, size=[BATCH, WORDS])
    return {"features": tf.constant(features, tf.float32), "question": tf.constant(question)}


def make(threshold: float, inputs) -> LNMN:
    tf.keras.utils.set_random_seed(3)
    model = install(make_model(make_config("relational", **SIZES, module_threshold=threshold)))
    model(inputs)
    return model


def weights_of(model, layout) -> tf.Tensor:
    """Module weights [batch, steps, modules] of {kind: weight of its first cell} at each step; what
    is left is NoOp's."""
    names = [name.split(".")[0] for name in model.module_names]
    weights = np.zeros([BATCH, STEPS, len(names)], np.float32)
    for step, shares in enumerate(layout):
        for kind, weight in shares.items():
            weights[:, step, names.index(kind)] = weight
    weights[..., -1] = 1.0 - weights[..., :-1].sum(axis=-1)
    return tf.constant(weights)


def run(model, inputs, layout, call="graph") -> np.ndarray:
    function = model if call == "eager" else tf.function(model, jit_compile=call == "xla")
    weights = layout if tf.is_tensor(layout) else weights_of(model, layout)
    return function({**inputs, "module_weights": weights})["logits"].numpy()


@pytest.mark.parametrize("call", CALLS)
def test_a_bank_that_nothing_asks_for_does_not_run(inputs, call):
    """Weights that are not numbers do not reach the answer, which zero times them would."""
    layout = [{kind: 1.0} for kind in LAYOUT]
    whole, adaptive = make(0.0, inputs), make(0.01, inputs)
    expected = run(whole, inputs, layout, "eager")
    for model in (whole, adaptive):
        wanted = {kind.bank_name for kind in model.kinds if kind.name in LAYOUT}
        for name, bank in model.banks.items():
            if name not in wanted:
                for variable in bank.trainable_variables:
                    variable.assign(np.nan * variable)
    np.testing.assert_allclose(run(adaptive, inputs, layout, call), expected, atol=1e-5)
    assert np.isnan(run(whole, inputs, layout, "eager")).all()


def test_what_is_below_the_threshold_counts_as_no_op(inputs):
    adaptive, whole = make(0.1, inputs), make(0.0, inputs)
    faint = [{"push_3": 0.9}, {"push_3": 0.6, "answer_3": 0.09}, {"answer_4": 0.8}]
    without = [{"push_3": 0.9}, {"push_3": 0.6}, {"answer_4": 0.8}]
    expected = run(whole, inputs, without, "eager")
    np.testing.assert_allclose(run(adaptive, inputs, faint), expected, atol=1e-5)
    assert np.abs(run(whole, inputs, faint, "eager") - expected).max() > 1e-4


def test_one_example_is_enough_for_a_bank_to_run(inputs):
    adaptive, whole = make(0.1, inputs), make(0.0, inputs)
    layout = [{"push_3": 0.9}, {"push_3": 0.6, "answer_3": 0.05}, {"answer_4": 0.8}]
    weights = weights_of(whole, layout).numpy()
    weights[1, 1] = np.eye(weights.shape[-1])[whole.module_names.index("answer_3.0")]
    weights = tf.constant(weights)
    expected = run(whole, inputs, weights, "eager")
    np.testing.assert_allclose(run(adaptive, inputs, weights), expected, atol=1e-5)


def conditionals(model, inputs, compiled: bool) -> int:
    """Conditionals of the graph in which a batch is answered, or of the program that XLA makes."""
    function = tf.function(lambda x: model(x)["logits"], jit_compile=compiled)
    if compiled:
        program = function.experimental_get_compiler_ir(inputs)(stage="optimized_hlo")
        return program.count(" conditional(")
    graph = function.get_concrete_function(inputs).graph.as_graph_def()
    nodes = [node.op for part in (graph, *graph.library.function) for node in _nodes(part)]
    return sum(op in ("If", "StatelessIf") for op in nodes)


def _nodes(part):
    return part.node if hasattr(part, "node") else part.node_def


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_conditionals_are_real_and_none_is_there_without_a_threshold(inputs, compiled):
    adaptive = make(0.1, inputs)
    assert conditionals(adaptive, inputs, compiled) == len(adaptive.banks)
    assert conditionals(make(0.0, inputs), inputs, compiled) == 0


def test_stack_nmn_has_no_threshold():
    with pytest.raises(InputError, match=r"module_threshold is unknown to --model=stack_nmn"):
        make_config("stack_nmn", module_threshold=0.1)
