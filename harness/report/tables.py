"""Drawing a comparison on a terminal, or wherever its output goes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

from harness.report.layout import Cell, Column, Grid, Page, lay_out
from harness.report.model import Report
from harness.spec.text import printable

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 120
GAP = 3  # between columns, the box's own space among them
STYLES = {"best": "bold", "bad": "bold red", "dim": "dim", "better": "green", "worse": "red"}


def show(report: Report) -> None:
    """Prints a comparison to standard output."""
    show_pages(lay_out(table) for table in report.tables)


def show_pages(pages: Iterable[Page]) -> None:
    """In colour on a terminal, plain and 120 wide elsewhere."""
    import sys

    from rich.console import Console

    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PIPED_WIDTH
    draw(pages, Console(width=width, highlight=False))


def render(report: Report, width: int = PIPED_WIDTH) -> str:
    """The same as plain text."""
    from rich.console import Console

    out = StringIO()
    pages = [lay_out(table) for table in report.tables]
    draw(pages, Console(file=out, width=width, highlight=False, color_system=None, force_terminal=False))
    return out.getvalue()


def draw(pages: Iterable[Page], console: Console) -> None:
    for page in pages:
        draw_page(page, console)


def draw_page(page: Page, console: Console) -> None:
    line(console, page.title, "bold")
    lines(console, page.conditions, "dim")
    lines(console, page.alarms, "bold red", "!! ")
    for grid in page.quality:
        draw_grid(grid, console)
    lines(console, ["", *page.sentences] if page.sentences else [])
    for grid in page.details:
        draw_grid(grid, console)
    lines(console, ["", *page.notes] if page.notes else [], "dim")
    console.print()


def line(console: Console, text: str, style: str = "", prefix: str = "") -> None:
    """One line of text, folded under itself; numbers and words stay whole."""
    from rich.text import Text

    console.print(Text(prefix + printable(text), style=style), soft_wrap=False)


def lines(console: Console, texts: Iterable[str], style: str = "", prefix: str = "") -> None:
    for text in texts:
        line(console, text, style, prefix)


def draw_grid(grid: Grid, console: Console) -> None:
    for index, part in enumerate(fit(harmless(grid), console.width)):
        console.print()
        line(console, grid.title if index == 0 else f"{grid.title} (continued)", "bold")
        console.print(rich_table(part, console.width))


def harmless(grid: Grid) -> Grid:
    """Without what a terminal obeys, before anything is measured."""
    columns = [
        replace(
            column,
            header=printable(column.header),
            cells=tuple(replace(cell, text=printable(cell.text)) for cell in column.cells),
        )
        for column in grid.columns
    ]
    return replace(grid, columns=tuple(columns))


def rich_table(columns: Sequence[Column], width: int) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, GAP - 1, 0, 0), show_edge=False)
    for column in columns:
        header = f"{column.header}\n{column.unit}" if any(one.unit for one in columns) else column.header
        drawn.add_column(
            Text(header),
            justify="left" if column.words else "right",
            no_wrap=not column.words,
            min_width=None if column.words else breadth(column),
            max_width=share_for_words(columns, width) if column.words else None,
            overflow="fold",
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        drawn.add_row(*(Text(cell.text, style=STYLES.get(cell.style, "")) for cell in row))
    return drawn


def fit(grid: Grid, width: int) -> list[list[Column]]:
    """Columns in as many tables as it takes: numbers are never cut, what tells the rows apart comes again in each."""
    told = [column for column in grid.columns if column.tells_rows]
    numbers = [column for column in grid.columns if not column.tells_rows]
    widest = share_for_words(told, width)
    taken = sum((min(breadth(column), widest) if column.words else breadth(column)) + GAP for column in told)
    parts: list[list[Column]] = [[]]
    used = taken
    for group in joined(numbers):
        needed = sum(breadth(column) + GAP for column in group)
        if parts[-1] and used + needed > width + GAP:
            parts.append([])
            used = taken
        parts[-1] += group
        used += needed
    return [[*told, *part] for part in parts]


def joined(columns: Iterable[Column]) -> list[list[Column]]:
    """Columns that stay together."""
    groups: list[list[Column]] = []
    for column in columns:
        if column.joined and groups:
            groups[-1].append(column)
        else:
            groups.append([column])
    return groups


def share_for_words(columns: Sequence[Column], width: int) -> int:
    """Words may take 45 % of the width, together."""
    count = sum(column.words for column in columns)
    return max(10, int(width * 0.45) // max(1, count))


def breadth(column: Column) -> int:
    from rich.cells import cell_len

    heads = [Cell(column.header), Cell(column.unit)]
    return max(cell_len(cell.text) for cell in (*heads, *column.cells))
