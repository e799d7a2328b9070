"""Models against forward passes in numpy and float64, written from the paper's formulas."""

import numpy as np
import pytest
import tensorflow as tf

from lnmn_tf.kernels.install import install
from lnmn_tf.models.registry import make_config, make_model
from tests.models.reference import (
    Reference,
    chain,
    dense,
    down,
    elu,
    layer_norm,
    sigmoid,
    softmax,
    up,
    write,
)

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
    "position_channels": 8,
}


def grid(height, width):
    """Row and column of each place, from -1 to 1, [height, width, 2]."""
    rows, columns = np.linspace(-1, 1, height), np.linspace(-1, 1, width)
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)


class Paper(Reference):
    """Sections 2 and 3: own projections, uniform first attention, softmax(p), an MLP weighs modules."""

    def positions(self, height, width):
        """Sinusoids of row and column (Stack-NMN's, on which the paper builds)."""
        period = 10000.0 ** np.linspace(0, 1, self.config.position_channels // 4)
        places = np.indices([height, width])[..., None] / period
        return np.concatenate([f(axis) for axis in places for f in (np.sin, np.cos)], axis=-1)

    def see(self, knowledge_base):
        return knowledge_base

    def first_attention(self, positions):
        return 1.0 / positions

    def question_bias(self, step):
        return self.weights["question_bias"]

    def weigh_modules(self, u):
        w = self.weights
        hidden = elu(u @ w["hidden_kernel"] + w["hidden_bias"])
        return hidden @ w["module_kernel"] + w["module_bias"]

    def attended(self, words, embedded):
        return words

    def sharpen(self, pointer):
        return softmax(pointer)

    def last_memory(self, memory):
        return memory

    def allowed(self, weights, pointer):
        return weights

    def kept(self, memory):
        """Answer modules alone give memory features (section 2.3)."""
        return np.zeros_like(memory)

    def effects(self, image, text, stack, pointer, memory):
        """What each module but NoOp does; one that answers nothing gives no memory features."""
        top, below = stack @ pointer, stack @ down(pointer)
        sizes = [(name, getattr(self.config, name)) for name in self.cells]
        for name, cells in sizes:
            alphas, kernel, bias = self.bank(name)
            projections = [getattr(self.model, f"{x}_projections")[name] for x in ("image", "text")]
            for cell in range(cells):
                of_image, of_text = (
                    x @ layer.kernel.numpy()[cell] + layer.bias.numpy()[cell]
                    for x, layer in zip((image, text), projections)
                )
                maps = [top, below] if name.endswith("4") else [top]
                fused = chain(alphas[cell], of_image, [a[:, None] for a in maps], of_text)
                if name.startswith("answer"):
                    place = down(down(pointer)) if name == "answer_4" else down(pointer)
                    inputs = np.concatenate([of_text, memory, fused.sum(axis=0)])
                    yield stack, place, inputs @ kernel[cell] + bias[cell]
                else:
                    place = down(pointer) if name == "attention_4" else pointer
                    written = write(stack, place, fused @ kernel[cell] + bias[cell])
                    yield written, place, np.zeros_like(memory)

    cells = ("attention_3", "attention_4", "answer_3", "answer_4")


class Relational(Reference):
    """`RelationalLNMN`, by its docstrings."""

    gain = 2.0

    def positions(self, height, width):
        return np.concatenate([grid(height, width), np.ones([height, width, 1])], axis=-1)

    def see(self, knowledge_base):
        model = self.model
        return layer_norm(model.image_norm, dense(model.image_projection, knowledge_base))

    def first_attention(self, positions):
        return 0.0

    def question_bias(self, step):
        return self.weights["question_bias"][step]

    def weigh_modules(self, u):
        return u @ self.weights["module_kernel"]

    def attended(self, words, embedded):
        return embedded

    def sharpen(self, pointer):
        return pointer

    def last_memory(self, memory):
        return layer_norm(self.model.memory_norm, memory)

    def kept(self, memory):
        return memory

    def allowed(self, weights, pointer):
        """A module runs where the stack holds what it pops and has room for what it pushes."""
        weights, full = weights.copy(), len(pointer) - 1
        for i, name in enumerate(self.model.module_names[:-1]):
            pops = 0 if name.startswith("push") else 2 if name.split(".")[0].endswith("4") else 1
            pushes = 0 if name.startswith("answer") else 1
            if self.config.lone_answers and not pushes:
                pops = 1
            heights = range(pops, min(full, full + pops - pushes) + 1)
            weights[i] *= sum(pointer[height] for height in heights)
        weights[-1] = 1.0 - weights[:-1].sum()  # what cannot run counts as NoOp
        return weights

    def effects(self, image, text, stack, pointer, memory):
        model, config = self.model, self.config
        text = layer_norm(model.text_norm, dense(model.text_projection, text))
        top, below = stack @ pointer, stack @ down(pointer)
        looking = config.looking_cells
        of_looks = ["push_3"] if config.looks_push else ["push_3", "relate_3"]
        kinds = [(kind, "look_3", looking) for kind in of_looks]
        kinds += [("attention_3", "attention_3", config.attention_3 - len(of_looks) * looking)]
        kinds += [(name, name, getattr(config, name)) for name in Paper.cells[1:]]
        for kind, name, cells in kinds:
            if not cells:
                continue
            alphas, kernel, bias = self.bank(name)
            maps = [top, below] if kind.endswith("4") else [top]
            answers = kind.startswith("answer")
            for cell in range(cells):
                seen, operands = image, [np.exp(a)[:, None] for a in maps]
                if answers or name == "look_3":  # what the maps point at, and how much
                    pooling = model.poolings[name]
                    attended = [softmax(a) @ image for a in maps]
                    operands = [
                        x @ pooling.kernel.numpy()[cell]
                        + np.exp(a).sum() * pooling.count_kernel.numpy()[i, cell]
                        for i, (a, x) in enumerate(zip(maps, attended))
                    ]
                    seen = attended[0][None] if answers else image
                fused = chain(alphas[cell], seen, operands, text)
                if answers:
                    place = down(down(pointer)) if kind == "answer_4" else down(pointer)
                    inputs = np.concatenate([text, memory, fused.sum(axis=0)])
                    yield stack, place, inputs @ kernel[cell] + bias[cell]
                    continue
                place = {"push_3": up, "attention_4": down}.get(kind, lambda p: p)(pointer)
                written = np.log(sigmoid(4.0 * (fused @ kernel[cell] + bias[cell])))
                if name == "look_3":
                    written = written + self.related(model.relations[name], cell, text, top, image)
                yield write(stack, place, written), place, memory

    @staticmethod
    def related(relation, cell, text, attention, image):
        """Log probability that each place stands to what the map shows as the text wants it."""
        places = 2.0 * grid(HEIGHT, WIDTH).reshape(-1, 2)
        seen_from = np.tanh(4.0 * (places - softmax(attention) @ places))
        known = np.column_stack([seen_from, softmax(attention), np.ones_like(attention)])
        wanted = text @ relation.kernel.numpy()[cell] + relation.bias.numpy()[cell]
        score = known @ wanted
        if relation.likeness:
            named = text @ relation.likeness_kernel.numpy()[cell] / np.sqrt(image.shape[-1])
            score = score + (image * (softmax(attention) @ image)) @ named
            return np.log(sigmoid(score)) * relation.opened.numpy()
        return np.log(sigmoid(score))


CASES = {
    "paper": ("paper", Paper, {"attention_3": 2, "attention_4": 2, "module_mlp_dim": 7}),
    "paper_answers": ("paper", Paper, {"attention_3": 1, "attention_4": 1, "answer_4": 2}),
    "relational": ("relational", Relational, {}),
    "relational_with_lone_answers": ("relational", Relational, {"lone_answers": True}),
    "relational_where_looks_push": ("relational", Relational, {"looks_push": True}),
    "relational_with_likeness": ("relational", Relational, {"likeness": True}),
    "relational_without_looking_cells": ("relational", Relational, {"looking_cells": 0}),
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_forward_pass_is_that_of_the_formulas(case, fast):
    name, reference, choices = CASES[case]
    random = np.random.default_rng(len(case))
    model = make_model(make_config(name, **{**SIZES, **choices}))
    model = install(model) if fast else model
    features = random.normal(size=[BATCH, HEIGHT, WIDTH, CHANNELS]).astype(np.float32)
    question = np.array([[3, 7, 1, 4, 9], [5, 2, 8, 0, 0]], np.int32)
    inputs = {"features": tf.constant(features), "question": tf.constant(question)}
    model(inputs)
    for variable in model.trainable_variables:  # biases too, and mixtures far from even
        variable.assign(random.normal(scale=0.3, size=variable.shape).astype(np.float32))
    logits, trace = model(inputs)["logits"], model.trace(inputs)
    for example, length in enumerate((5, 3)):
        expected, weights, stack, pointer = reference(model).answer(
            features[example], question[example, :length]
        )
        bound = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(logits[example], expected, rtol=0, atol=bound)
        np.testing.assert_allclose(trace.module_weights[example], weights, atol=1e-5)
        stack = stack.reshape(HEIGHT, WIDTH, -1)
        bound = 1e-5 * np.abs(stack).max()
        np.testing.assert_allclose(trace.stack[example, -1], stack, rtol=0, atol=bound)
        np.testing.assert_allclose(trace.pointer[example, -1], pointer, atol=1e-5)
