"""Pages as LaTeX tables for a paper: booktabs, the baseline first, the best in bold."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.report.layout import Cell, Grid, Page

NEEDS = "% needs \\usepackage{booktabs}\n"

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{mark: "\\" + mark for mark in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # what the tables use beyond ASCII
    "±": r"$\pm$",
    "→": r"$\to$",
    "×": r"$\times$",
    "Δ": r"$\Delta$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "–": "--",
    "…": r"\ldots{}",
    **{raised: rf"\textsuperscript{{{digit}}}" for digit, raised in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}
MINUS = re.compile(r"(?<![\w}])-(?=\d)")  # a hyphen before a number that no word ends in


def as_latex(pages: Iterable[Page]) -> str:
    return NEEDS + "\n".join(map(page_latex, pages))


def page_latex(page: Page) -> str:
    """A table a grid; what a reader must know stands above as comments, to be taken into the text."""
    told = [page.title, *page.conditions, *(f"!! {one}" for one in page.alarms), *page.sentences, *page.notes]
    comments = "".join(f"% {' '.join(line.split())}\n" for line in told)
    return comments + "\n".join(table(grid, page.title) for grid in [*page.quality, *page.details])


def table(grid: Grid, title: str) -> str:
    sides = "".join("l" if column.words else "r" for column in grid.columns)
    rows = list(zip(*(column.cells for column in grid.columns), strict=True))
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped('. '.join(part for part in (title, grid.title) if part))}}}",
        rf"\begin{{tabular}}{{{sides}}}",
        r"\toprule",
        joined(escaped(column.header) for column in grid.columns),
        *([joined(escaped(column.unit) for column in grid.columns)] if any(c.unit for c in grid.columns) else []),
        r"\midrule",
        *(joined(map(cell, row)) for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def joined(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def cell(one: Cell) -> str:
    text = escaped(one.text)
    return rf"\textbf{{{text}}}" if one.style == "best" and text else text


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is. A row may not begin with a bracket, which `\\\\` would take for its own."""
    shown = MINUS.sub("$-$", "".join(SPECIAL.get(mark, mark) for mark in " ".join(text.split())))
    return f"{{}}{shown}" if shown.startswith(("[", "*")) else shown
