"""A comparison as one flat record a row, in SI units and full precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.report.model import CostCell, QualityCell, Report, Row, Table
from harness.report.settings import settings_text
from harness.spec.records import Plain
from harness.stats.intervals import Interval, Quantile

if TYPE_CHECKING:
    from pandas import DataFrame

SUFFIXES = {
    "%": "percent",
    "s": "s",
    "J": "j",
    "W": "w",
    "B": "bytes",
    "FLOP": "flops",
    "token/s": "tokens_per_s",
    "query/s": "queries_per_s",
}


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
        "weights_compression_ratio": row.compression.weights,
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
    values |= {f"{name}_of_{stratum}": scaled(mean) for stratum, mean in cell.strata.items()}
    if cell.by_run:
        values[f"{name}_by_run"] = " ".join(str(scaled(one)) for one in cell.by_run)
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
