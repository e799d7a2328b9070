"""A machine that grows: closed steps do not run, the last step answers, and what is closed opens without a jump."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import TrainingConfig
from lnmn_tf.kernels.install import install
from lnmn_tf.models.growth import open_weights
from lnmn_tf.models.registry import make_config, make_model
from lnmn_tf.training.callbacks import Clock, Schedule
from lnmn_tf.training.checkpoints import Progress
from tests.models.tiny import TINY

STEPS = 4
SIZES = {**TINY, "attention_4": 1, "answer_3": 1, "answer_4": 2, "num_steps": STEPS}
SIZES["stack_len"] = 4  # room for a push at each step


@pytest.fixture(scope="module")
def network():
    return make_network(growing=True)


@pytest.fixture(scope="module")
def planned():
    return make_network(growing=True, plan=True)


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(4)
    features = random.normal(size=[5, 2, 3, 7]).astype(np.float32)
    question = random.integers(1, SIZES["num_words"], size=[5, 4])
    return {"features": tf.constant(features), "question": tf.constant(question, tf.int32)}


def make_network(sizes=SIZES, **choices):
    tf.keras.utils.set_random_seed(3)
    network = install(make_model(make_config("relational", **sizes, **choices)))
    network({"features": tf.zeros([1, 2, 3, 7]), "question": tf.ones([1, 2], tf.int32)})
    for variable in network.trainable_variables:  # no question begins with the layout of another
        variable.assign_add(tf.random.normal(variable.shape, stddev=0.3))
    return network


@pytest.fixture(params=[0.0, 0.03, 1.0])
def freedom(request, network):
    network.growth.freedom.assign(request.param)
    return request.param


def test_the_training_loop_opens_steps_by_its_clock():
    network = make_network(growing=True, draws=True)
    config = TrainingConfig(epochs=2, grow_shares=(0.1, 0.5, 0.75))
    clock = Clock(Progress(), steps_per_epoch=10, epochs=2)
    schedule = Schedule(clock, config)
    schedule.set_model(
        SimpleNamespace(network=network, entropy_weight=tf.Variable(0.0), has_choice=False)
    )
    schedule.on_train_begin()
    course = []
    for _ in range(2):
        for batch in range(10):
            schedule.on_train_batch_begin(batch)
            course.append((int(network.growth.first_step), float(network.growth.freedom)))
            schedule.on_train_batch_end(batch)
        schedule.on_epoch_end(clock.epoch)
    fading = [np.exp(-10.0 * left) for left in (1.0, 0.8, 0.6, 0.4, 0.2)]
    freedoms = [0.0] * 10 + fading + [1.0] * 5
    assert [first for first, _ in course] == [2] * 2 + [1] * 18
    np.testing.assert_allclose([left for _, left in course], freedoms, rtol=1e-5)
    assert int(network.draw.step) == 19
    for mine in (network.growth.first_step, network.growth.freedom, network.draw.rest_share):
        assert any(variable is mine for variable in network.variables)  # as checkpoints do


@pytest.mark.parametrize("first", range(STEPS - 1))
def test_a_closed_step_changes_nothing_and_counts_as_no_op(network, inputs, first):
    network.growth.freedom.assign(0.0)
    network.growth.first_step.assign(first)
    trace = network.trace(inputs)
    only_no_op = np.eye(len(network.module_names))[-1]
    for step in range(first):
        np.testing.assert_array_equal(trace.module_weights[:, step], [only_no_op] * 5)
        np.testing.assert_array_equal(trace.stack[:, step], 0.0)
        np.testing.assert_array_equal(trace.pointer[:, step], [[1.0, 0.0, 0.0, 0.0]] * 5)
        np.testing.assert_array_equal(trace.memory[:, step], 0.0)


@pytest.mark.parametrize("first", range(1, STEPS - 1))
def test_answers_and_gradients_do_not_know_of_closed_steps(network, inputs, first):
    network.growth.freedom.assign(0.0)
    network.growth.first_step.assign(first)
    bias = network.controller.question_bias
    kept = bias.numpy()

    def answer():
        with tf.GradientTape() as tape:
            logits = network(inputs, training=True)["logits"]
            loss = tf.reduce_sum(tf.square(logits))
        return logits.numpy(), tf.convert_to_tensor(tape.gradient(loss, bias)).numpy()

    logits, gradient = answer()
    assert np.isfinite(gradient).all()
    assert (gradient[:first] == 0.0).all() and (gradient[first:] != 0.0).any(axis=1).all()
    bias.assign(np.concatenate([kept[:first] + 1.0, kept[first:]]))
    np.testing.assert_array_equal(answer()[0], logits)
    bias.assign(np.concatenate([kept[:first], kept[first:] + 1.0]))
    assert np.abs(answer()[0] - logits).max() > 1e-3
    bias.assign(kept)


@pytest.mark.parametrize("first", range(STEPS - 1))
def test_the_last_step_answers_and_no_other_does(network, inputs, first, freedom):
    network.growth.first_step.assign(first)
    weights = network(inputs)["module_weights"].numpy()
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-5)
    answers = np.array(["answer" in name for name in network.module_names])
    np.testing.assert_array_equal(weights[:, :-1, answers], 0.0)
    np.testing.assert_array_equal(weights[:, -1, ~answers][:, :-1], 0.0)  # but for NoOp
    assert (weights[:, -1, answers].sum(axis=-1) > 0.0).all()


def test_modules_that_a_plan_closes_do_not_run(planned, inputs):
    """Weights that are not numbers do not reach the answer."""
    planned.growth.freedom.assign(0.0)
    expected = planned(inputs)["logits"].numpy()
    bank = planned.banks["attention_4"]
    kept = [variable.numpy() for variable in bank.trainable_variables]
    for variable in bank.trainable_variables:
        variable.assign(np.nan * variable)
    found = planned(inputs)["logits"].numpy()
    for variable, value in zip(bank.trainable_variables, kept):
        variable.assign(value)
    np.testing.assert_array_equal(found, expected)


def weights_of_open_steps(network, inputs, first):
    network.growth.freedom.assign(0.0)
    network.growth.first_step.assign(first)
    return network(inputs)["module_weights"].numpy()[:, first:]


@pytest.mark.parametrize("first", range(STEPS - 1))
def test_steps_that_are_open_at_first_look_and_do_not_rest(network, inputs, first):
    weights = weights_of_open_steps(network, inputs, first)
    np.testing.assert_array_equal(weights[..., -1], 0.0)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-5)
    kinds = [kind for kind in network.kinds for _ in range(kind.cells)]
    for module, kind in enumerate(kinds):  # any that the maps on the stack suffice for
        if not kind.answers:
            assert (weights[:, kind.pops : -1, module] > 0.0).all()


@pytest.mark.parametrize("first", range(STEPS - 1))
def test_by_a_plan_they_push(planned, inputs, first):
    weights = weights_of_open_steps(planned, inputs, first)
    pushes = np.array([name.startswith("push") for name in planned.module_names])
    np.testing.assert_allclose(weights[:, :-1, pushes].sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("first", range(STEPS - 1))
def test_module_weights_are_a_softmax_times_openness_over_what_the_stack_allows(
    network, inputs, first, freedom
):
    network.growth.first_step.assign(first)
    logits = network(inputs)["module_logits"].numpy()
    trace = network.trace(inputs)
    kinds = [kind for kind in network.kinds for _ in range(kind.cells)]
    height = np.eye(SIZES["stack_len"])[[0] * 5]  # the pointer: at the bottom
    for step in range(STEPS):
        is_last, rests = step == STEPS - 1, step < first
        if is_last:
            openness = [float(kind.answers) for kind in kinds] + [0.0]
        else:
            answers = [kind.answers for kind in kinds] + [False]
            at_first = [not kind.answers and not rests for kind in kinds] + [rests]
            openness = [0.0 if a else 1.0 if b else freedom for a, b in zip(answers, at_first)]
        expected = np.exp(logits[:, step]) * openness
        for module, kind in enumerate(kinds):
            left = np.arange(SIZES["stack_len"]) - kind.pops
            allowed = (left >= 0) & (left + kind.pushes < SIZES["stack_len"])
            expected[:, module] *= height @ allowed
        expected /= expected.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(trace.module_weights[:, step], expected, atol=1e-4)
        height = trace.pointer[:, step].numpy()


def test_what_begins_to_open_changes_no_answer(inputs):
    network = make_network(growing=True, word_inhibition=3.0)
    network.growth.first_step.assign(1)
    answers = []
    for freedom in (0.0, 1e-7, 1.0):
        network.growth.freedom.assign(freedom)
        answers.append(network(inputs)["logits"].numpy())
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-4)
    assert np.abs(answers[2] - answers[0]).max() > 1e-2


@pytest.mark.parametrize("growing", [False, True])
def test_steps_hand_on_what_was_read_by_as_much_as_they_do_not_rest(inputs, growing):
    network = make_network(word_inhibition=3.0, growing=growing)
    trace = network.trace(inputs)
    question = network.question_encoder(inputs["question"])
    queries = network.controller.queries(question)
    text = tf.repeat(network.controller.initial_text[tf.newaxis], 5, axis=0)
    read = tf.zeros([5, 4])
    for step in range(STEPS):
        instruction = network.controller(queries[:, step], text, question, read)
        found = trace.word_attention[:, step]
        np.testing.assert_allclose(found, instruction.word_attention, atol=1e-5)
        rests = trace.module_weights[:, step, -1:] if growing else 0.0
        text = rests * text + (1.0 - rests) * instruction.text
        read += (1.0 - rests) * instruction.word_attention
    assert not growing or 0.05 < float(tf.reduce_max(trace.module_weights[..., -1])) < 1.0


def test_cells_of_two_maps_can_be_kept_from_reading_one(inputs):
    network = make_network(joining=True)
    optimizer = tf.keras.optimizers.legacy.Adam(0.5)
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(network(inputs, training=True)["logits"]))
        structure = network.structure_variables
        gradients = tape.gradient(loss, structure)
        # as hard as can be towards what is left out
        pushed = [
            tf.concat([g[..., :4], tf.ones_like(g[..., 4:]) * -9.0], axis=-1) for g in gradients
        ]
        optimizer.apply_gradients(zip(pushed, structure))
    for name, alpha in network.structure.items():
        choose_1, choose_2 = np.moveaxis(tf.nn.softmax(alpha).numpy()[..., 4:], -1, 0)
        if name.endswith("_4"):
            assert choose_1.max() < 1e-9
            assert choose_2[:, [0, 2]].max() < 1e-9
            assert choose_2[:, 1].min() > 0.1  # the picture may be left out
        else:
            assert choose_1.max() > 0.1


def weights_by_numpy(logits, openness, valid):
    sizes = np.exp(np.float64(logits)) * openness * valid
    total = sizes.sum(axis=-1, keepdims=True)
    return np.divide(sizes, total, out=np.zeros_like(sizes), where=total > 0.0)


@pytest.mark.parametrize("distance", [5.0, 50.0, 200.0])
def test_what_is_open_and_allowed_has_all_the_weight_however_unlikely_it_was(distance):
    logits = np.float32([[0.0, 1.0, distance, 2.0], [3.0, 0.0, 1.0, distance], [0.0] * 4])
    openness = np.float32([[1.0, 1.0, 1.0, 0.0], [1.0, 1e-4, 1.0, 0.0], [1.0] * 4])
    valid = np.float32([[1.0, 1.0, 0.0, 1.0], [0.5, 1.0, 0.3, 1.0], [0.0] * 4])
    found = open_weights(*map(tf.constant, (logits, openness, valid))).numpy()
    np.testing.assert_allclose(found, weights_by_numpy(logits, openness, valid), rtol=1e-5)
    np.testing.assert_allclose(found.sum(-1), [1.0, 1.0, 0.0], rtol=1e-6)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("distance", [5.0, 50.0, 200.0])
def test_gradients_of_open_weights_are_those_of_a_softmax_and_bounded(distance, xla):
    logits = tf.constant([[0.0, 1.0, distance, 2.0]])
    openness, valid = tf.constant([[1.0, 1.0, 1.0, 0.0]]), tf.constant([[1.0, 1.0, 0.0, 1.0]])
    towards = tf.constant([[1.0, 3.0, 7.0, 2.0]])

    @tf.function(jit_compile=xla)
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch((logits, valid))
            loss = tf.reduce_sum(towards * open_weights(logits, openness, valid))
        return tape.gradient(loss, (logits, valid))

    of_logits, of_valid = (x.numpy()[0] for x in gradients())
    first, second = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    slope = first * second * (3.0 - 1.0)  # of a softmax of two
    np.testing.assert_allclose(of_logits, [-slope, slope, 0.0, 0.0], rtol=1e-4)
    assert np.abs(of_valid).max() <= 7.0 * np.exp(5.0)


def test_where_looks_push_each_look_keeps_the_maps_beneath(inputs):
    """The stack has no more than one map before the second look, so no cell of two maps can run, and it pushes."""
    sizes = {**SIZES, "attention_3": 1, "looks_push": True}
    network = make_network(sizes, growing=True)
    assert [kind.name for kind in network.kinds if not kind.answers] == ["push_3", "attention_4"]
    network.growth.first_step.assign(STEPS - 3)
    network.growth.freedom.assign(0.0)
    trace = network.trace(inputs)
    np.testing.assert_allclose(trace.pointer[:, -2], [[0.0, 0.0, 1.0, 0.0]] * 5, atol=1e-6)
    first, second = trace.stack[:, -3], trace.stack[:, -2]
    np.testing.assert_allclose(second[..., 1], first[..., 1], atol=1e-6)
    assert np.abs(second[..., 2] - first[..., 2]).min() > 0.0


def test_where_looks_push_modules_that_never_ran_open_without_a_jump(inputs):
    """A look that runs alone learns no weight; were the logits random, NoOp could stand far above it as it opens."""
    sizes = {**SIZES, "attention_3": 1, "looks_push": True}
    tf.keras.utils.set_random_seed(3)
    network = make_model(make_config("relational", **sizes, growing=True))
    network(inputs)
    growth, optimizer = network.growth, tf.keras.optimizers.AdamW(0.1, weight_decay=0.01)
    growth.first_step.assign(STEPS - 3)
    growth.freedom.assign(0.0)
    for _ in range(5):
        with tf.GradientTape() as tape:
            logits = network(inputs, training=True)["logits"]
            loss = tf.keras.losses.sparse_categorical_crossentropy([0, 1, 2, 0, 1], logits, True)
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    found = network(inputs)
    answers = np.array(
        [kind.answers for kind in network.kinds for _ in range(kind.cells)] + [False]
    )
    np.testing.assert_array_equal(found["module_logits"].numpy()[..., ~answers], 0.0)
    assert found["module_logits"].numpy()[:, -1, answers].std() > 0.1  # these have learned
    growth.freedom.assign(1e-4)
    np.testing.assert_allclose(
        network(inputs)["module_weights"], found["module_weights"], atol=3e-4
    )
