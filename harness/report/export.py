"""The same comparison as a file: csv and json in SI units and full precision, md as people read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.report.layout import Grid, Page, lay_out
from harness.report.model import CostCell, QualityCell, Report, Row, Table
from harness.report.notes import alarms, legend
from harness.report.settings import settings_text
from harness.spec.errors import UsageError
from harness.spec.records import Plain
from harness.stats.intervals import Interval, Quantile
from harness.stats.resampling import DRAWS, SEED

if TYPE_CHECKING:
    from pandas import DataFrame

SUFFIXES = {"%": "percent", "s": "s", "J": "j", "W": "w", "B": "bytes", "FLOP": "flops", "token/s": "tokens_per_s"}


def export(report: Report, format: str) -> str:
    """
    Raises:
        UsageError: no such format.
    """
    if format not in FORMATS:
        raise UsageError(f"no format {format!r}; there are {', '.join(FORMATS)}")
    return FORMATS[format](report)


def as_csv(report: Report) -> str:
    return str(frame(report).to_csv(index=False))


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
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_md(report: Report) -> str:
    return "\n".join(page_md(lay_out(table)) for table in report.tables)


FORMATS: dict[str, Callable[[Report], str]] = {"csv": as_csv, "json": as_json, "md": as_md}


# One flat record a row.


def frame(report: Report) -> DataFrame:
    """One row a technique and setting; unknown is empty."""
    from pandas import DataFrame

    return DataFrame([record(table, row) for table in report.tables for row in table.rows])


def record(table: Table, row: Row) -> dict[str, Plain]:
    """Names carry units: `string_match_percent`, `ttft_s`, `cache_bytes`; what belongs to one starts with it."""
    found: dict[str, Plain] = {
        "task": table.task,
        "model": table.model,
        "device": table.device,
        "seeds": " ".join(map(str, table.seeds)),
        "runs": " ".join(str(run.id) for run in row.runs),
        "method": row.label,
        "settings": settings_text(row.settings),
        "role": row.role,
        "status": row.status,
        "reason": "; ".join(run.reason for run in row.runs if run.reason) or None,
        "planned": row.planned,
        "done": row.done,
    }
    found |= {f"nominal_{name}": value for name, value in row.compression.nominal.items()}
    found |= {
        "compression_ratio": row.compression.ratio,
        "compression_factor": row.compression.factor,
        "compression_reason": row.compression.reason,
        "memory_realised": not row.compression.simulated,
    }
    for quality in row.quality:
        found |= quality_record(quality)
    for cost in row.costs.values():
        found |= cost_record(cost)
    return found


def quality_record(cell: QualityCell) -> dict[str, Plain]:
    metric, found = cell.metric, cell.comparison
    name = named(metric.name, metric.unit)

    def scaled(value: float | None) -> float | None:
        return None if value is None else value * metric.scale

    values: dict[str, Plain] = {name: scaled(cell.estimate.value), f"{name}_n": cell.estimate.n}
    values |= ends(name, cell.estimate.interval, metric.scale)
    values[f"{name}_delta"] = scaled(found.delta) if found else None
    values |= ends(f"{name}_delta", found.interval if found else None, metric.scale)
    return values | {
        f"{name}_p": found.p if found else None,
        f"{name}_p_adjusted": found.p_adjusted if found else None,
        f"{name}_pairs": found.n if found else None,
        f"{name}_differing": found.differing if found else None,
        f"{name}_mde": scaled(found.mde) if found else None,
        f"{name}_outcome": found.outcome if found else None,
        f"{name}_reason": found.reason if found else cell.reason or cell.estimate.reason,
        f"{name}_test": (found.test or None) if found else None,
    }


def cost_record(cell: CostCell) -> dict[str, Plain]:
    name, found = named(cell.metric, cell.unit), cell.comparison
    values: dict[str, Plain] = {name: cell.estimate.value}
    if cell.metric == "flops" and cell.estimate.value is not None:
        values["macs"] = cell.estimate.value / 2
    if cell.timed:
        values |= {f"{name}_n": cell.estimate.n, **ends(name, cell.estimate.interval)}
        values |= {f"{name}_p95": at(cell.p95), f"{name}_p99": at(cell.p99)}
    values[f"{name}_change"] = cell.change
    if found is not None:
        values |= ends(f"{name}_change", found.interval)
        values[f"{name}_outcome"] = found.outcome
    return values | {f"{name}_source": cell.source, f"{name}_reason": cell.estimate.reason or cell.reason}


def named(name: str, unit: str) -> str:
    suffix = SUFFIXES.get(unit, "")
    return name if not suffix or name.endswith(suffix) else f"{name}_{suffix}"


def ends(name: str, interval: Interval | None, scale: float = 1.0) -> Mapping[str, Plain]:
    low, high = (None, None) if interval is None else (interval.low * scale, interval.high * scale)
    return {f"{name}_low": low, f"{name}_high": high}


def at(quantile: Quantile | None) -> float | None:
    return quantile.value if quantile else None


# Markdown.


def page_md(page: Page) -> str:
    parts = [f"## {escaped(page.title)}", *map(escaped, page.conditions)]
    parts += [f"**{escaped(one)}**" for one in page.alarms]
    parts += [grid_md(grid) for grid in page.quality]
    parts += [listed(page.sentences), *(grid_md(grid) for grid in page.costs), listed(page.notes)]
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
    return f"### {escaped(grid.title)}\n\n" + "\n".join(lines)


def listed(lines: list[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)


def escaped(text: str) -> str:
    """Text that markdown shows as it is."""
    for mark in ("\\", "|", "*", "_", "<", "`"):
        text = text.replace(mark, "\\" + mark)
    return text.replace("\n", " ")
