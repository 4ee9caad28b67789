"""From matching runs to a verdict, by the comparisons that reports make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from harness.claims import costs
from harness.claims.demand import Demand, demand
from harness.claims.match import Match, Matches, match
from harness.claims.model import Claim, Finding, Side, Verdict
from harness.config.compose import Composer
from harness.plugin.discovery import Registry
from harness.report.compare import compare_study
from harness.report.gather import Defaults, environment_words, view
from harness.report.model import Row, RunView, StudyView, Table
from harness.spec.errors import PluginError
from harness.stats.intervals import Interval
from harness.stats.paired import Comparison, adjust
from harness.store import queries
from harness.store.queries import Member, Run

if TYPE_CHECKING:
    from harness.store.writer import Store


def judge_claim(claim: Claim, registry: Registry, store: Store | None, composer: Composer) -> Verdict:
    """What the runs in the store say of a claim."""
    if claim.blocked:
        return Verdict(claim, "not run", f"can't be run here: {claim.blocked}")
    try:
        wanted = demand(claim, registry, composer)
    except PluginError as error:
        return Verdict(claim, "not run", f"can't be run here: {error}")
    runs = runs_of({arm.name for arm in wanted.arms}, store)
    matches = match(wanted, runs, registry)
    if store is None or not matches.found:
        needs = f"; it needs {claim.needs}" if claim.needs else ""
        return Verdict(claim, "not run", f"no matching run in the store{needs}", others=unfit_words(matches))
    rulings = [rule(find(wanted, one, store, registry)) for one in matches.found]
    # The newest runs speak, unless they are unfinished and older ones are whole.
    chosen = next((one for one in rulings if one.finding and one.finding.n >= wanted.n), rulings[0])
    elsewhere = [f"{one.word} by {runs_words(one.finding)}" for one in rulings if one is not chosen and one.finding]
    return replace(chosen, others=(*elsewhere, *unfit_words(matches)))


def runs_of(methods: Iterable[str], store: Store | None) -> list[Run]:
    if store is None:
        return []
    ids = [int(number) for name in sorted(methods) for number in queries.runs(store, method=name)["id"]]
    return list(queries.details(store, ids).values())


def unfit_words(matches: Matches) -> tuple[str, ...]:
    """What there is that does not count."""
    told = [f"{count} {words}" for words, count in sorted(matches.unfit.items(), key=lambda one: -one[1])]
    return (f"runs that do not count: {'; '.join(told)}",) if told else ()


def runs_words(finding: Finding) -> str:
    return f"runs {', '.join(str(run) for side in finding.sides for run in side.runs)} ({finding.where})"


# What was found.


def find(wanted: Demand, found: Match, store: Store, registry: Registry) -> Finding:
    """Each arm compared with the next, in pairs of samples or of processes."""
    arms = len(wanted.arms)
    defaults = {name: method().settings() for name, method in registry.methods.items()}
    pairs: list[tuple[int, ...]] = [(place + 1, place) for place in range(arms - 1)] or [(0,)]
    tables = [table_of(wanted, found, pair, store, defaults) for pair in pairs]
    rows = [tables[0].rows[-1], *(table.rows[0] for table in tables)][-arms:]
    beside = [row for table in tables for row in table.rows[1:]]
    if wanted.metric is None:
        metric = costs.metric(rows, wanted.claim.cost)
        comparisons = [costs.change(row, wanted.claim.cost) for row in beside]
    else:
        metric = wanted.metric
        comparisons = [one for row in beside if (one := row.quality[0].comparison) is not None]
    if len(comparisons) > 1:
        comparisons = adjust(comparisons)
    first = next(iter(found.by_seed.values()))[0]
    precision = first.spec["model"]["knobs"].get("dtype")
    place = [environment_words(first.facts), first.device, *([precision] if precision else [])]
    return Finding(
        claim=wanted.claim,
        metric=metric,
        sides=tuple(side(row, store, wanted.claim.cost) for row in rows),
        comparisons=tuple(comparisons),
        n=min([one.n for one in comparisons] or [rows[0].quality[0].estimate.n]),
        wanted=wanted.n,
        seeds=tuple(found.by_seed),
        where=", ".join(filter(None, place)),
        notes=(*older_code(found, registry), *dict.fromkeys(note for table in tables for note in table.notes)),
    )


def table_of(wanted: Demand, found: Match, places: Sequence[int], store: Store, defaults: Defaults) -> Table:
    """The arms at `places`, the first as the baseline of the other."""
    arms = [[runs[place].id for place in places] for runs in found.by_seed.values()]
    readings = queries.readings(store, [run for ids in arms for run in ids] if wanted.claim.cost else [])
    members: list[Member] = []
    for base, *others in arms:
        session = costs.timed_together(store, readings, [base, *others])
        members.append(Member(len(members), base, "baseline", None, session, True))
        members += [Member(len(members), one, "method", base, session, True) for one in others]
    gathered = view(store, wanted.claim.name, members, readings, defaults)
    if wanted.of_evidence and wanted.metric is not None:
        gathered = with_evidence(gathered, wanted.metric.name, store)
    (table,) = compare_study(alike(gathered, wanted)).tables
    return table


def alike(gathered: StudyView, wanted: Demand) -> StudyView:
    """One table, of the claim's metric alone: what differs between these runs changes no sample."""
    first = gathered.runs[0].spec
    metrics = [asdict(wanted.metric)] if wanted.metric else []

    def one(run: RunView) -> RunView:
        spec = replace(run.spec, task=first.task, model=first.model)
        return replace(run, spec=spec, about={**run.about, "metrics": metrics})

    return replace(gathered, runs=tuple(map(one, gathered.runs)))


