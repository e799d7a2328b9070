"""Every model does what TensorFlow expects of one, whatever its switches."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config.registry import MODELS
from lnmn_tf.kernels.install import install
from lnmn_tf.models import registry
from lnmn_tf.models.registry import make_config

BATCH, WORDS, HEIGHT, WIDTH, CHANNELS = 3, 7, 2, 5, 11
SIZES = {
    "num_words": 13,
    "num_answers": 5,
    "embed_dim": 7,
    "text_dim": 10,
    "kb_dim": 11,
    "mem_dim": 17,
    "mlp_dim": 19,
    "num_steps": 4,  # push, push, join two maps, and read what came of it
    "stack_len": 4,
}
CELLS = {"map_dim": 13}
CHOICES = {
    "paper": ("paper", {**CELLS, "module_mlp_dim": 23}),
    "released": ("released", CELLS),
    "relational": ("relational", CELLS),
    "concat": ("relational", {**CELLS, "fusion": "concat"}),
    "stack_nmn": ("stack_nmn", {"module_mlp_dim": 23, "hard_pointer": False}),
    "stack_nmn_hard": (
        "stack_nmn",
        {"module_mlp_dim": 0, "attend_embeddings": True, "saturate_pointer": True},
    ),
    "stack_nmn_vqa": ("stack_nmn_vqa", {"module_mlp_dim": 23}),
}
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] if name in ("concat", "stack_nmn_hard") else [])
    for name in CHOICES
]
# Compiling and saving take seconds: here for the two models that people train.
COSTLY = [
    pytest.param(name, marks=[] if name in ("relational", "stack_nmn") else pytest.mark.slow)
    for name in CHOICES
]
SIGNATURE = {
    "features": tf.TensorSpec([None, HEIGHT, WIDTH, CHANNELS], tf.float32),
    "question": tf.TensorSpec([None, None], tf.int32),
}


def make_inputs(batch=BATCH):
    random = np.random.default_rng(19)
    question = random.integers(1, SIZES["num_words"], size=[batch, WORDS], dtype=np.int32)
    for row, length in zip(question, [WORDS, 3, 5, 1, 6]):
        row[length:] = 0
    shape = [batch, HEIGHT, WIDTH, CHANNELS]
    return {"features": random.normal(size=shape).astype(np.float32), "question": question}


@cache
def make_model(name):
    tf.keras.utils.set_random_seed(23)
    kind, choices = CHOICES[name]
    model = install(registry.make_model(make_config(kind, **{**SIZES, **choices})))
    model(make_inputs())
    if kind == "relational":  # relations begin neutral, so that little would have a gradient
        for variable in model.relations["look_3"].trainable_variables:
            variable.assign_add(tf.random.normal(variable.shape))
    return model


@cache
def make_function(name):
    """The model as a graph of unknown batch size and question length."""
    return tf.function(make_model(name).call, [SIGNATURE], autograph=False)


def loss_and_gradients(model, inputs):
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=False)
        loss = tf.reduce_mean(tf.square(outputs["logits"] - 1.0))
        loss += tf.reduce_mean(tf.square(tf.cast(outputs["module_weights"], tf.float32)))
    gradients = tape.gradient(loss, model.trainable_variables)
    return outputs, [None if g is None else tf.convert_to_tensor(g) for g in gradients]


def assert_close(found, expected, tolerance=1e-5):
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, atol=tolerance * (1.0 + np.abs(expected).max()))


def test_every_model_of_the_registry_is_in_the_table():
    assert {kind for kind, _ in CHOICES.values()} == set(MODELS)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_have_their_shapes_and_weights_are_a_distribution(name):
    model = make_model(name)
    outputs = make_function(name)(make_inputs())
    steps, modules = SIZES["num_steps"], len(model.module_names)
    assert len(set(model.module_names)) == modules
    assert outputs["logits"].shape == (BATCH, SIZES["num_answers"])
    assert outputs["module_logits"].shape == (BATCH, steps, modules)
    assert outputs["module_weights"].shape == (BATCH, steps, modules)
    np.testing.assert_allclose(np.sum(outputs["module_weights"], axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_trace_has_its_shapes_and_agrees_with_the_call(name):
    model, inputs = make_model(name), make_inputs()
    trace = model.trace(inputs)
    steps, stack_len = SIZES["num_steps"], SIZES["stack_len"]
    shapes = {
        "module_weights": (BATCH, steps, len(model.module_names)),
        "word_attention": (BATCH, steps, WORDS),
        "attention": (BATCH, steps, HEIGHT, WIDTH),
        "stack": (BATCH, steps, HEIGHT, WIDTH, stack_len),
        "pointer": (BATCH, steps, stack_len),
        "memory": (BATCH, steps, SIZES["mem_dim"]),
    }
    for field, shape in shapes.items():
        found = getattr(trace, field)
        assert found.shape == shape, field
        assert np.isfinite(found).all(), field
    np.testing.assert_allclose(np.sum(trace.pointer, axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(np.sum(trace.word_attention, axis=-1), 1.0, atol=1e-5)
    assert_close(trace.module_weights, make_function(name)(inputs)["module_weights"])
    # The map at the pointer as a step begins is a read of what the step before left.
    read = np.einsum("bthwl,btl->bthw", trace.stack, trace.pointer)[:, :-1]
    assert_close(trace.attention[:, 1:], read)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_does_not_depend_on_padding_or_on_the_batch(name):
    if name == "released":
        pytest.skip("the authors' code attends to padding; `released` does as it does")
    function, inputs = make_function(name), make_inputs()
    together = function(inputs)["logits"]
    for row, length in ((1, 3), (2, 5)):
        alone = {
            "features": inputs["features"][row : row + 1],
            "question": inputs["question"][row : row + 1, :length],
        }
        assert_close(function(alone)["logits"][0], together[row])


def test_released_depends_on_padding_as_the_authors_code_does():
    function, inputs = make_function("released"), make_inputs()
    alone = {"features": inputs["features"][1:2], "question": inputs["question"][1:2, :3]}
    difference = function(alone)["logits"][0] - function(inputs)["logits"][1]
    assert np.abs(difference).max() > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_graph_of_unknown_batch_size_agrees_with_eager(name):
    inputs = make_inputs(batch=5)
    assert_close(make_function(name)(inputs)["logits"], make_model(name)(inputs)["logits"])


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_that_matters_has_a_finite_gradient(name):
    model = make_model(name)
    _, gradients = loss_and_gradients(model, make_inputs())
    for variable, gradient in zip(model.trainable_variables, gradients):
        assert gradient is not None, variable.name
        assert np.isfinite(gradient).all(), variable.name
        if name != "stack_nmn_hard":  # a hard pointer may leave what a module wrote unread
            assert np.any(gradient), variable.name


@pytest.mark.parametrize("name", COSTLY)
def test_xla_agrees_with_eager_in_outputs_and_gradients(name):
    model = make_model(name)
    inputs = {key: tf.constant(value) for key, value in make_inputs().items()}

    @tf.function(autograph=False, jit_compile=True)
    def run(inputs):
        return loss_and_gradients(model, inputs)

    outputs, gradients = loss_and_gradients(model, inputs)
    compiled, compiled_gradients = run(inputs)
    assert_close(compiled["logits"], outputs["logits"])
    for variable, found, expected in zip(model.trainable_variables, compiled_gradients, gradients):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=1e-4 * scale + 1e-6, err_msg=variable.name)


@pytest.mark.parametrize("name", COSTLY)
@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_saved_model_answers_alike(name, whole, tmp_path):
    """What is exported has the variables alone; to save the model itself, Keras traces each layer anew."""
    model, function = make_model(name), make_function(name)

    @tf.function(input_signature=[SIGNATURE["features"], SIGNATURE["question"]])
    def signature(features, question):
        return function({"features": features, "question": question})

    module = tf.Module()
    module.weights = model.variables
    tf.saved_model.save(model if whole else module, str(tmp_path), signatures=signature)
    serve = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    inputs = make_inputs(batch=4)
    found = serve(**{key: tf.constant(value) for key, value in inputs.items()})
    assert_close(found["logits"], function(inputs)["logits"])
    assert_close(found["module_weights"], function(inputs)["module_weights"])


@pytest.mark.parametrize("name", NAMES)
def test_in_mixed_precision_it_computes_in_bfloat16_and_answers_alike(name):
    expected = make_model(name)
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        kind, choices = CHOICES[name]
        model = install(registry.make_model(make_config(kind, **{**SIZES, **choices})))
        model(make_inputs())
        model.set_weights(expected.get_weights())
        outputs, gradients = loss_and_gradients(model, make_inputs())
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert outputs["module_weights"].dtype == tf.bfloat16
    assert outputs["logits"].dtype == tf.float32
    assert {v.dtype for v in model.trainable_variables} == {tf.float32}
    assert all(np.isfinite(gradient).all() for gradient in gradients if gradient is not None)
    if name != "stack_nmn_hard":  # where the least difference may choose another module
        assert_close(outputs["logits"], expected(make_inputs())["logits"], 0.1)


# CLEVR: 1,024 channels of ResNet-101, 28 answers; 93 words with padding.
CLEVR = {"num_words": 93, "num_answers": 28}
TABLE_3 = {
    "LNMN-9": {"attention_3": 4, "attention_4": 2, "answer_3": 1, "answer_4": 1},
    "LNMN-11": {"attention_3": 4, "attention_4": 2, "answer_3": 2, "answer_4": 2},
    "LNMN-14": {"attention_3": 5, "attention_4": 4, "answer_3": 2, "answer_4": 2},
}

# LNMN-9, LNMN-11, LNMN-14.
PARAMETERS = {
    "paper": (9_131_161, 11_231_929, 12_416_623),
    "released": (6_110_608, 7_423_406, 7_426_145),
    "relational": (6_306_099, 7_914_961, 7_917_700),
}


def linear(inputs, outputs):
    return inputs * outputs + outputs


def shared_parameters(steps, position=128, d=512, kb=512, mem=512, step_bias=False, c=512):
    """Embedding, LSTM, controller without the weights of modules, knowledge base, classifier.

    c is the width of c_t: of an LSTM state, or of a word embedding.
    """
    directions = 2 * (4 * (300 * (d // 2) + (d // 2) ** 2 + d // 2))
    controller = c + steps * d * d + d * (steps if step_bias else 1) + linear(d + c, d) + d
    knowledge_base = linear(1024 + position, kb) + linear(kb, kb)
    classifier = linear(d + mem, 512) + linear(512, 28)
    return 93 * 300 + directions + controller + knowledge_base + classifier


def lnmn_parameters(name, attention_3, attention_4, answer_3, answer_4, m=384, d=512, mem=512):
    """By hand, from the paper's formulas."""
    modules = attention_3 + attention_4 + answer_3 + answer_4 + 1
    ours, steps = name == "relational", 5
    c = 300 if ours else d
    projections = linear(512, m) + linear(c, m)
    if name == "paper":  # each module has its own
        projections *= modules - 1
    weigher = linear(d, 512) + linear(512, modules) if name == "paper" else d * modules
    extra = 0
    if (
        ours
    ):  # `push_3` and `relate_3` share a cell, which pools and relates; answers pool; three norms
        attention_3 -= 1
        pooling, pooled_maps = 1 + answer_3 + answer_4, 1 + answer_3 + 2 * answer_4
        extra = pooling * m * m + pooled_maps * m + linear(m, 4) + 2 * (2 * m) + 2 * mem
    nodes = 2 * (attention_3 + answer_3) + 3 * (attention_4 + answer_4)
    heads = (attention_3 + attention_4) * (m + 1)
    heads += (answer_3 + answer_4) * linear(2 * m + mem, mem)
    shared = shared_parameters(steps, 3 if ours else 128, c=c, step_bias=ours)
    return shared + weigher + 6 * nodes + heads + projections + extra


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("size", list(TABLE_3))
def test_parameters_of_lnmn_at_the_papers_sizes(size, name):
    config = make_config(name, **CLEVR, **TABLE_3[size])
    found = count_parameters(registry.make_model(config))
    assert found == lnmn_parameters(name, **TABLE_3[size])
    assert found == PARAMETERS[name][list(TABLE_3).index(size)]


def test_parameters_of_stack_nmn_at_the_originals_sizes():
    config = make_config("stack_nmn", **CLEVR)
    kb = d = mem = 512
    modules = 2 * (linear(d, kb) + kb + 1) + kb + 1
    modules += 2 * (linear(d, kb) + linear(d + mem + kb, mem))
    weigher = linear(d, d) + linear(d, 9)
    expected = shared_parameters(9, step_bias=True) + weigher + modules
    # The original has one more, a bias of the word scores, which has no effect.
    assert count_parameters(registry.make_model(config)) == expected == 8_343_844


def count_parameters(model):
    model({"features": tf.zeros([1, 1, 1, 1024]), "question": tf.ones([1, 1], tf.int32)})
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
