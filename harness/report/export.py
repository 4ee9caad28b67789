"""Results as a file: csv, json and parquet in SI units and full precision; md, html and latex as people read them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from math import isinf
from typing import TYPE_CHECKING, Any

from harness.report.flat import frame, record
from harness.report.html import as_html
from harness.report.latex import as_latex
from harness.report.layout import Cell, Column, Grid, Page, lay_out
from harness.report.markdown import as_markdown
from harness.report.model import Report
from harness.report.notes import alarms, legend
from harness.report.units import titled
from harness.spec.errors import HarnessError, UsageError
from harness.spec.records import Plain
from harness.stats.resampling import DRAWS, SEED

if TYPE_CHECKING:
    from pandas import DataFrame

PAGES: dict[str, Callable[[Iterable[Page]], str]] = {"md": as_markdown, "html": as_html, "latex": as_latex}
FORMATS = ("csv", "json", "parquet", *PAGES)
BINARY = ("parquet",)
NO_PARQUET = "parquet needs pyarrow: pip install 'harness-ml[parquet]'"


def export(report: Report, format: str) -> str | bytes:
    """A comparison; bytes where the format is one of BINARY.

    Raises:
        UsageError: no such format.
        HarnessError: what it needs is not installed.
    """
    check(format)
    if format == "json":
        return as_json(report)
    if format in PAGES:
        return PAGES[format](lay_out(table) for table in report.tables)
    return written(frame(report), format)


def export_frame(rows: DataFrame, title: str, format: str) -> str | bytes:
    """A frame of runs, samples or readings.

    Raises:
        UsageError: no such format.
        HarnessError: what it needs is not installed.
    """
    check(format)
    rows = settled(rows)
    return PAGES[format]([sheet(rows, title)]) if format in PAGES else written(rows, format)


def export_pages(pages: Iterable[Page], format: str) -> str | bytes:
    """What is laid out already; as a frame, its cost tables as they are read.

    Raises:
        UsageError: no such format.
        HarnessError: what it needs is not installed.
    """
    from pandas import DataFrame, concat

    check(format)
    if format in PAGES:
        return PAGES[format](pages)
    grids = [grid for page in pages for grid in page.costs]
    frames = [
        DataFrame({titled(one.header, one.unit): [cell.text for cell in one.cells] for one in grid.columns})
        for grid in grids
    ]
    return written(concat(frames, ignore_index=True) if frames else DataFrame(), format)


def check(format: str) -> None:
    if format not in FORMATS:
        raise UsageError(f"no format {format!r}; there are {', '.join(FORMATS)}")


def written(rows: DataFrame, format: str) -> str | bytes:
    if format == "csv":
        return str(rows.to_csv(index=False))
    if format == "json":
        return str(rows.to_json(orient="records", indent=2, date_format="iso", force_ascii=False)) + "\n"
    out = io.BytesIO()
    try:
        rows.to_parquet(out, engine="pyarrow", index=False)
    except ImportError:
        raise HarnessError(NO_PARQUET) from None
    return out.getvalue()


def as_json(report: Report) -> str:
    tables = [
        {
            "task": table.task,
            "model": table.model,
            "device": table.device,
            "seeds": list(table.seeds),
            "conditions": dict(table.conditions),
            "sources": [asdict(source) for source in table.sources],
            "measures": [asdict(measure) for measure in table.measures],
            "rows": [record(table, row) for row in table.rows],
            "alarms": alarms(table),
            "notes": [*legend(table), *table.notes],
        }
        for table in report.tables
    ]
    whole = {"study": report.title, "draws": DRAWS, "resampling_seed": SEED, "tables": tables}
    return json.dumps(worded(whole), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def worded(plain: Plain) -> Plain:
    """With the infinite numbers, which JSON does not have, as words."""
    if isinstance(plain, dict):
        return {key: worded(value) for key, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [worded(value) for value in plain]
    infinite = isinstance(plain, float) and isinf(plain)
    return ("Infinity" if plain > 0 else "-Infinity") if infinite else plain


# Frames.


def settled(rows: DataFrame) -> DataFrame:
    """Cells that every format takes: a column that holds lists, or values of several kinds, becomes JSON."""
    from pandas.api.types import is_object_dtype

    found = rows.copy()
    for name in (name for name in found.columns if is_object_dtype(found[name])):
        known = found[name].map(lambda value: value is not None and value == value)
        kinds = {type(value) for value in found.loc[known, name]}
        if kinds and not any(kinds <= alike for alike in ({str}, {bool}, {int, float})):
            found[name] = found[name].where(~known, found.loc[known, name].map(as_text))
    return found


def as_text(value: Plain) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def sheet(rows: DataFrame, title: str) -> Page:
    columns = tuple(Column(str(name), tuple(Cell(shown(value)) for value in rows[name]), words=True) for name in rows)
    return Page(title, [], [], [Grid("", columns)], [], [], [])


def shown(value: Any) -> str:
    from pandas import isna

    if isna(value):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
