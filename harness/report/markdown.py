"""Pages as markdown."""

from __future__ import annotations

from collections.abc import Iterable

from harness.report.layout import Grid, Page


def as_markdown(pages: Iterable[Page]) -> str:
    return "\n".join(map(page_md, pages))


def page_md(page: Page) -> str:
    parts = [f"## {escaped(page.title)}", *map(escaped, page.conditions)]
    parts += [f"**{escaped(one)}**" for one in page.alarms]
    parts += [grid_md(grid) for grid in page.quality]
    parts += [listed(page.sentences), *(grid_md(grid) for grid in page.details), listed(page.notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def grid_md(grid: Grid) -> str:
    heads = [f"{column.header}, {column.unit}" if column.unit else column.header for column in grid.columns]
    rows = zip(*(column.cells for column in grid.columns), strict=True)
    body = [
        [f"**{escaped(one.text)}**" if one.style in ("best", "bad") else escaped(one.text) for one in row]
        for row in rows
    ]
    sides = [":--" if column.words else "--:" for column in grid.columns]
    lines = [f"| {' | '.join(line)} |" for line in (map(escaped, heads), sides, *body)]
    title = f"### {escaped(grid.title)}\n\n" if grid.title else ""
    return title + "\n".join(lines)


def listed(lines: list[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)


def escaped(text: str) -> str:
    """Text that markdown shows as it is."""
    for mark in ("\\", "|", "*", "_", "<", "`"):
        text = text.replace(mark, "\\" + mark)
    return text.replace("\n", " ")
