"""Pages as one HTML file that stands alone: no script, nothing fetched, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from harness.report.layout import Cell, Column, Grid, Page

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
caption {{ text-align: left; font-weight: bold; padding: .8rem 0 .2rem; }}
th, td {{ padding: .2rem .8rem .2rem 0; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }}
thead {{ border-bottom: 1px solid; }}
.words {{ text-align: left; white-space: normal; }}
.best, .alarm {{ font-weight: bold; }}
.bad, .worse, .alarm {{ color: #c22; }}
.better {{ color: #282; }}
.dim, .conditions, .notes {{ opacity: .7; }}
</style>
</head>
<body>
"""


def as_html(pages: Iterable[Page]) -> str:
    pages = list(pages)
    title = escape("; ".join(page.title for page in pages) or "no results")
    return HEAD.format(title=title) + "\n".join(map(page_html, pages)) + "\n</body>\n</html>\n"


def page_html(page: Page) -> str:
    parts = [f"<h2>{escape(page.title)}</h2>"]
    parts += [f'<p class="conditions">{escape(one)}</p>' for one in page.conditions]
    parts += [f'<p class="alarm">{escape(one)}</p>' for one in page.alarms]
    parts += [grid_html(grid) for grid in page.quality]
    parts += [listed(page.sentences, "sentences"), *(grid_html(grid) for grid in page.details)]
    parts.append(listed(page.notes, "notes"))
    return "\n".join(part for part in parts if part)


def grid_html(grid: Grid) -> str:
    caption = f"<caption>{escape(grid.title)}</caption>" if grid.title else ""
    heads = "".join(f'<th scope="col"{classes(column)}>{head(column)}</th>' for column in grid.columns)
    rows = zip(*(column.cells for column in grid.columns), strict=True)
    body = "\n".join(f"<tr>{''.join(map(cell_html, row, grid.columns))}</tr>" for row in rows)
    return f"<table>{caption}\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def head(column: Column) -> str:
    return escape(column.header) + (f"<br>{escape(column.unit)}" if column.unit else "")


def cell_html(cell: Cell, column: Column) -> str:
    return f"<td{classes(column, cell.style)}>{escape(cell.text)}</td>"


def classes(column: Column, style: str = "") -> str:
    """Styles are a closed set of the layout's own words; outcomes are among them."""
    names = " ".join(name for name in ("words" if column.words else "", style) if name)
    return f' class="{escape(names)}"' if names else ""


def listed(lines: list[str], kind: str) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>' if lines else ""
