"""The analytical expressions of the modules that were learned (paper, Table 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lnmn_tf.analysis.expressions import (
    CONVENTIONS,
    IMAGE,
    Apply,
    Expression,
    Symbol,
    compose,
    in_cell,
    in_cell_latex,
    sees,
    simplify,
)
from lnmn_tf.analysis.ledger import Ledger
from lnmn_tf.analysis.probe import Probe
from lnmn_tf.analysis.subject import Subject
from lnmn_tf.models.genotype import strongest

PARTS = {"picture": "the picture", "map": "the attention map", "text": "the question"}


class Formula(NamedTuple):
    """A cell's strongest operators, put together."""

    operators: tuple[str, ...]
    composed: Expression
    simplified: Expression
    answers: bool

    @property
    def lost(self) -> list[str]:
        """Which of `PARTS` has no influence any more."""
        return [part for part in PARTS if part not in sees(self.simplified)]

    @property
    def text(self) -> str:
        """As Table 6 has it: as composed, and as simplified where that is shorter."""
        return self._chain(in_cell)

    @property
    def latex(self) -> str:
        return self._chain(in_cell_latex)

    def _chain(self, printed) -> str:
        forms = [printed(self.composed, self.answers), printed(self.simplified, self.answers)]
        return " = ".join(dict.fromkeys(forms))


def formula(
    operators: Sequence[str],
    maps: Sequence[Symbol],
    answers: bool,
    image: Symbol = IMAGE,
    convention: str = CONVENTIONS[0],
    normalised: bool = False,
) -> Formula:
    """The formula of one cell; see `compose`."""
    composed = compose(operators, maps, image, convention, normalised)
    return Formula(tuple(operators), composed, simplify(composed), answers)


def same(first: Expression, second: Expression) -> bool:
    """Whether two expressions are equal whatever the order of operands of min, max, + and ⊙ is."""
    return _in_sympy(first) == _in_sympy(second)


def _in_sympy(expression: Expression):
    """The expression of sympy, whose Min, Max, Add and Mul do not care about order."""
    import sympy

    if isinstance(expression, Symbol):
        return sympy.Symbol(expression.text, real=True)
    if not isinstance(expression, Apply):
        return sympy.Function(type(expression).__name__)(_in_sympy(expression.of))
    operands = [_in_sympy(expression.first), _in_sympy(expression.second)]
    if expression.operator.startswith("choose"):
        return operands[int(expression.operator[-1]) - 1]
    return {"min": sympy.Min, "max": sympy.Max, "sum": sympy.Add, "product": sympy.Mul}[
        expression.operator
    ](*operands)


def measure(subject: Subject, ledger: Ledger, options: Mapping[str, Any]) -> dict[str, Any]:
    """The formula of every cell, as JSON."""
    return describe(subject.probe.cells)


def formulas_of(cells) -> dict[str, Formula]:
    """The formula of each cell with alpha, by its name."""
    genotype = strongest({cell.name: cell.alpha for cell in cells})
    return {
        cell.name: formula(
            genotype[cell.name],
            cell.operands.maps,
            cell.answers,
            cell.operands.image,
            normalised=cell.normalised,
        )
        for cell in cells
    }


def for_board(network) -> dict[str, str]:
    """{"structure/formulas": Table 6 as it is now, in Markdown}, for TensorBoard; {} without nodes.

    Beside each formula stands the least weight of a strongest operator: near 1, the cell is its formula.
    """
    probe = Probe(network)
    if not probe.has_nodes:
        return {}
    lines = ["| cell | formula | its operators weigh at least | has lost |", "|---|---|---|---|"]
    mixtures = probe.mixtures
    for name, made in formulas_of(probe.cells).items():
        least = mixtures[name].max(axis=-1).min()
        lost = " and ".join(PARTS[part] for part in made.lost)
        lines.append(f"| {name} | {made.text} | {least:.2f} | {lost} |")
    return {"structure/formulas": "\n".join(lines)}


