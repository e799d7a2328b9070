"""The dialect `ours` against a forward pass in numpy and float64, written from the paper's formulas.

One module at a time, six operators at a time, each module with a stack and a pointer of its own.
"""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.config import ModelConfig
from lnmn_tf.layers.encoders import coordinates
from lnmn_tf.models.lnmn import LNMN

BATCH, HEIGHT, WIDTH, CHANNELS = 2, 3, 2, 5
SIZES = {
    "num_words": 11,
    "num_answers": 3,
    "embed_dim": 5,
    "text_dim": 6,
    "kb_dim": 7,
    "map_dim": 11,
    "mem_dim": 13,
    "mlp_dim": 17,
    "num_steps": 3,
    "stack_len": 4,
}


def softmax(x):
    exponent = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponent / exponent.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def dense(layer, x):
    return x @ layer.kernel.numpy().astype(np.float64) + layer.bias.numpy()


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def node(alpha, x1, x2):
    weights = softmax(alpha)
    operators = (np.minimum(x1, x2), np.maximum(x1, x2), x1 + x2, x1 * x2, x1, x2)
    return sum(weight * operator for weight, operator in zip(weights, operators))


def layer_norm(layer, x):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    scaled = (x - mean) / np.sqrt(variance + layer.epsilon)
    return scaled * layer.gamma.numpy() + layer.beta.numpy()


def lstm(cell, inputs):
    kernel, recurrent, bias = (v.numpy().astype(np.float64) for v in cell.trainable_variables)
    hidden = memory = np.zeros(cell.units)
    states = []
    for x in inputs:
        entry, forget, candidate, output = np.split(x @ kernel + hidden @ recurrent + bias, 4)
        memory = sigmoid(forget) * memory + sigmoid(entry) * np.tanh(candidate)
        hidden = sigmoid(output) * np.tanh(memory)
        states.append(hidden)
    return np.stack(states)


def up(pointer):
    moved = np.r_[0.0, pointer[:-1]]
    moved[-1] += pointer[-1]
    return moved


def down(pointer):
    moved = np.r_[pointer[1:], 0.0]
    moved[0] += pointer[0]
    return moved


def write(stack, pointer, attention):
    return stack * (1 - pointer) + attention[:, None] * pointer


