"""LNMN in numpy and float64, one example, one module and one operator at a time, as the paper says it.

Each module has a stack and a pointer of its own, which are then averaged. Nothing of `lnmn_tf` is used
but the weights of a model, by their names.
"""

import numpy as np


def softmax(x):
    exponent = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponent / exponent.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def dense(layer, x):
    return x @ layer.kernel.numpy().astype(np.float64) + layer.bias.numpy()


def layer_norm(layer, x):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    scaled = (x - mean) / np.sqrt(variance + layer.epsilon)
    return scaled * layer.gamma.numpy() + layer.beta.numpy()


def node(alpha, x1, x2):
    """Section 3.1."""
    operators = (np.minimum(x1, x2), np.maximum(x1, x2), x1 + x2, x1 * x2, x1, x2)
    return sum(weight * operator for weight, operator in zip(softmax(alpha), operators))


def chain(alphas, image, operands, text):
    """Sections 3.1.1 and 3.1.2: the nodes of a cell."""
    alphas, operand = list(alphas), operands[0]
    if len(operands) == 2:
        operand = node(alphas.pop(0), *operands)
    return node(alphas[1], node(alphas[0], image, operand), text)


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
    """Algorithm 1 for one example; a subclass says what one model does.

    Args:
        model: whose weights are used.
    """

    gain = 1.0  # of the logits of modules and words

    def __init__(self, model):
        self.model, self.config = model, model.config
        variables = model.controller.variables
        self.weights = {v.name.split("/")[-1].split(":")[0]: v.numpy() for v in variables}

    def answer(self, features, ids):
        """(logits, module weights [steps, modules], last stack, last pointer)."""
        model, config, w = self.model, self.config, self.weights
        embedded = model.question_encoder.embedding.embeddings.numpy()[ids].astype(np.float64)
        forward = lstm(model.question_encoder.lstm.forward_layer.cell, embedded)
        backward = lstm(model.question_encoder.lstm.backward_layer.cell, embedded[::-1])[::-1]
        words = np.concatenate([forward, backward], axis=-1)
        encoding = np.concatenate([forward[-1], backward[0]])
        places = np.concatenate([features, self.positions(*features.shape[:2])], axis=-1)
        places = places.reshape(-1, places.shape[-1]).astype(np.float64)
        base = model.knowledge_base
        image = self.see(dense(base.output_layer, elu(dense(base.hidden, places))))

        text, memory = w["initial_text"].astype(np.float64), np.zeros(config.mem_dim)
        stack = np.full([len(places), config.stack_len], self.first_attention(len(places)))
        pointer = np.eye(config.stack_len)[0]
        history = []
        for t in range(config.num_steps):
            query = encoding @ w["question_kernel"][t] + self.question_bias(t)
            u = query @ w["merge_question"] + text @ w["merge_text"] + w["merge_bias"]
            weights = self.allowed(softmax(self.gain * self.weigh_modules(u)), pointer)
            scores = self.gain * (u * words) @ w["word_kernel"][:, 0]
            text = softmax(scores) @ self.attended(words, embedded)
            effects = list(self.effects(image, text, stack, pointer, memory))
            effects.append((stack, pointer, self.kept(memory)))  # NoOp
            history.append(weights)
            stack, pointer, memory = (
                sum(weight * part for weight, part in zip(weights, parts))
                for parts in zip(*effects)
            )
            pointer = self.sharpen(pointer)
        inputs = np.concatenate([encoding, self.last_memory(memory)])
        logits = dense(model.classifier_output, elu(dense(model.classifier_hidden, inputs)))
        return logits, np.stack(history), stack, pointer

    def bank(self, name):
        """(alpha, kernel, bias) of the cells of a bank."""
        bank = self.model.banks[name]
        return (v.numpy() for v in (bank.fusion.structure, bank.kernel, bank.bias))