def describe(cells) -> dict[str, Any]:
    """Formulas of cells with alpha, what each has lost, and which are the same function."""
    entries, groups, notes = {}, [], []
    for cell, made in zip(cells, formulas_of(cells).values()):
        entries[cell.name] = {
            "kind": cell.kind,
            "modules": list(cell.modules),
            "operators": list(made.operators),
            "formula": made.text,
            "latex": made.latex,
            "lost": made.lost,
        }
        notes += [note for note in cell.notes if note not in notes]
        for group in groups:
            if group[0].answers == made.answers and same(group[0].simplified, made.simplified):
                group[1].append(cell.name)
                break
        else:
            groups.append((made, [cell.name]))
    if any(cell.normalised for cell in cells):
        notes.append(
            "unit(x) = x / ||x||_2 over channels; of a map of one channel that is its sign"
        )
    return {
        "convention": CONVENTIONS[0],
        "cells": entries,
        "same": [names for _, names in groups if len(names) > 1],
        "different": len(groups),
        "notes": notes,
    }


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a cell."""
    return [
        {
            "cell": name,
            "kind": cell["kind"],
            "operators": " ".join(cell["operators"]),
            "formula": cell["formula"],
            "latex": cell["latex"],
            "lost": " ".join(cell["lost"]),
        }
        for name, cell in result["cells"].items()
    ]


def summary(result: Mapping[str, Any]) -> str:
    """The formulas, line by line, and what is to be said of them."""
    width = max(map(len, result["cells"]))
    lines = [
        f"Second node of a cell of two maps: {result['convention']} (Table 6 of the paper: result first)."
    ]
    for name, cell in result["cells"].items():
        lines.append(f"{name:{width}}  {cell['formula']}")
        if cell["lost"]:
            lost = " and ".join(PARTS[part] for part in cell["lost"])
            lines.append(f"{'':{width}}  has lost {lost}")
    lines += [f"the same function: {', '.join(names)}" for names in result["same"]]
    return "\n".join([*lines, *result["notes"]])


def latex_table(result: Mapping[str, Any]) -> str:
    """Table 6 as a LaTeX tabular."""
    lines = [r"\begin{tabular}{ll}", r"Module type & Module implementation \\ \hline"]
    last = None
    for cell in result["cells"].values():
        kind = cell["kind"] if cell["kind"] != last else ""
        last = cell["kind"]
        lines.append(rf"{kind} & ${cell['latex']}$ \\")
    return "\n".join([*lines, r"\end{tabular}", ""])


def texts(result: Mapping[str, Any]) -> dict[str, str]:
    """{".txt": the summary, ".tex": Table 6}."""
    return {".txt": summary(result) + "\n", ".tex": latex_table(result)}


def draw(result: Mapping[str, Any]) -> dict[str, Any]:
    """{"": Table 6 as a picture}."""
    from lnmn_tf.analysis import pictures

    cells = list(result["cells"].items())
    printed = [_lines(cell["latex"]) for _, cell in cells]
    heights = [
        0.08 + 0.22 * len(lines) + 0.2 * bool(cell["lost"])
        for lines, (_, cell) in zip(printed, cells)
    ]
    notes = [f"Second node of a cell of two maps: {result['convention']}.", *result["notes"]]
    total = sum(heights) + 0.42 + 0.17 * len(notes)
    with pictures.style():
        figure = pictures.figure(7.6, total, layout="none")
        axes = figure.add_axes([0, 0, 1, 1])
        axes.set(xlim=(0, 7.6), ylim=(total, 0))
        axes.set_axis_off()
        y, last = 0.16, None
        for (name, cell), lines, height in zip(cells, printed, heights):
            if cell["kind"] != last:
                axes.plot([0.12, 7.48], [y - 0.04] * 2, color=pictures.LINE, linewidth=0.6)
                axes.text(
                    0.15, y + 0.13, cell["kind"], va="center", fontsize=7.5, color=pictures.PALE
                )
                last = cell["kind"]
            axes.text(1.6, y + 0.13, name, va="center", fontweight="bold")
            for number, latex in enumerate(lines):
                size = _SIZE * min(1.0, _ROOM / pictures.width_of(latex, _SIZE))
                axes.text(2.75, y + 0.13 + 0.22 * number, f"${latex}$", va="center", fontsize=size)
            if cell["lost"]:
                lost = " and ".join(PARTS[part] for part in cell["lost"])
                axes.text(
                    2.75,
                    y + 0.11 + 0.22 * len(lines),
                    f"has lost {lost}",
                    va="center",
                    fontsize=7.5,
                    style="italic",
                )
            y += height
        axes.plot([0.12, 7.48], [y - 0.02] * 2, color=pictures.LINE, linewidth=0.6)
        for note in notes:
            y += 0.17
            axes.text(0.15, y, note, va="center", fontsize=6.8, color=pictures.PALE)
    return {"": figure}


_SIZE, _ROOM = 8.5, 4.7  # of a formula in the picture: points, inches


def _lines(latex: str) -> list[str]:
    """A formula in one line, or what it is simplified to in a second one."""
    from lnmn_tf.analysis import pictures

    latex = latex.replace(r"\sum", r"\Sigma\,")
    if pictures.width_of(latex, _SIZE) <= _ROOM or " = " not in latex:
        return [latex]
    composed, _, simplified = latex.partition(" = ")
    return [composed, f"= {simplified}"]