class Reference:
    """One example at a time."""

    def __init__(self, model):
        self.model = model

    def answer(self, features, ids):
        """(logits, module weights [steps, modules], last stack, last pointer)."""
        model, config = self.model, self.model.config
        controller = model.controller
        embedded = model.question_encoder.embedding.embeddings.numpy()[ids].astype(np.float64)
        forward = lstm(model.question_encoder.lstm.forward_layer.cell, embedded)
        backward = lstm(model.question_encoder.lstm.backward_layer.cell, embedded[::-1])[::-1]
        words = np.concatenate([forward, backward], axis=-1)
        encoding = np.concatenate([forward[-1], backward[0]])
        image = np.concatenate([features, coordinates(HEIGHT, WIDTH)], axis=-1)
        image = image.reshape(HEIGHT * WIDTH, -1).astype(np.float64)
        base = model.knowledge_base
        image = dense(base.output_layer, elu(dense(base.hidden, image)))
        image = layer_norm(model.image_norm, dense(model.image_projection, image))

        w = {v.name.split("/")[-1].split(":")[0]: v.numpy() for v in controller.variables}
        text, memory = w["initial_text"].astype(np.float64), np.zeros(config.mem_dim)
        stack = np.ones([HEIGHT * WIDTH, config.stack_len])
        pointer = np.eye(config.stack_len)[0]
        history = []
        for t in range(config.num_steps):
            query = encoding @ w["question_kernel"][t] + w["question_bias"][t]
            u = query @ w["merge_question"] + text @ w["merge_text"] + w["merge_bias"]
            gain = config.controller_gain
            weights = softmax(gain * u @ w["module_kernel"] + w["layout_bias"][t])
            place = np.linspace(0.0, 1.0, len(words))
            window = w["reading"][t, 0] * place + w["reading"][t, 1] * place**2
            text = softmax(gain * (u * words) @ w["word_kernel"][:, 0] + window) @ embedded
            effects = list(self.effects(image, text, stack, pointer, memory))
            effects.append((stack, pointer, memory))  # NoOp
            history.append(weights)
            stack, pointer, memory = (
                sum(weight * part for weight, part in zip(weights, parts))
                for parts in zip(*effects)
            )
            pointer = softmax(pointer / config.pointer_temperature)
        memory = layer_norm(model.memory_norm, memory)
        hidden = elu(dense(model.classifier_hidden, np.concatenate([encoding, memory])))
        return dense(model.classifier_output, hidden), np.stack(history), stack, pointer

    def effects(self, image, text, stack, pointer, memory):
        """Yields the (stack, pointer, memory) that each module but NoOp returns."""
        text = layer_norm(self.model.text_norm, dense(self.model.text_projection, text))
        top, below = stack @ pointer, stack @ down(pointer)
        banks = {bank.name: bank for bank in self.model.banks}
        for of_kind in self.model._kinds:
            kind, bank = of_kind.name, banks[of_kind.bank]
            structure = bank.fusion.structure.numpy()
            for cell in range(bank.cells):
                alphas = list(structure[cell])
                maps = [top, below] if kind.endswith("4") else [top]
                seen, operands = image, [np.exp(a)[:, None] for a in maps]
                if (
                    kind.startswith(("relate", "answer")) or of_kind.bank == "look_3"
                ):  # what the maps point at, and how much
                    pooling = self.model.poolings[of_kind.bank]
                    attended = [softmax(a) @ image for a in maps]
                    operands = [
                        r @ pooling.kernel.numpy()[i, cell]
                        + np.exp(a).sum() * pooling.count_kernel.numpy()[i, cell]
                        for i, (a, r) in enumerate(zip(maps, attended))
                    ]
                    seen = attended[0][None] if kind.startswith("answer") else image
                operand = operands[0]
                if len(maps) == 2:
                    operand = node(alphas.pop(0), *operands)
                fused = node(alphas[1], node(alphas[0], seen, operand), text)
                kernel, bias = bank.kernel.numpy()[cell], bank.bias.numpy()[cell]
                if kind.startswith("answer"):
                    inputs = np.concatenate([text, memory, fused.sum(axis=0)])
                    place = down(down(pointer)) if kind == "answer_4" else down(pointer)
                    yield stack, place, inputs @ kernel + bias
                    continue
                place = {"push_3": up, "attention_4": down}.get(kind, lambda p: p)(pointer)
                written = np.log(
                    sigmoid(self.model.config.attention_gain * (fused @ kernel + bias))
                )
                if of_kind.bank in self.model.relations:  # where each place lies from there
                    relation = self.model.relations[of_kind.bank]
                    places = 2.0 * coordinates(HEIGHT, WIDTH)[..., :2].reshape(-1, 2)
                    seen_from = np.tanh(4.0 * (places - softmax(top) @ places))
                    known = np.column_stack([seen_from, softmax(top), np.ones_like(top)])
                    wanted = text @ relation.kernel.numpy()[cell] + relation.bias.numpy()[cell]
                    written = written + np.log(sigmoid(known @ wanted))
                yield write(stack, place, written), place, memory


@pytest.mark.parametrize(("seed", "tied"), [(1, False), (2, True)])
def test_forward_pass_is_that_of_the_formulas(seed, tied):
    tf.keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    switches = {
        "fusion": "nodes",
        "initial_stack": "ones",
        "pointer_temperature": 0.2,
        "module_mlp_dim": 0,
        "keep_memory": True,
        "position": "coordinates",
        "pushing_cells": 1 if tied else 2,
        "pooling_cells": 1,
        "tied_cells": tied,
        "own_projection": False,
    }
    model = LNMN(ModelConfig.create("ours", **{**switches, **SIZES}))
    features = random.normal(size=[BATCH, HEIGHT, WIDTH, CHANNELS]).astype(np.float32)
    question = np.array([[3, 7, 1, 4, 9], [5, 2, 8, 0, 0]], np.int32)
    inputs = {"features": features, "question": question}
    model(inputs)
    for variable in model.trainable_variables:  # biases too, and mixtures far from even
        variable.assign(random.normal(scale=0.3, size=variable.shape).astype(np.float32))
    logits, trace = model(inputs)["logits"], model.trace(inputs)
    for example, length in enumerate((5, 3)):
        expected, weights, stack, pointer = Reference(model).answer(
            features[example], question[example, :length]
        )
        bound = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(logits[example], expected, rtol=0, atol=bound)
        np.testing.assert_allclose(trace.module_weights[example], weights, atol=1e-5)
        stack = stack.reshape(HEIGHT, WIDTH, -1)
        bound = 1e-5 * np.abs(stack).max()
        np.testing.assert_allclose(trace.stack[example, -1], stack, rtol=0, atol=bound)
        np.testing.assert_allclose(trace.pointer[example, -1], pointer, atol=1e-5)
