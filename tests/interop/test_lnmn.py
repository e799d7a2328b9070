"""LNMN agrees with the authors' program (PyTorch): answers, traces, gradients, two training steps."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import TrainingConfig
from lnmn_tf.config.registry import MODELS
from lnmn_tf.errors import InputError
from lnmn_tf.interop import load_lnmn
from lnmn_tf.interop.lnmn import assignments
from lnmn_tf.interop.weights import read_weights
from lnmn_tf.layers.encoders import positional_encoding
from lnmn_tf.training.algorithm_2 import AlternatingTrainer
from lnmn_tf.training.optimizers import structure_optimizer, weight_optimizer
from lnmn_tf.training.schedules import entropy_weight
from tests.conftest import run_eagerly
from tests.interop.conftest import GOLDEN, Golden, assert_close

# The smallest and the largest network; `_a` and `_b` differ in sizes and in padding.
QUICK = ("lnmn9_a", "lnmn14_b")
NAMES = [
    pytest.param(path.stem, marks=[] if path.stem in QUICK else pytest.mark.slow)
    for path in sorted(GOLDEN.glob("lnmn*.npz"))
]
POSITION_CHANNELS = 128


def inputs_of(golden, prefix="inputs/"):
    """Ours are channels last and without positional channels."""
    image = golden[prefix + "image"][:, :-POSITION_CHANNELS].transpose(0, 2, 3, 1)
    return {"features": image, "question": golden[prefix + "question"].astype(np.int32)}


class Run:
    """A golden file, our model with its weights, and one compiled function of it."""

    def __init__(self, name: str):
        self.golden = Golden(GOLDEN / f"{name}.npz")
        self.steps, self.stack_len = self.golden.config["T"], self.golden.config["stack_len"]
        self.weights = self.golden.under("weights/")
        self.model = load_lnmn(self.weights, self.steps, self.stack_len)
        self._compiled = None

    def losses_and_gradients(self, prefix: str, entropy_weight: float = 0.0):
        """(outputs, CE, imp_loss, gradient of CE - entropy_weight * imp_loss by variable).

        imp_loss is as the authors have it: summed over the batch, averaged over steps.
        """
        inputs = {**inputs_of(self.golden, prefix), "answer": self.golden[prefix + "answer"]}
        if self._compiled is None:
            signature = {
                name: tf.TensorSpec([*value.shape[:1], *[None] * (value.ndim - 1)], value.dtype)
                if name == "question"
                else tf.TensorSpec(value.shape, value.dtype)
                for name, value in inputs.items()
            }
            self._compiled = tf.function(
                self._losses_and_gradients, [signature, tf.TensorSpec([])], autograph=False
            )
        *losses, gradients = self._compiled(inputs, tf.constant(entropy_weight))
        keys = [variable.ref() for variable in self.model.trainable_variables]
        return *losses, dict(zip(keys, gradients))

    def _losses_and_gradients(self, inputs, entropy_weight):
        inputs = dict(inputs)
        answers = inputs.pop("answer")
        with tf.GradientTape() as tape:
            outputs = self.model(inputs, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(answers, outputs["logits"])
            error = tf.reduce_mean(losses)
            weights = outputs["module_weights"]
            entropy = -tf.reduce_sum(weights * tf.math.log(weights)) / self.steps
            loss = error - entropy_weight * entropy
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        return outputs, error, entropy, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def structure_loss(self):
        """(op_loss, its gradient by variable): - sum over nodes of ||softmax(alpha)||_2."""
        variables = self.model.structure_variables
        with tf.GradientTape() as tape:
            norms = [tf.norm(tf.nn.softmax(alpha, axis=-1), axis=-1) for alpha in variables]
            loss = -tf.add_n([tf.reduce_sum(norm) for norm in norms])
        gradients = tape.gradient(loss, variables)
        return loss, {v.ref(): gradient for v, gradient in zip(variables, gradients)}

    def is_structure(self, variable) -> bool:
        return any(variable is alpha for alpha in self.model.structure_variables)


@pytest.fixture(scope="module", params=NAMES)
def run(request):
    return Run(request.param)


def test_our_positional_channels_are_the_authors(run):
    image = run.golden["inputs/image"]
    expected = image[0, -POSITION_CHANNELS:].transpose(1, 2, 0)
    np.testing.assert_allclose(positional_encoding(*image.shape[2:]), expected, atol=2e-6)


def test_answers_and_losses_agree(run):
    outputs, error, entropy, _ = run.losses_and_gradients("inputs/")
    golden = run.golden
    assert_close(outputs["logits"], golden["outputs/logits"], 1e-5, name="logits")
    assert_close(error, golden["outputs/ce"], 1e-5, name="ce")
    assert_close(entropy, golden["outputs/imp_loss"], 1e-5, name="imp_loss")
    assert_close(run.structure_loss()[0], golden["outputs/op_loss"], 1e-5, name="op_loss")


def test_every_step_agrees(run):
    trace = run.model.trace(inputs_of(run.golden))
    expected = run.golden.under("trace/")
    words = expected["word_att"].swapaxes(0, 1)
    longest = words.shape[-1]  # the authors trim the batch to it
    assert_close(trace.word_attention[..., :longest], words, 1e-5, 1e-6, "word_att")
    assert not np.any(trace.word_attention[..., longest:])
    for name, found in (
        ("module_weights", trace.module_weights),
        ("att_read1", trace.attention),
        ("stack", trace.stack),
        ("pointer", trace.pointer),
        ("mem", trace.memory),
    ):
        assert_close(found, expected[name].swapaxes(0, 1), 1e-5, 1e-6, name)


def test_gradients_agree(run):
    *_, gradients = run.losses_and_gradients("inputs/")
    for variable, expected, names in assignments(run.model, run.golden.under("grads_ce/")):
        if "bias_ih" in names[0]:  # each of the authors' two biases has the gradient of our one
            expected = expected / 2
        assert_close(gradients[variable.ref()], expected, 1e-4, 1e-6, names[0])
    _, gradients = run.structure_loss()
    arrays = {**run.weights, **run.golden.under("grads_op/")}
    for variable, expected, names in assignments(run.model, arrays):
        if run.is_structure(variable):
            assert_close(gradients[variable.ref()], expected, 1e-4, 1e-6, names[0])


def test_hard_operators_agree(run):
    if "outputs_argmax/logits" not in run.golden:
        pytest.skip("the authors' 11 and 14 have no argmax mode")
    model = load_lnmn(run.weights, run.steps, run.stack_len, hard_operators=True)
    logits = model(inputs_of(run.golden))["logits"]
    assert_close(logits, run.golden["outputs_argmax/logits"], 1e-5)


def test_two_training_steps_agree(run):
    """A structure step on a validation batch, then a weight step on a training batch, twice."""
    config, golden = run.golden.config, run.golden
    structure, weights = {}, {}
    entropy_weight = config["entropy_coeff"] * config["reg_coeff"]
    try:
        for step in (1, 2):
            _, error, _, gradients = run.losses_and_gradients(f"batches/val{step}/")
            sparsity, of_sparsity = run.structure_loss()
            factor = config["reg_coeff_op_loss"]
            loss = error + factor * sparsity
            assert_close(loss, golden[f"steps/arch_loss{step}"], 1e-5, name="arch_loss")
            settings = config["arch_optimizer"]
            for variable in run.model.structure_variables:
                key = variable.ref()
                gradient = gradients[key] + factor * of_sparsity[key]
                gradient += settings["weight_decay"] * variable
                variable.assign_sub(_adam(structure, key, gradient.numpy(), step, settings))

            _, error, entropy, gradients = run.losses_and_gradients(
                f"batches/train{step}/", entropy_weight
            )
            loss = error - entropy_weight * entropy
            assert_close(loss, golden[f"steps/weight_loss{step}"], 1e-5, name="weight_loss")
            for variable, _, names in assignments(run.model, run.weights):
                if not run.is_structure(variable):
                    key = variable.ref()
                    change = _adam(
                        weights, key, gradients[key].numpy(), step, config["weight_optimizer"]
                    )
                    # Our one LSTM bias is the sum of two that both take the whole step.
                    variable.assign_sub(change * (2 if "bias_ih" in names[0] else 1))
            after = golden.under(f"after_step{step}/")
            for variable, expected, names in assignments(run.model, after):
                assert_close(variable, expected, 0.0, 2e-6, f"{names[0]} after step {step}")
    finally:
        for variable, array, _ in assignments(run.model, run.weights):
            variable.assign(array)


def _adam(moments, key, gradient, step, settings):
    """PyTorch's Adam: epsilon is added after the bias of the moments is corrected."""
    beta_1, beta_2 = settings["betas"]
    first, second = moments.get(key, (0.0, 0.0))
    first = beta_1 * first + (1 - beta_1) * gradient
    second = beta_2 * second + (1 - beta_2) * gradient**2
    moments[key] = first, second
    root = np.sqrt(second / (1 - beta_2**step)) + settings["eps"]
    return settings["lr"] * first / (1 - beta_1**step) / root


