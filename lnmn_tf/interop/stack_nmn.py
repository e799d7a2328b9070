"""Stack-NMN's TF1 variables (github.com/ronghanghu/snmn, models_clevr_snmn) in our StackNMN."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from lnmn_tf.errors import InputError
from lnmn_tf.interop.stack_nmn_config import (
    Settings,
    config_of,
    hidden_name,
    original_name,
    read_settings,
)
from lnmn_tf.interop.weights import Assignment, Source, Weights, assign, missing, read_weights
from lnmn_tf.kernels.install import install
from lnmn_tf.models.stack_nmn import StackNMN

KIND = "Stack-NMN"
SCOPE = "model/"
# What an optimizer or a moving average keeps beside a variable.
SLOTS = re.compile(r".*/(Adam|Adam_1|ExponentialMovingAverage)$")
# Added to all word scores alike before their softmax, so it changes nothing and we have none.
WITHOUT_EFFECT = "controller/fc_cv_i/biases"


def load_snmn(weights: Source, config: Settings) -> StackNMN:
    """The original's variables as our model.

    Sizes are read off the arrays; the config says what they do not show.

    Args:
        weights: arrays by variable name (`model/...`): a mapping, an `.npz`, or a TF1 checkpoint; see
            `read_weights`. Optimizer slots and moving averages are passed over.
        config: the original's config, with its names: a mapping that has `MODEL` (and may have
            `module_names` and `TRAIN`), that part alone, or JSON of either, as text or in a file.
            Whatever it lacks has the original's default.

    Returns:
        A built `StackNMN`. Its `question` is [batch, words] with zeros after the end (a 0 before the
        end is the word 0), its `features` lack the positional channels, which it appends itself.

    Raises:
        InputError: the config cannot be read or asks for what we do not have (Gumbel softmax, word
            attention that is not normalised); an array is missing, left over, or of another shape
            than the rest implies.
    """
    arrays = {
        name[len(SCOPE) :] if name.startswith(SCOPE) else name: array
        for name, array in read_weights(weights).items()
        if not SLOTS.fullmatch(name)
    }
    settings = read_settings(config)
    try:
        model = install(StackNMN(config_of(arrays, settings)))
        channels = arrays["kb_batch/conv1/weights"].shape[2] - model.config.position_channels
    except KeyError as error:
        raise missing(KIND, error) from error
    except IndexError as error:
        raise InputError(f"weights of {KIND}: an array has too few dimensions") from error
    if channels < 1:
        raise InputError(
            f"weights of {KIND}: kb_batch/conv1/weights leaves {channels} channels for the image "
            f"beside PE_DIM = {model.config.position_channels}; expected at least 1"
        )
    model({"features": tf.zeros([1, 2, 2, channels]), "question": tf.ones([1, 2], tf.int32)})
    assign(assignments(model, arrays), arrays, KIND)
    return model


def assignments(model: StackNMN, arrays: Weights) -> Iterator[Assignment]:
    """Yields (variable, value, the names of the arrays that it was made of).

    TF1's LSTM adds 1 to the forget gate at run time; here that 1 is in the bias. The bias of the word
    scores, which has no effect, comes with the word kernel, so that it counts as used.
    """

    def linear(name, layer):
        yield layer.kernel, _matrix(arrays[f"{name}/weights"]), [f"{name}/weights"]
        yield layer.bias, arrays[f"{name}/biases"], [f"{name}/biases"]

    config, controller, encoder = model.config, model.controller, model.question_encoder
    yield encoder.embedding.embeddings, arrays["input_unit/embed_mat"], ["input_unit/embed_mat"]
    yield from _of_lstm(encoder.lstm.forward_layer.cell, "fw", arrays)
    yield from _of_lstm(encoder.lstm.backward_layer.cell, "bw", arrays)

    scope = "controller"
    yield controller.initial_text, arrays[f"{scope}/c_init"][0], [f"{scope}/c_init"]
    for variable, part in (
        (controller.question_kernel, "weights"),
        (controller.question_bias, "biases"),
    ):
        names = [f"{scope}/fc_q_{t}/{part}" for t in range(config.num_steps)]
        yield variable, np.stack([arrays[name] for name in names]), names
    merge = f"{scope}/fc_cq"
    of_question, of_text = np.split(arrays[f"{merge}/weights"], [controller.text_dim])
    yield controller.merge_question, of_question, [f"{merge}/weights"]
    yield controller.merge_text, of_text, [f"{merge}/weights"]
    yield controller.merge_bias, arrays[f"{merge}/biases"], [f"{merge}/biases"]
    words = f"{scope}/fc_cv_i/weights"
    yield controller.word_kernel, arrays[words], [words, WITHOUT_EFFECT]
    yield from _of_module_weights(model, arrays)

    yield from linear("kb_batch/conv1", model.knowledge_base.hidden)
    yield from linear("kb_batch/conv2", model.knowledge_base.output_layer)
    for name in ("find", "transform", "scene"):
        layer, scope = getattr(model, name), f"NMN/{name.capitalize()}"
        if layer is None:
            continue
        if name != "scene":
            yield from linear(f"{scope}/fc_c_mapped", layer.text_projection)
            layer = layer.score
        head = f"{scope}/conv_att_out"
        kernel = _matrix(arrays[f"{head}/weights"])[:, 0]
        yield layer.kernel, kernel, [f"{head}/weights"]
        yield layer.bias, arrays[f"{head}/biases"], [f"{head}/biases"]
    for name in ("describe_one", "describe_two"):
        if name in config.modules:
            layer, scope = getattr(model, name), f"NMN{original_name(name).replace('_', '/')}"
            yield from linear(f"{scope}/fc_c_mapped", layer.text_projection)
            yield from linear(f"{scope}/fc_mem_out", layer.memory_projection)
    hidden = hidden_name(config.classify_question)
    yield from linear(f"output_unit/{hidden}", model.classifier_hidden)
    yield from linear("output_unit/fc2", model.classifier_output)


def _matrix(weights: np.ndarray) -> np.ndarray:
    """A 1x1 convolution [1, 1, in, out] is the matrix of a linear layer."""
    return weights[0, 0] if weights.ndim == 4 else weights


def _of_lstm(cell, direction: str, arrays: Weights) -> Iterator[Assignment]:
    """TF1 orders the gates i, c, f, o, Keras i, f, c, o; one kernel holds [input ; state]."""
    scope = f"input_unit/bidirectional_rnn/{direction}/basic_lstm_cell"

    def reordered(array):
        inputs, candidate, forget, output = np.split(array, 4, axis=-1)
        return np.concatenate([inputs, forget, candidate, output], axis=-1)

    kernel = reordered(arrays[f"{scope}/kernel"])
    width = cell.kernel.shape[0]
    yield cell.kernel, kernel[:width], [f"{scope}/kernel"]
    yield cell.recurrent_kernel, kernel[width:], [f"{scope}/kernel"]
    bias = reordered(arrays[f"{scope}/bias"])
    forget_bias = np.repeat([0.0, 1.0, 0.0, 0.0], cell.units).astype(bias.dtype)
    yield cell.bias, bias + forget_bias, [f"{scope}/bias"]


def _of_module_weights(model: StackNMN, arrays: Weights) -> Iterator[Assignment]:
    controller, scope = model.controller, "controller/fc_module_w"
    if not model.config.module_mlp_dim:
        name = f"{scope}_linear/weights"
        yield controller.module_kernel, arrays[name], [name]
        return
    for variable, name in (
        (controller.hidden_kernel, f"{scope}_layer1/weights"),
        (controller.hidden_bias, f"{scope}_layer1/biases"),
        (controller.module_kernel, f"{scope}_layer2/weights"),
        (controller.module_bias, f"{scope}_layer2/biases"),
    ):
        yield variable, arrays[name], [name]
