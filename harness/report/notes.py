"""What a reader must know beside the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from harness.report.model import Row, Table
from harness.spec.records import Measure
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
        *unsteady(table.rows),
        *apart(table, environments),
        *homes(table, environments),
        *seeds(table),
        *dirty(table.rows),
    ]
    return list(dict.fromkeys(found))


def unfinished(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        if row.counts and not row.finished:
            yield f"{row.name}: {row.done} of {row.planned} samples done ({row.status}); paired on samples in common"


def simulated(rows: Iterable[Row]) -> Iterator[str]:
    labels = dict.fromkeys(row.label for row in rows if row.compression.simulated)
    if labels:
        yield f"{', '.join(labels)}: simulated, the saving is computed and not realised in memory"


def unsteady(rows: Iterable[Row]) -> Iterator[str]:
    """Timings that were taken while something still moved."""
    for row in rows:
        warm, throttled = row.costs.get("warmup_converged"), row.costs.get("throttled")
        if warm is not None and warm.estimate.value is not None and warm.estimate.value < 1:
            loose = round(warm.estimate.n * (1 - warm.estimate.value))
            yield f"{row.name}: latency had not settled after warming up, in {loose} of {warm.estimate.n} processes"
        if throttled is not None and throttled.estimate.value:
            held = round(throttled.estimate.n * throttled.estimate.value)
            yield f"{row.name}: the clock was held down (heat or power) in {held} of {throttled.estimate.n} processes"


def apart(table: Table, environments: Mapping[int, str]) -> Iterator[str]:
    """Rows that can't be compared with their baseline."""
    if table.baseline is None:
        yield "nothing here is compared: there is no baseline"
        return
    for row in table.rows:
        beside = table.baseline_of(row) or table.baseline
        away = sorted({run.environment_id for run in row.runs} - {run.environment_id for run in beside.runs})
        if away:
            where = "; ".join(environments.get(one, f"environment {one}") for one in away)
            yield f"{row.name} ran in another environment than its baseline and is not paired with it: {where}"


def homes(table: Table, environments: Mapping[int, str]) -> Iterator[str]:
    """Rows made in a named environment, and what it was."""
    found: dict[tuple[str, int], list[str]] = {}
    for row in table.rows:
        for run in row.runs:
            if run.environment:
                found.setdefault((run.environment, run.environment_id), []).append(row.label)
    for (name, number), labels in found.items():
        told = ", ".join(dict.fromkeys(labels))
        words = environments.get(number, f"environment {number}")
        yield f"made in environment {name} ({words}) and compared with the baseline made there: {told}"


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
    """How timings were taken, and how they came to their end."""
    return [*map(measure_words, table.measures), *table.ended]


def measure_words(one: Measure) -> str:
    least, most = one.processes, one.most
    processes = f"{least} to {most} processes" if most > least else f"{least} process{'es' if least > 1 else ''}"
    samples = f"{'at least ' if one.seconds else ''}{one.samples} samples"
    samples += f" and {one.seconds:g} s" if one.seconds else ""
    warmups = f"{'at least ' if one.steady else ''}{one.warmups} warm-ups"
    shown = "" if one.decides else "; shown without an outcome"
    return f"{one.name}: {processes} an arm, {warmups}, {samples}{shown}"