@pytest.fixture(scope="module")
def small():
    return Golden(GOLDEN / "lnmn9_b.npz")


def load(golden, weights):
    return load_lnmn(weights, golden.config["T"], golden.config["stack_len"])


def test_the_trainer_takes_the_steps_of_the_authors_program(small):
    """`AlternatingTrainer` with the optimizers and the lambda_w of --model=released.

    Keras' Adam adds epsilon before it corrects the bias of the moments, PyTorch's after: so a weight whose
    gradient is near epsilon moves otherwise, and the movement as a whole is compared.
    """
    before = small.under("weights/")
    config = TrainingConfig(**MODELS["released"].training, batch_size=small.config["batch"])
    trainer = AlternatingTrainer(load(small, before), sparsity=config.sparsity, xla=False)
    trainer.compile(weight_optimizer(config, 2), structure_optimizer(config, 2))
    trainer.entropy_weight.assign(entropy_weight(small.config["epoch"], config))
    for step in (1, 2):
        batches = [
            {**inputs_of(small, prefix), "answer": small[prefix + "answer"].astype(np.int32)}
            for prefix in (f"batches/train{step}/", f"batches/val{step}/")
        ]
        with run_eagerly():
            report = trainer.train_step(tf.nest.map_structure(tf.constant, batches))
        for name, expected in (("loss", "weight_loss"), ("structure_loss", "arch_loss")):
            assert_close(report[name], small[f"steps/{expected}{step}"], 1e-4, name=name)
        after, moved = small.under(f"after_step{step}/"), {"structure": [], "weights": []}
        first = assignments(trainer.network, before)
        for (variable, expected, names), (_, start, _) in zip(
            assignments(trainer.network, after), first
        ):
            is_structure = any(variable is alpha for alpha in trainer.structure)
            found = variable.numpy() - start
            if "bias_ih" in names[0]:  # our one LSTM bias is the sum of two that both take the step
                found *= 2.0
            variable.assign(expected)  # the next step begins where theirs does
            moved["structure" if is_structure else "weights"].append(
                (found.ravel(), (expected - start).ravel())
            )
        for kind, pairs in moved.items():
            found, expected = (np.concatenate(parts) for parts in zip(*pairs))
            distance = np.linalg.norm(found - expected) / np.linalg.norm(expected)
            assert distance < 0.03, f"{kind} after step {step}: {distance:.3g} of the way off"
        before = after


