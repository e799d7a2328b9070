"""A report's tables as text, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lnmn_tf.analysis.report_tables import PAPER, Table

_LATEX = {
    "&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "±": r"$\pm$", "–": "--", "⊙": r"$\odot$",
    "Σ": r"$\Sigma$", "†": r"\dag{}", "‡": r"\ddag{}", "·": r"$\cdot$", "{": r"\{", "}": r"\}",
    "$": r"\$", "\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}",
}  # fmt: skip


def as_text(tables: Sequence[Table]) -> str:
    """All tables, in columns."""
    return "\n\n".join(_text(table) for table in tables) + "\n"


def _text(table: Table) -> str:
    head = ("", *table.columns, "from")
    body = [(row.label, *row.cells, row.source) for row in table.rows]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    lines = [f"Table {table.number}. {table.title}."]
    for line in [head, *body]:
        first, *cells, last = (x.ljust(w) for x, w in zip(line, widths))
        lines.append("  ".join([first, *cells, last]).rstrip())
    return "\n".join([*lines, *([table.note] if table.note else [])])


def as_csv(table: Table) -> str:
    """A table with columns for whose a row is and where it is from."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["row", "kind", *table.columns, "source"])
    writer.writerows([row.label, row.kind, *row.cells, row.source] for row in table.rows)
    return stream.getvalue()


def as_latex(tables: Sequence[Table]) -> str:
    """All tables for a paper that uses booktabs; the paper's rows first, in italics."""
    return "\n".join(_latex(table) for table in tables)


def _latex(table: Table) -> str:
    columns = "l" * (len(table.columns) + 1)
    head = " & ".join(map(latex, ("", *table.columns)))
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [rf"{head} \\", r"\midrule"]
    for row in table.rows:
        cells = [latex(text) for text in (row.label, *row.cells)]
        if row.kind == PAPER:
            cells = [rf"\textit{{{cell}}}" if cell else "" for cell in cells]
        lines.append(rf"{' & '.join(cells)} \\ % {row.source}")
    caption = latex(f"{table.title}. In italics: the paper's Table {table.number}. {table.note}")
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption.strip()}}}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def latex(text: str) -> str:
    """A text with its special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in text)
