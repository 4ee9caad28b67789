"""What a reader must know beside the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from harness.report.model import Row, Table
from harness.stats.resampling import DRAWS, SEED


def alarms(table: Table) -> list[str]:
    """Runs whose numbers are not counted, and why."""
    return [
        f"{row.name} is {run.status.upper()}, its numbers are not counted: {run.reason or 'no reason given'}"
        for row in table.rows
        for run in row.runs
        if not run.counts
    ]


def notes(table: Table, environments: Mapping[int, str]) -> list[str]:
    found = [
        *(note for row in table.rows for run in row.runs for note in run.about.get("notes", [])),
        *unfinished(table.rows),
        *simulated(table.rows),
        *apart(table, environments),
        *seeds(table),
        *dirty(table.rows),
    ]
    return list(dict.fromkeys(found))


def unfinished(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        if row.counts and not row.finished:
            yield f"{row.name}: {row.done} of {row.planned} samples done ({row.status}); paired on samples in common"


def simulated(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        if row.compression.simulated:
            yield f"{row.name}: simulated, its saving is computed and not realised in memory"


def apart(table: Table, environments: Mapping[int, str]) -> Iterator[str]:
    """Rows that can't be compared with their baseline."""
    if table.baseline is None:
        yield "nothing here is compared: there is no baseline"
        return
    homes = {run.environment_id for run in table.baseline.runs}
    for row in table.rows:
        away = sorted({run.environment_id for run in row.runs} - homes)
        if away:
            where = "; ".join(environments.get(one, f"environment {one}") for one in away)
            yield f"{row.name} ran in another environment than its baseline and is not paired with it: {where}"


def seeds(table: Table) -> Iterator[str]:
    if len(table.seeds) > 1:
        yield f"seeds {', '.join(map(str, table.seeds))} together; samples and timings pair within a seed"


def dirty(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        for run in row.runs:
            core = str(run.about.get("core", ""))
            if core.endswith("dirty"):
                yield f"made with uncommitted changes to the core ({core})"


def legend(table: Table) -> list[str]:
    """How to read the numbers."""
    comparisons = [cell.comparison for row in table.rows for cell in row.quality if cell.comparison is not None]
    lines = [f"± is half the 95 % interval; resampling uses {DRAWS:,} draws, seed {SEED}"] if table.metrics else []
    tests = list(dict.fromkeys(one.test for one in comparisons if one.test))
    lines += [f"Δ is against the baseline, paired: {test}" for test in tests]
    if comparisons:
        lines.append("MDE is the smallest true difference that 80 of 100 such studies would find")
    if any(one.p_adjusted is not None for one in comparisons):
        lines.append("p is adjusted by Holm over what is said of one technique and setting in this study")
    if any("flops" in row.costs for row in table.rows):
        lines.append("one multiply-accumulate counts as 2 FLOPs")
    if len(comparisons) > 1:
        lines.append("p is not adjusted for how many techniques and settings there are")
    return lines


def protocol(table: Table) -> list[str]:
    """How timings were taken."""
    return [
        f"{one.name}: {one.processes} {'process' if one.processes == 1 else 'processes'} an arm, "
        f"{one.warmups} warm-ups, {'at least ' if one.seconds else ''}{one.samples} samples"
        + (f" and {one.seconds:g} s" if one.seconds else "")
        + ("" if one.decides else "; shown without an outcome")
        for one in table.measures
    ]
