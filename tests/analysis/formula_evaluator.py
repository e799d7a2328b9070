"""Reads a printed formula by recursive descent and computes it in numpy; knows nothing of the program.

sum     = product {"+" product}
product = factor {"⊙" factor}
factor  = "(" sum ")" | "Σ" factor | "W1" "c" | name | name "(" sum {"," sum} ")" | name "[" sum {"," sum} "]"
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

Array = np.ndarray
_TOKEN = re.compile(r"\s*(?:(\w+)|(.))")


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "min": np.minimum,
    "max": np.maximum,
    "choose1": lambda x1, x2: x1,
    "choose2": lambda x1, x2: x2,
    "sign": np.sign,
    "exp": np.exp,
}


class Evaluator:
    """Computes formulas of some inputs.

    Args:
        inputs: "I", "a", "a1", "a2", "c", "f_mem", as far as they are used, [.., positions or 1, channels or 1].
        functions: "conv1", "W1", "conv2", "W2" and others, of arrays.
    """

    def __init__(self, inputs: dict[str, Array], functions: dict[str, Callable[..., Array]]):
        self.inputs, self.functions = inputs, {**FUNCTIONS, "unit": self.unit, **functions}

    def __call__(self, formula: str) -> Array:
        self.tokens = [name or sign for name, sign in _TOKEN.findall(formula)]
        value = self.sum()
        assert not self.tokens, f"left over: {self.tokens}"
        return value

    def unit(self, x: Array) -> Array:
        x = np.broadcast_to(x, (*x.shape[:-1], self.functions["shape"]()[-1]))
        norm = np.sqrt(np.sum(x**2, axis=-1, keepdims=True))
        return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)

    def take(self, *expected: str) -> str:
        token = self.tokens.pop(0)
        assert not expected or token in expected, f"{token!r} in place of {expected}"
        return token

    def next_is(self, token: str) -> bool:
        return bool(self.tokens) and self.tokens[0] == token

    def sum(self) -> Array:
        value = self.product()
        while self.next_is("+"):
            self.take()
            value = value + self.product()
        return value

    def product(self) -> Array:
        value = self.factor()
        while self.next_is("⊙"):
            self.take()
            value = value * self.factor()
        return value

    def factor(self) -> Array:
        token = self.take()
        if token == "(":
            value = self.sum()
            self.take(")")
            return value
        if token == "Σ":
            return np.sum(np.broadcast_to(self.factor(), self.functions["shape"]()), axis=-2)
        if token == "W1":
            return self.functions["W1"](self.inputs[self.take("c")])
        if self.next_is("(") or self.next_is("["):
            end = {"(": ")", "[": "]"}[self.take()]
            arguments = [self.sum()]
            while self.next_is(","):
                self.take()
                arguments.append(self.sum())
            self.take(end)
            return self.functions[token](*arguments)
        return self.inputs[token]
