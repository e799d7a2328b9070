"""Stack-NMN agrees with the original program (TF1): answers, traces, gradients, two training steps."""

import json

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.errors import InputError
from lnmn_tf.interop import load_snmn
from lnmn_tf.interop.stack_nmn import assignments
from lnmn_tf.interop.stack_nmn_config import read_settings
from tests.interop.conftest import GOLDEN, Golden, assert_close

# Between them, these three have every switch that the others have.
QUICK = ("snmn_forced", "snmn_validate_soft", "snmn_yamlcfg")
NAMES = [
    pytest.param(path.stem, marks=[] if path.stem in QUICK else pytest.mark.slow)
    for path in sorted(GOLDEN.glob("snmn_*.npz"))
]
SCOPE = "model/"


class Run:
    """A golden file, our model with its weights, and one compiled function of it."""

    def __init__(self, name: str):
        self.golden = golden = Golden(GOLDEN / f"{name}.npz")
        self.model = load_snmn(golden.under("weights/"), golden.config)
        self.inputs = {
            "features": golden["inputs/image_feat"],
            "question": golden["inputs/input_seq"].T,
        }
        if "inputs/module_prob_forced" in golden:
            self.inputs["module_weights"] = golden["inputs/module_prob_forced"].swapaxes(0, 1)
        self.compiled = tf.function(self._losses_and_gradients, autograph=False)

    def _losses_and_gradients(self, layout_weight):
        with tf.GradientTape() as tape:
            outputs = self.model(self.inputs, training=False)
            vqa = _cross_entropy(self.golden["inputs/answer"], outputs["logits"])
            layout = _cross_entropy(self.golden["inputs/gt_layout"].T, outputs["module_logits"])
            loss = vqa + layout_weight * layout
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        # The norm that TF1 clips by counts a word of the batch as often as it occurs.
        words = next(gradient for gradient in gradients if isinstance(gradient, tf.IndexedSlices))
        repeated = tf.reduce_sum(words.values**2) - tf.reduce_sum(tf.convert_to_tensor(words) ** 2)
        return outputs, vqa, layout, repeated, [tf.convert_to_tensor(g) for g in gradients]

    def losses_and_gradients(self, layout_weight: float):
        """(outputs, VQA loss, layout loss, excess of the squared norm, gradient by variable)."""
        *losses, gradients = self.compiled(tf.constant(layout_weight))
        keys = [variable.ref() for variable in self.model.trainable_variables]
        return *losses, dict(zip(keys, gradients))

    def expected(self, prefix: str, of_gradients: bool = False):
        """(variable, array, name) for the golden arrays under a prefix, in our layout.

        Names are without "model/". A gradient is zero where the original had none, and lacks the 1
        that loading adds to the LSTM's forget bias.
        """
        arrays = self.golden.under(prefix + SCOPE)
        if of_gradients:
            for name in self.golden.config["params_without_vqa_gradient"]:
                arrays[name[len(SCOPE) :]] = np.zeros_like(self.golden["weights/" + name])
        for variable, array, names in assignments(self.model, arrays):
            if of_gradients and names[0].endswith("cell/bias"):
                array = array - np.repeat([0.0, 1.0, 0.0, 0.0], len(array) // 4)
            yield variable, array, names[0]


def _cross_entropy(labels, logits):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_mean(losses)


@pytest.fixture(scope="module", params=NAMES)
def run(request):
    return Run(request.param)


def test_answers_and_losses_agree(run):
    outputs, vqa, layout, *_ = run.losses_and_gradients(0.0)
    golden = run.golden
    assert_close(outputs["logits"], golden["outputs/scores"], 1e-5, name="scores")
    assert_close(vqa, golden["outputs/loss_vqa"], 1e-5, name="loss_vqa")
    assert_close(layout, golden["outputs/loss_layout"], 1e-5, name="loss_layout")


def test_every_step_agrees(run):
    trace = run.model.trace(run.inputs)
    outputs, *_ = run.losses_and_gradients(0.0)
    expected = run.golden.under("trace/")
    words = expected.pop("word_att").transpose(2, 0, 1)  # from [steps, words, batch]
    assert_close(trace.word_attention, words, 1e-5, 1e-6, "word_att")
    for name, found in (
        ("module_prob", trace.module_weights),
        ("module_logits", outputs["module_logits"]),
        ("att_stack", trace.stack),
        ("stack_ptr", trace.pointer),
        ("mem", trace.memory),
    ):
        assert_close(found, expected[name].swapaxes(0, 1), 1e-5, 1e-6, name)


def test_gradients_agree(run):
    *_, gradients = run.losses_and_gradients(0.0)
    for variable, expected, name in run.expected("grads_vqa/", of_gradients=True):
        assert_close(gradients[variable.ref()], expected, 1e-4, 1e-6, name)


def test_two_training_steps_agree(run):
    """TF1's Adam on the VQA and layout losses with weight decay, clipped to a global norm of 8."""
    settings = run.golden.config["TRAIN"]
    moments = {}
    try:
        for step in (1, 2):
            *_, repeated, gradients = run.losses_and_gradients(1.0)
            gradients = {key: gradient.numpy() for key, gradient in gradients.items()}
            for variable, _, name in run.expected("weights/"):
                if name.endswith("weights"):
                    gradients[variable.ref()] += settings["WEIGHT_DECAY"] * variable.numpy()
            norm = np.sqrt(repeated + sum(np.sum(np.square(g)) for g in gradients.values()))
            if step == 1:
                assert_close(norm, run.golden["outputs/grad_norm"], 1e-5, name="grad_norm")
            scale = settings["GRAD_MAX_NORM"] / max(settings["GRAD_MAX_NORM"], norm)
            for variable in run.model.trainable_variables:
                change = _adam(moments, variable.ref(), scale * gradients[variable.ref()], step)
                variable.assign_sub(settings["LR"] * change)
            for variable, expected, name in run.expected(f"after_step{step}/"):
                assert_close(variable, expected, 0.0, 2e-6, f"{name} after step {step}")
    finally:
        for variable, array, _ in run.expected("weights/"):
            variable.assign(array)


def _adam(moments, key, gradient, step, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """TF1's direction of descent: epsilon is added before the bias of the moments is corrected."""
    first, second = moments.get(key, (0.0, 0.0))
    first = beta_1 * first + (1 - beta_1) * gradient
    second = beta_2 * second + (1 - beta_2) * gradient**2
    moments[key] = first, second
    correction = np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return correction * first / (np.sqrt(second) + epsilon)


@pytest.fixture(scope="module")
def default():
    return Golden(GOLDEN / "snmn_default.npz")


def test_config_may_be_whole_or_model_part_or_json_or_file(default, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(default.config), encoding="utf-8")
    forms = [default.config, default.config["MODEL"], json.dumps(default.config), str(file), file]
    for form in forms:
        assert read_settings(form)["MODEL"] == default.config["MODEL"]


def test_weights_may_be_a_file_or_a_tf1_checkpoint(default, tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, array in default.under("weights/").items():
            tf.compat.v1.get_variable(name, initializer=array)
            tf.compat.v1.get_variable(f"{name}/Adam", initializer=np.zeros_like(array))
        session.run(tf.compat.v1.global_variables_initializer())
        path = tf.compat.v1.train.Saver().save(session, str(tmp_path / "00200000"))
    loaded = load_snmn(path, default.config)
    expected = load_snmn(default.path, default.config)
    for variable, other in zip(loaded.variables, expected.variables):
        np.testing.assert_array_equal(variable, other)


def test_modules_may_come_in_another_order(default):
    config = {**default.config, "module_names": default.config["module_names"][::-1]}
    weights = default.under("weights/")
    for part in ("weights", "biases"):
        name = f"model/controller/fc_module_w_layer2/{part}"
        weights[name] = weights[name][..., ::-1]
    inputs = {"features": default["inputs/image_feat"], "question": default["inputs/input_seq"].T}
    logits = load_snmn(weights, config)(inputs)["logits"]
    assert_close(logits, default["outputs/scores"], 1e-5)


def test_word_0_counts_before_the_end_and_not_after_it(default):
    model = load_snmn(default.path, default.config)
    question = np.array([[3, 0, 5, 2], [3, 0, 5, 2]], np.int32)
    padded = np.pad(question, [(0, 0), (0, 3)])
    features = default["inputs/image_feat"][:2]
    attention = model.trace({"features": features, "question": padded}).word_attention.numpy()
    assert (attention[:, :, :4] > 0.0).all()
    assert (attention[:, :, 4:] == 0.0).all()
    outputs = [
        model({"features": features, "question": ids})["logits"] for ids in (question, padded)
    ]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-6)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("T_CTRL", 7, "T_CTRL is 7, but the weights have 9"),
        ("PE_DIM", 148, "PE_DIM"),
        ("CTRL.USE_GUMBEL_SOFTMAX", True, "Gumbel"),
        ("CTRL.NORMALIZE_ATT", False, "NORMALIZE_ATT"),
        ("CTRL.LINEAR_MODULE_WEIGHTS", True, "fc_module_w_linear"),
        ("CTRL.USE_WORD_EMBED", True, "controller/c_init has shape"),
        ("NMN.STACK.LENGTH", "4", "NMN.STACK.LENGTH = '4'"),
        ("NMN.STACK", 4, "above MODEL.NMN.STACK"),
    ],
)
def test_config_that_does_not_fit_the_weights_is_refused(default, path, value, message):
    config = json.loads(json.dumps(default.config["MODEL"]))
    *parents, last = path.split(".")
    part = config
    for key in parents:
        part = part[key]
    part[last] = value
    with pytest.raises(InputError, match=message):
        load_snmn(default.under("weights/"), config)


def test_weights_that_do_not_fit_are_refused(default):
    weights = default.under("weights/")
    name = "model/NMN/Find/fc_c_mapped/weights"
    for change, message in (
        ({name: None}, "NMN/Find/fc_c_mapped/weights.*missing"),
        ({name: weights[name][:, 1:]}, "has shape"),
        ({name: weights[name] * np.nan}, "not finite"),
        ({"model/NMN/Locate/weights": weights[name]}, "nothing uses NMN/Locate/weights"),
    ):
        changed = {k: v for k, v in {**weights, **change}.items() if v is not None}
        with pytest.raises(InputError, match=message):
            load_snmn(changed, default.config)


@pytest.mark.parametrize(
    "config", ["{", "no/such/file.json", 3, {"module_names": ["_Fly"], "MODEL": {}}]
)
def test_config_that_cannot_be_read_is_refused(default, config):
    with pytest.raises(InputError, match="config|file.json|module_names"):
        load_snmn(default.path, config)
