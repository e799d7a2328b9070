"""What a cell computes, as an expression: composed of its operators, simplified, printed (Table 6).

conv2(choose2(conv1(I), a) ⊙ W1 c) = conv2(a ⊙ W1 c)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Union

from lnmn_tf.config.names import OPERATORS
from lnmn_tf.models.genotype import CONVENTIONS

__all__ = ["CONVENTIONS", "OPERATORS"]


class Symbol(NamedTuple):
    """An input of a node.

    Args:
        text, latex: how it is printed.
        sees: which of "picture", "map" and "text" have an influence on it.
    """

    text: str
    latex: str
    sees: frozenset[str]


class Apply(NamedTuple):
    """One operator on two operands."""

    operator: str
    first: Expression
    second: Expression


class Unit(NamedTuple):
    """x / ||x||_2 over the channels of a map; what has one channel is repeated in each."""

    of: Expression


class Sign(NamedTuple):
    """x / |x|, which is what normalising leaves of an attention map, with its one channel."""

    of: Expression


Expression = Union[Symbol, Apply, Unit, Sign]

IMAGE = Symbol("conv1(I)", r"\mathrm{conv}_1(I)", frozenset({"picture"}))
TEXT = Symbol("W1 c", r"W_1 c", frozenset({"text"}))
MAP = Symbol("a", "a", frozenset({"map"}))
FIRST_MAP = Symbol("a1", "a_1", frozenset({"map"}))
SECOND_MAP = Symbol("a2", "a_2", frozenset({"map"}))

_NAMES = {"min": "min", "max": "max", "choose_1": "choose1", "choose_2": "choose2"}
_INFIX = {"sum": "+", "product": "⊙"}
_LATEX = {
    "min": r"\min",
    "max": r"\max",
    "choose_1": r"\mathrm{choose}_1",
    "choose_2": r"\mathrm{choose}_2",
}


def compose(
    operators: Sequence[str],
    maps: Sequence[Symbol],
    image: Symbol = IMAGE,
    convention: str = CONVENTIONS[0],
    normalised: bool = False,
) -> Expression:
    """The chain of nodes of a cell (sections 3.1.1 and 3.1.2), as it stands.

    Args:
        operators: of its nodes, from first to last.
        maps: one or two.
        image: what the node that receives the image receives.
        convention: of `CONVENTIONS`.
        normalised: each node is divided by its norm over channels.
    """

    def node(operator: str, first: Expression, second: Expression) -> Expression:
        applied = Apply(operator, first, second)
        return Unit(applied) if normalised else applied

    operators = list(operators)
    if len(operators) != len(maps) + 1:
        raise ValueError(f"{len(operators)} operators for {len(maps)} maps; expected one more")
    result = maps[0]
    if len(maps) == 2:
        result = Apply(operators.pop(0), *maps)
        if normalised:
            wide = "picture" in maps[0].sees | maps[1].sees
            result = Unit(result) if wide else Sign(result)
        if convention == "result first":
            result = node(operators.pop(0), result, image)
        else:
            result = node(operators.pop(0), image, result)
    else:
        result = node(operators.pop(0), image, result)
    return node(operators.pop(0), result, TEXT)


def simplify(expression: Expression) -> Expression:
    """The same function: choose_i gives its operand, the norm of what has norm one is left out."""
    if isinstance(expression, Symbol):
        return expression
    if isinstance(expression, (Unit, Sign)):
        of, kind = simplify(expression.of), type(expression)
        return of if isinstance(of, kind) else kind(of)
    first, second = simplify(expression.first), simplify(expression.second)
    if expression.operator == "choose_1":
        return first
    if expression.operator == "choose_2":
        return second
    return Apply(expression.operator, first, second)


def symbols(expression: Expression) -> set[Symbol]:
    """The inputs that stand in it."""
    if isinstance(expression, Symbol):
        return {expression}
    parts = expression[1:] if isinstance(expression, Apply) else (expression.of,)
    return set().union(*map(symbols, parts))


def sees(expression: Expression) -> frozenset[str]:
    """Which of "picture", "map" and "text" it depends on, once it is simplified."""
    return frozenset().union(*(symbol.sees for symbol in symbols(simplify(expression))))


def to_text(expression: Expression) -> str:
    """In plain text, ⊙ for the product of elements."""
    if isinstance(expression, Symbol):
        return expression.text
    if not isinstance(expression, Apply):
        return f"{type(expression).__name__.lower()}({to_text(expression.of)})"
    operator, *operands = expression
    texts = [to_text(operand) for operand in operands]
    if operator in _NAMES:
        return f"{_NAMES[operator]}({texts[0]}, {texts[1]})"
    texts = _bracketed(operator, operands, texts, "({})")
    return f" {_INFIX[operator]} ".join(texts)


def to_latex(expression: Expression) -> str:
    r"""In LaTeX, \odot for the product of elements."""
    if isinstance(expression, Symbol):
        return expression.latex
    if not isinstance(expression, Apply):
        return rf"\mathrm{{{type(expression).__name__.lower()}}}({to_latex(expression.of)})"
    operator, *operands = expression
    texts = [to_latex(operand) for operand in operands]
    if operator in _LATEX:
        return rf"{_LATEX[operator]}({texts[0]}, {texts[1]})"
    texts = _bracketed(operator, operands, texts, "({})")
    return {"sum": " + ", "product": r" \odot "}[operator].join(texts)


def _bracketed(operator: str, operands, texts: list[str], brackets: str) -> list[str]:
    """A sum within a product needs brackets."""
    if operator != "product":
        return texts
    return [
        brackets.format(text) if isinstance(of, Apply) and of.operator == "sum" else text
        for of, text in zip(operands, texts)
    ]


def in_cell(body: Expression, answers: bool) -> str:
    """With what a cell makes of its last node: a convolution to one map, or memory features."""
    if not answers:
        return f"conv2({to_text(body)})"
    summed = to_text(body)
    if isinstance(body, Apply) and body.operator in _INFIX:
        summed = f"({summed})"
    return f"W2 [Σ {summed}, W1 c, f_mem]"


def in_cell_latex(body: Expression, answers: bool) -> str:
    """The same in LaTeX."""
    if not answers:
        return rf"\mathrm{{conv}}_2({to_latex(body)})"
    summed = to_latex(body)
    if isinstance(body, Apply) and body.operator in _INFIX:
        summed = f"({summed})"
    return rf"W_2 [\sum {summed}, W_1 c, f_{{\mathrm{{mem}}}}]"