def with_evidence(gathered: StudyView, name: str, store: Store) -> StudyView:
    """Evidence in the place of scores."""
    import numpy as np

    samples = queries.samples(store, [run.id for run in gathered.runs])
    values = np.array([one.get(name, np.nan) for one in samples["evidence"]])
    return replace(gathered, scores=samples[["run", "number"]].assign(metric=name, value=values, reason=None))


def side(row: Row, store: Store, cost: str) -> Side:
    ids = tuple(run.id for run in row.runs)
    samples = queries.samples(store, ids)["evidence"]
    names = dict.fromkeys(name for one in samples for name in one)
    evidence = {name: sum(found) / len(found) for name in names if (found := [x[name] for x in samples if name in x])}
    why_not = tuple(dict.fromkeys(why for run in row.runs for why in run.about.get("unfit", [])))
    share = row.compression.share
    told, unit = costs.estimate(row, cost) if cost else (row.quality[0].estimate, "")
    return Side(row.name, ids, told, None if share is None else 1 - share, why_not, evidence, unit)


def older_code(found: Match, registry: Registry) -> list[str]:
    """Plugins whose code is another today."""
    made: dict[str, str] = {}
    for run in (run for runs in found.by_seed.values() for run in runs):
        made |= run.identity["code"]
    tables: list[Mapping[str, type]] = [registry.methods, registry.tasks, registry.models, registry.subjects]
    now = {registry.origin_of(one): registry.code_of(one) for table in tables for one in table.values()}
    names = [origin.name for origin, code in now.items() if made.get(origin.module, code) != code]
    return [f"made by other code of {', '.join(names)} than today's"] if names else []


# What that says.


def rule(found: Finding) -> Verdict:
    """No verdict on runs that settle nothing, on fewer samples than the claim asks for, nor on arms of unequal size."""
    claim = found.claim
    word, reason = unfit(found) or unequal(found) or few(found) or ruling(found)
    return Verdict(claim, word, reason, found)


def unfit(found: Finding) -> tuple[str, str] | None:
    why = next((why for side in found.sides for why in side.unfit), None)
    return ("inconclusive", why) if why else None


def unequal(found: Finding) -> tuple[str, str] | None:
    claim = found.claim
    asked = [] if claim.equal_bytes is None else [("bytes", claim.equal_bytes, [one.kept for one in found.sides])]
    asked += [
        (name, most, [one.evidence.get(name) for one in found.sides]) for name, most in (claim.equal or {}).items()
    ]
    for what, allowed, sizes in asked:
        known = [one for one in sizes if one]
        if len(known) < len(sizes):
            return "inconclusive", f"the samples of an arm do not tell its {what}, so that they can't be compared"
        apart = max(known) / min(known) - 1
        if apart > allowed:
            return "inconclusive", f"the arms' {what} are {apart:.1%} apart, {allowed:.1%} are allowed"
    return None


def few(found: Finding) -> tuple[str, str] | None:
    if found.n >= found.wanted:
        return None
    if found.claim.cost:
        missing = next((one.reason for one in found.comparisons if one.delta is None), None)
        return "inconclusive", missing or f"{found.n} of the {found.wanted} processes it asks for are there"
    return "inconclusive", f"{found.n} of the {found.wanted} samples it asks for are there"


def ruling(found: Finding) -> tuple[str, str]:
    match found.claim.holds:
        case "beats":
            return beats(found.comparisons)
        case "at_least":
            return at_least(found)
        case "difference":
            return near(found, found.comparisons[0].interval)
        case _:
            return near(found, found.sides[0].estimate.interval)


def beats(comparisons: Sequence[Comparison]) -> tuple[str, str]:
    """Every arm better (or higher) than the next; one that is worse (or lower) or equivalent refutes."""
    outcomes = [one.outcome for one in comparisons]
    if against := next((one for one in comparisons if one.outcome in ("worse", "lower", "equivalent")), None):
        return "refuted", f"{against.outcome}: {against.reason}"
    if all(outcome in ("better", "higher") for outcome in outcomes):
        return "confirmed", comparisons[0].reason
    return "inconclusive", next(one.reason for one in comparisons if one.outcome == "undecided")


def at_least(found: Finding) -> tuple[str, str]:
    """Not worse by more than the tolerance."""
    (comparison,), margin = found.comparisons, found.claim.tolerance or 0.0
    interval, sign = comparison.interval, -1 if found.metric.higher_is_better is False else 1
    if interval is None:
        return "inconclusive", comparison.reason
    ends = sorted(sign * end * found.metric.scale for end in interval)
    if ends[0] >= -margin:
        return "confirmed", f"the whole interval is better than −{margin:g}"
    if ends[1] < -margin:
        return "refuted", f"the whole interval is worse than −{margin:g}"
    return "inconclusive", f"the interval holds −{margin:g}"


def near(found: Finding, interval: Interval | None) -> tuple[str, str]:
    """Inside value ± tolerance, outside, or partly both."""
    claim, scale = found.claim, found.metric.scale
    assert claim.value is not None
    assert claim.tolerance is not None
    low, high = claim.value - claim.tolerance, claim.value + claim.tolerance
    if interval is None:
        return "inconclusive", "too few samples for an interval"
    if low <= interval.low * scale and interval.high * scale <= high:
        return "confirmed", f"the whole interval lies within {low:g} to {high:g}"
    if interval.high * scale < low or interval.low * scale > high:
        return "refuted", f"the whole interval lies outside {low:g} to {high:g}"
    return "inconclusive", f"the interval lies partly within {low:g} to {high:g}"
