"""Verdicts for people (plain text, md) and for programs (json)."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.claims.model import VERDICTS, Claim, Finding, Side, Verdict
from harness.report.units import p_value, places_for, scale_for, spread
from harness.spec.records import Metric, Plain
from harness.stats.intervals import Interval
from harness.stats.paired import Comparison

WIDTH = 100
BESIDE = {"beats": "beats", "at_least": "is no worse than", "difference": "against"}

Verdicts = Mapping[str, Sequence[Verdict]]  # by plugin


def as_text(verdicts: Verdicts) -> str:
    parts = []
    for plugin, found in verdicts.items():
        for one in found:
            lines = [f"{plugin}/{one.claim.name}: {one.word.upper()}: {one.reason}", one.claim.says, *told(one)]
            parts.append("\n".join(folded(line, place) for place, line in enumerate(lines)))
            if one.claim.typed:
                parts[-1] += f"\n  $ {one.claim.typed}"  # in one piece, so that it can be copied
    return "\n\n".join([*parts, summary(verdicts)]) + "\n"


def folded(line: str, place: int) -> str:
    indent = "  " if place else ""
    return textwrap.fill(line, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)


def as_md(verdicts: Verdicts) -> str:
    lines = ["|Claim|Verdict|Figures|n|Runs|", "|-|-|-|-|-|"]
    for plugin, found in verdicts.items():
        for one in found:
            figures, n, runs = ("", "", "") if one.finding is None else columns(one.finding)
            cells = [f"{plugin}/{one.claim.name}", f"{one.word}: {one.reason}", figures, n, runs]
            lines.append("|" + "|".join(cell.replace("|", "\\|") for cell in cells) + "|")
    for plugin, found in verdicts.items():
        for one in found:
            lines += ["", f"**{plugin}/{one.claim.name}**: {one.claim.says}", ""]
            lines += [f"- {line}" for line in told(one)]
            lines += ["", "```", one.claim.typed, "```"] if one.claim.typed else []
    return "\n".join([*lines, "", summary(verdicts)]) + "\n"


def as_json(verdicts: Verdicts) -> str:
    records = [record(plugin, one) for plugin, found in verdicts.items() for one in found]
    return json.dumps(records, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS = {"text": as_text, "md": as_md, "json": as_json}


def summary(verdicts: Verdicts) -> str:
    count = Counter(one.word for found in verdicts.values() for one in found)
    total = f"{count.total()} {'claim' if count.total() == 1 else 'claims'}"
    return f"{total}: " + ", ".join(f"{count[word]} {word}" for word in VERDICTS if count[word]) + "."


# One claim in sentences.


def told(one: Verdict) -> list[str]:
    claim = one.claim
    lines = [] if one.finding is None else figures(one.finding)
    lines += [f"expected: {claim.expected}"] if claim.expected else []
    lines += [f"{claim.kind}: {published(claim)}" if claim.kind == "published" else f"trend; source: {claim.source}"]
    lines += one.others
    return lines


def published(claim: Claim) -> str:
    value = "" if claim.value is None else f" {claim.value:g}"
    within = "" if claim.tolerance is None else f" ± {claim.tolerance:g}"
    what = claim.metric or claim.cost
    return f"{what}{value}{within} on {claim.model}, {claim.task}, {claim.setting}; source: {claim.source}"


def figures(found: Finding) -> list[str]:
    lines = [between(found, place) for place in range(len(found.comparisons))] or [alone(found)]
    if all(side.kept is not None for side in found.sides):
        within = "" if found.claim.equal_bytes is None else f" ({found.claim.equal_bytes:.1%} apart is allowed)"
        kept = [f"{side.kept:.2%}" for side in found.sides if side.kept is not None]
        lines.append(f"bytes kept: {' against '.join(kept)}{within}")
    proofs = [evidence(side) for side in found.sides]
    lines += [f"evidence: {' against '.join(proofs)}"] if all(proofs) else []
    seeds = f"seed{'s' if len(found.seeds) > 1 else ''} {', '.join(map(str, found.seeds))}"
    runs = ", ".join(str(run) for side in found.sides for run in side.runs)
    return [*lines, f"runs {runs}; {seeds}; {found.where}", *(f"note: {note}" for note in found.notes)]


def between(found: Finding, place: int) -> str:
    better, worse, one = found.sides[place], found.sides[place + 1], found.comparisons[place]
    beside = BESIDE[str(found.claim.holds)]
    words = f"{better.label} {beside} {worse.label}? {scores(found, (better, worse))}"
    if found.claim.cost:
        return f"{words}: {difference(one, found)}, {one.n} processes an arm"
    return f"{words}: {difference(one, found)}, n = {one.n}, {one.differing} differ"


def scores(found: Finding, sides: Sequence[Side]) -> str:
    if not found.claim.cost:
        return " against ".join(score(one, found.metric) for one in sides)
    values = [one.estimate.value for one in sides]
    scale = scale_for(sides[0].unit, [one for one in values if one is not None])
    texts = ["unknown" if one is None else f"{spread(one * scale.factor, None)} {scale.unit}" for one in values]
    return f"{found.claim.cost} {' against '.join(texts)}"


def alone(found: Finding) -> str:
    (side,) = found.sides
    interval = ends(side.estimate.interval, found.metric, "")
    return f"{side.label}: {score(side, found.metric)}{interval}, n = {side.estimate.n}"


def difference(one: Comparison, found: Finding) -> str:
    metric = found.metric
    if one.delta is None:
        return one.reason
    unit = "points" if metric.unit == "%" and not found.claim.cost else metric.unit
    words = f"{one.delta * metric.scale:+.{places_for(metric.unit)}f} {unit}".rstrip() + ends(one.interval, metric, "+")
    p = one.p if one.p_adjusted is None else one.p_adjusted
    return words if p is None else f"{words}, p {'< 0.001' if p < 0.001 else '= ' + p_value(p)}"


def ends(interval: Interval | None, metric: Metric, sign: str) -> str:
    if interval is None:
        return ""
    low, high = (format(end * metric.scale, f"{sign}.{places_for(metric.unit)}f") for end in interval)
    return f" [{low}, {high}]"


def score(side: Side, metric: Metric) -> str:
    if side.estimate.value is None:
        return f"unknown ({side.estimate.reason})"
    return f"{side.estimate.value * metric.scale:.{places_for(metric.unit)}f} {metric.unit}".rstrip()


def evidence(side: Side) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in side.evidence.items())


def columns(found: Finding) -> tuple[str, str, str]:
    """For a table: figures, n, runs."""
    runs = ", ".join(str(run) for side in found.sides for run in side.runs)
    told = scores(found, found.sides)
    if not found.comparisons:
        return told + ends(found.sides[0].estimate.interval, found.metric, ""), str(found.n), runs
    differences = "; ".join(difference(one, found) for one in found.comparisons)
    return f"{told}: {differences}", str(found.n), runs


# For programs: scores in the metric's unit.


def record(plugin: str, one: Verdict) -> dict[str, Plain]:
    claim = one.claim
    about = ["name", "kind", "says", "source", "model", "task", "setting", "metric", "cost", "holds", "value"]
    about += ["tolerance", "equal_bytes", "equal", "expected", "needs"]
    return {
        "plugin": plugin,
        **{key: getattr(claim, key) for key in about},
        "tuned_on": list(claim.tuned_on),
        "command": claim.typed,
        "verdict": one.word,
        "reason": one.reason,
        "finding": None if one.finding is None else finding_record(one.finding),
        "others": list(one.others),
    }


def finding_record(found: Finding) -> dict[str, Plain]:
    scale = found.metric.scale

    def scaled(value: float | None) -> float | None:
        return None if value is None else value * scale

    def bounds(interval: Interval | None) -> list[float] | None:
        return None if interval is None else [end * scale for end in interval]

    def side(one: Side) -> dict[str, Any]:
        if found.claim.cost:  # in its own unit
            own: dict[str, Any] = {"value": one.estimate.value, "unit": one.unit, "n": one.estimate.n}
        else:
            own = {"value": scaled(one.estimate.value), "interval": bounds(one.estimate.interval), "n": one.estimate.n}
        return {"label": one.label, "runs": list(one.runs), **own, "kept": one.kept, "evidence": dict(one.evidence)}

    def comparison(one: Comparison) -> dict[str, Any]:
        own = {"delta": scaled(one.delta), "interval": bounds(one.interval), "p": one.p, "p_adjusted": one.p_adjusted}
        return {**own, "n": one.n, "differing": one.differing, "outcome": one.outcome, "test": one.test}

    return {
        "unit": found.metric.unit,
        "arms": [side(one) for one in found.sides],
        "comparisons": [comparison(one) for one in found.comparisons],
        "n": found.n,
        "wanted": found.wanted,
        "seeds": list(found.seeds),
        "where": found.where,
        "notes": list(found.notes),
    }
