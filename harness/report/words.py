"""Outcomes in words."""

from __future__ import annotations

from harness.report.model import CostCell, QualityCell, Row
from harness.report.units import p_value, places_for
from harness.stats.paired import DECIDED

OUTCOMES = {
    "better": "better than {0}",
    "worse": "worse than {0}",
    "higher": "higher than {0}",
    "lower": "lower than {0}",
    "equivalent": "equivalent to {0}",
    "undecided": "undecided against {0}",
}


COSTS = {  # what people call a reading, in the order of columns
    "ttft_s": "first token",
    "prefill_s": "prefill",
    "compress_s": "compression",
    "tpot_s": "per token",
    "latency_s": "whole request",
    "cold_latency_s": "cold call",
    "cache_bytes": "cache at end",
    "peak_allocated_bytes": "peak device",
    "peak_rss_growth_bytes": "peak growth",
    "peak_rss_bytes": "peak process",
    "flops": "compute",
    "estimated_flops": "compute, estimated before training",
    "qps": "queries/s",
    "batched_qps": "queries/s, batch",
    "energy_j": "energy",
    "net_j": "energy net",
    "prepare_s": "preparing",
    "prepare_flops": "preparing, compute",
    "prepare_energy_j": "preparing, energy",
    "prepare_peak_rss_growth_bytes": "preparing, peak growth",
}


THROUGHPUT = "throughput_"  # and how many inputs at once


def cost_name(metric: str) -> str:
    if metric.startswith(THROUGHPUT):
        return f"throughput, batch of {metric.removeprefix(THROUGHPUT)}"
    of, found, rest = metric.partition("_prepare_")
    if found:  # a teacher's
        return f"{of} {cost_name(f'prepare_{rest}')}"
    return COSTS.get(metric) or metric.rpartition("_")[0].replace("_", " ") or metric


def sentences(row: Row, baseline: Row | None) -> list[str]:
    """A line for each metric of a compared row, then one for the costs that were called something."""
    against = baseline.label if baseline else "its baseline"
    lines = [quality_words(cell, against) for cell in row.quality if cell.comparison is not None]
    called = [cost_words(cell) for cell in row.costs.values() if cell.comparison and cell.comparison.outcome]
    if called:
        lines.append("costs: " + "; ".join(called))
    return [f"{row.name}: {line}" for line in lines]


def quality_words(cell: QualityCell, against: str) -> str:
    found, metric = cell.comparison, cell.metric
    assert found is not None
    words = f"{OUTCOMES[found.outcome].format(against)} in {metric.name}"
    if found.delta is None:
        return f"{words}: {found.reason}."
    places, scale, unit = places_for(metric.unit), metric.scale, "points" if metric.unit == "%" else metric.unit
    difference = f"{found.delta * scale:+.{places}f} {unit}".rstrip()
    if found.interval is not None:
        difference += f" [{found.interval.low * scale:+.{places}f}, {found.interval.high * scale:+.{places}f}]"
    p = found.p if found.p_adjusted is None else found.p_adjusted
    chance = "" if p is None else f", p {'' if p < 0.001 else '= '}{p_value(p).replace('<', '< ')}"
    pairs = f"{found.differing} of {found.n} pairs differ"
    why = "" if found.outcome in DECIDED else f"; {found.reason}"
    return f"{words}: {difference}{chance}, {pairs}{why}."


def cost_words(cell: CostCell) -> str:
    found = cell.comparison
    assert found is not None
    assert found.change is not None
    within = f" [{found.interval.low:+.1%}, {found.interval.high:+.1%}]" if found.interval else ""
    return f"{cost_name(cell.metric)} {found.change:+.1%}{within} {found.outcome}"
