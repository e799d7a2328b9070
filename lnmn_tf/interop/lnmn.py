"""The authors' LNMN (PyTorch, LNMN_9, LNMN_11 and LNMN_14) as our `ReleasedLNMN`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from lnmn_tf.config.lnmn import ReleasedConfig
from lnmn_tf.errors import InputError
from lnmn_tf.interop.weights import Assignment, Source, Weights, assign, missing, read_weights
from lnmn_tf.kernels.install import install
from lnmn_tf.models.lnmn import ReleasedLNMN

KIND = "LNMN"
POSITION_CHANNELS = 128


def load_lnmn(
    weights: Source, num_steps: int, stack_len: int, hard_operators: bool = False
) -> ReleasedLNMN:
    """The authors' LNMN as our model.

    Every size and the number of modules of each kind are read off the arrays.

    Args:
        weights: a state_dict as a mapping of arrays or of PyTorch tensors, an `.npz`, or a `.model` or
            `.pt` file; see `read_weights`.
        num_steps: T, which must be the number of `W_1` matrices.
        stack_len: L, of which the weights say nothing.
        hard_operators: each node is its strongest operator alone (the authors' `use_argmax`).

    Returns:
        A built `ReleasedLNMN`, made fast. Its `features` are channels last and lack the 128 positional channels, which it
        appends itself.

    Raises:
        InputError: an array is missing, left over, or of another shape than the rest implies.
    """
    arrays = read_weights(weights)
    try:
        config = _config(arrays, num_steps, stack_len, hard_operators)
        channels = arrays["img_conv.0.weight"].shape[1] - POSITION_CHANNELS
    except KeyError as error:
        raise missing(KIND, error) from error
    except IndexError as error:
        raise InputError(f"weights of {KIND}: an array has too few dimensions") from error
    if channels < 1:
        raise InputError(
            f"weights of {KIND}: img_conv.0.weight takes {channels + POSITION_CHANNELS} channels; "
            f"expected more than the {POSITION_CHANNELS} positional ones"
        )
    model = install(ReleasedLNMN(config))
    model({"features": tf.zeros([1, 2, 2, channels]), "question": tf.ones([1, 2], tf.int32)})
    assign(assignments(model, arrays), arrays, KIND)
    return model


def _config(
    arrays: Weights, num_steps: int, stack_len: int, hard_operators: bool
) -> ReleasedConfig:
    kinds = _module_kinds(arrays)
    steps = sum(bool(re.fullmatch(r"W_1\.\d+\.weight", name)) for name in arrays)
    if steps != num_steps:
        raise InputError(f"num_steps is {num_steps}, but the weights have {steps} W_1 matrices")
    text_dim = arrays["W_2.weight"].shape[0]
    return ReleasedConfig(
        num_words=arrays["embed.weight"].shape[0],
        num_answers=arrays["output_mlp.2.weight"].shape[0],
        embed_dim=arrays["embed.weight"].shape[1],
        text_dim=text_dim,
        kb_dim=arrays["img_conv.0.weight"].shape[0],
        map_dim=arrays["img_feat_to_map_dim.weight"].shape[0],
        mem_dim=arrays["output_mlp.0.weight"].shape[1] - text_dim,
        mlp_dim=arrays["output_mlp.0.weight"].shape[0],
        num_steps=num_steps,
        stack_len=stack_len,
        attention_3=kinds.count((False, 2)),
        attention_4=kinds.count((False, 3)),
        answer_3=kinds.count((True, 2)),
        answer_4=kinds.count((True, 3)),
        hard_operators=hard_operators,
    )


def _module_kinds(arrays: Weights) -> list[tuple[bool, int]]:
    """(is an answer module, nodes) of each module but NoOp, which has no weights."""
    pattern = re.compile(r"module_list\.(\d+)\.node_list\.\d+\.op_weights")
    found = [int(match[1]) for name in arrays if (match := pattern.fullmatch(name))]
    if not found:
        raise InputError(
            f"weights of {KIND}: no module_list.*.node_list.*.op_weights among {len(arrays)} arrays; "
            "expected the state_dict of an LNMN"
        )
    kinds = [
        (f"module_list.{module}.linear3.weight" in arrays, found.count(module))
        for module in range(max(found) + 1)
    ]
    if sorted(kinds) != kinds or not {nodes for _, nodes in kinds} <= {2, 3}:
        raise InputError(
            f"weights of {KIND}: (is an answer module, nodes) of the modules is {kinds}; expected "
            "attention modules of 2 nodes, then of 3, answer modules of 2, then of 3"
        )
    return kinds


def assignments(model: ReleasedLNMN, arrays: Weights) -> Iterator[Assignment]:
    """Yields (variable, value, the names of the arrays that it was made of).

    Both of PyTorch's LSTM biases become one, their sum.
    """

    def linear(name, layer):
        weight = arrays[f"{name}.weight"]
        weight = weight.reshape(weight.shape[:2])  # a 1x1 convolution is a linear layer
        yield layer.kernel, weight.T, [f"{name}.weight"]
        yield layer.bias, arrays[f"{name}.bias"], [f"{name}.bias"]

    def lstm(layer, suffix):
        names = [f"lstm.{part}_l0{suffix}" for part in ("weight_ih", "weight_hh")]
        yield layer.cell.kernel, arrays[names[0]].T, names[:1]
        yield layer.cell.recurrent_kernel, arrays[names[1]].T, names[1:]
        biases = [f"lstm.{part}_l0{suffix}" for part in ("bias_ih", "bias_hh")]
        yield layer.cell.bias, arrays[biases[0]] + arrays[biases[1]], biases

    controller, encoder = model.controller, model.question_encoder
    yield encoder.embedding.embeddings, arrays["embed.weight"], ["embed.weight"]
    yield from lstm(encoder.lstm.forward_layer, "")
    yield from lstm(encoder.lstm.backward_layer, "_reverse")
    steps = [f"W_1.{t}.weight" for t in range(model.config.num_steps)]
    yield controller.question_kernel, np.stack([arrays[name].T for name in steps]), steps
    yield controller.question_bias, arrays["b_1"], ["b_1"]
    yield controller.initial_text, arrays["c_0"], ["c_0"]
    of_question, of_text = np.split(arrays["W_2.weight"].T, [controller.text_dim])
    yield controller.merge_question, of_question, ["W_2.weight"]
    yield controller.merge_text, of_text, ["W_2.weight"]
    yield controller.merge_bias, arrays["W_2.bias"], ["W_2.bias"]
    yield controller.word_kernel, arrays["W_3.weight"].T, ["W_3.weight"]
    yield controller.module_kernel, arrays["weight_mlp.weight"].T, ["weight_mlp.weight"]
    yield from linear("img_conv.0", model.knowledge_base.hidden)
    yield from linear("img_conv.2", model.knowledge_base.output_layer)
    yield from linear("img_feat_to_map_dim", model.image_projection)
    yield from linear("text_to_map_dim", model.text_projection)
    yield from linear("output_mlp.0", model.classifier_hidden)
    yield from linear("output_mlp.2", model.classifier_output)
    first = 0
    for bank in model.banks.values():
        modules = [f"module_list.{first + i}" for i in range(bank.cells)]
        yield from _of_bank(bank, modules, arrays)
        first += bank.cells


def _of_bank(bank, modules: list[str], arrays: Weights) -> Iterator[Assignment]:
    nodes = range(bank.fusion.num_maps + 1)
    rows = [[f"{module}.node_list.{k}.op_weights" for k in nodes] for module in modules]
    structure = np.stack([np.stack([arrays[name] for name in row]) for row in rows])
    yield bank.fusion.structure, structure, [name for row in rows for name in row]
    answers = hasattr(bank, "mem_dim")
    for variable, part in ((bank.kernel, "weight"), (bank.bias, "bias")):
        names = [f"{module}.{'linear3' if answers else 'conv2'}.{part}" for module in modules]
        values = [arrays[name] for name in names]
        if answers:
            values = [value.T for value in values]
        else:  # a 1x1 convolution to one channel
            values = [value.reshape(-1) if part == "weight" else value[0] for value in values]
        yield variable, np.stack(values), names