class Tensor:
    """What we use of a PyTorch tensor."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.array


def test_state_dicts_of_any_kind_are_read_alike(small, tmp_path, monkeypatch):
    weights = small.under("weights/")
    np.savez(tmp_path / "plain.npz", **weights)
    file = tmp_path / "checkpoint.model"
    file.write_bytes(b"what torch.save wrote")
    seen = {}

    def torch_load(path, map_location, weights_only):
        seen.update(path=path, weights_only=weights_only)
        return {"state_dict": {f"module.{name}": Tensor(w) for name, w in weights.items()}}

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(load=torch_load))
    sources = [
        small.path,
        str(tmp_path / "plain.npz"),
        {f"module.{name}": array for name, array in weights.items()},
        {f"weights/{name}": Tensor(array) for name, array in weights.items()},
        file,
    ]
    for source in sources:
        found = read_weights(source)
        assert set(found) == set(weights)
        for name, array in weights.items():
            np.testing.assert_array_equal(found[name], array)
    assert seen == {"path": file, "weights_only": True}


def test_buffers_and_parts_that_we_do_not_have_are_passed_over(small):
    buffers = {"bn.running_mean": np.zeros(5), "bn.num_batches_tracked": np.array(3)}
    model = load(small, {**small.under("weights/"), **buffers})
    assert_close(model(inputs_of(small))["logits"], small["outputs/logits"], 1e-5)


def test_weights_that_do_not_fit_are_refused(small):
    weights = small.under("weights/")
    first = "module_list.0.node_list.0.op_weights"
    for change, message in (
        ({"b_1": None}, "'b_1' is missing"),
        ({"W_2.weight": weights["W_2.weight"][1:]}, "text_dim is|has shape"),
        ({"W_3.weight": weights["W_3.weight"][:, 1:]}, "W_3.weight has shape"),
        ({"b_1": weights["b_1"] * np.inf}, "not finite"),
        ({"lstm.weight_ih_l1": weights["b_1"]}, "nothing uses lstm.weight_ih_l1"),
        ({first: None}, r"\(is an answer module, nodes\)"),
        ({"W_1.0.weight": None}, "W_1 matrices"),
        ({"img_conv.0.weight": weights["img_conv.0.weight"][:, :128]}, "more than the 128"),
        ({"b_1": np.array(["a"])}, "expected numbers"),
    ):
        changed = {k: v for k, v in {**weights, **change}.items() if v is not None}
        with pytest.raises(InputError, match=message):
            load(small, changed)


def test_files_that_are_not_weights_are_refused(small, tmp_path, monkeypatch):
    text = tmp_path / "weights.npz"
    text.write_text("not an archive")
    model = tmp_path / "weights.model"
    model.write_text("not a pickle")
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    for source, message in (
        (tmp_path / "none.npz", "none.npz: no such file"),
        (text, "weights.npz: not a readable"),
        (model, "weights.model: .*needs PyTorch"),
        ({"a": np.zeros(2)}, "expected the state_dict of an LNMN"),
        (7, "weights are a int"),
    ):
        with pytest.raises(InputError, match=message):
            load(small, source)


def test_num_steps_must_be_that_of_the_weights(small):
    with pytest.raises(InputError, match="num_steps is 9, but the weights have"):
        load_lnmn(small.path, num_steps=9, stack_len=3)
