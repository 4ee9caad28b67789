"""Which runs of the store count for a claim, and why the others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.claims.demand import Demand
from harness.engine.plan import BASELINE
from harness.plugin.discovery import Registry
from harness.plugin.knobs import Knobbed
from harness.report.model import NOT_COUNTED
from harness.spec.identity import canonical
from harness.spec.records import Plain, Setting
from harness.store.queries import Run

AUTO = "auto"  # left to the machine: whatever it chose fits


OF_AN_ARM = ("stack", "inputs", "seed", "code")


@dataclass(frozen=True)
class Match:
    """Runs made alike, but for arm and seed: same environment, data and code."""

    by_seed: Mapping[int, tuple[Run, ...]]  # a run for each arm

    @property
    def newest(self) -> int:
        return max(run.id for runs in self.by_seed.values() for run in runs)


@dataclass(frozen=True)
class Matches:
    found: Sequence[Match]  # newest first
    unfit: Mapping[str, int]  # why other runs of these methods do not count, how many


def match(demand: Demand, runs: Iterable[Run], registry: Registry) -> Matches:
    """Of `runs`, whatever they are, those that are the claim's."""
    unfit: Counter[str] = Counter()
    homes: dict[str, list[tuple[int, Run]]] = {}
    for run in sorted(runs, key=lambda run: -run.id):
        found = {place: doubt(run, arm, demand, registry) for place, arm in enumerate(demand.arms) if acts(run, arm)}
        mine = [place for place, one in found.items() if one is None]
        if mine:
            homes.setdefault(home(run), []).append((mine[0], run))
        elif found and run.label != BASELINE:
            nearest = max((one for one in found.values() if one), key=lambda one: (one.check, -len(one.words)))
            unfit[nearest.words] += 1
    matches = [Match(by_seed) for alike in homes.values() if (by_seed := pair(alike, len(demand.arms), unfit))]
    return Matches(sorted(matches, key=lambda one: -one.newest), unfit)


def acts(run: Run, arm: Setting) -> bool:
    return [one["name"] for one in run.identity["stack"]] == [arm.name]


class Doubt(NamedTuple):
    """Why a run does not count for a claim; the later a check, the closer it came."""

    check: int
    words: str


def doubt(run: Run, arm: Setting, demand: Demand, registry: Registry) -> Doubt | None:
    made, device = run.identity, demand.device
    model = registry.model(demand.model.name)
    others = differing(model, demand.model, made["model"])
    decided = [one.name for one in model.knobs() if one.name in others and one.default == AUTO]
    asked = differing(registry.task(demand.task.name), demand.task, made["task"])
    knobs = differing(registry.method(arm.name), arm, made["stack"][0])
    threads = device.threads in (None, made["device"]["threads"])
    checks = [
        (made["task"]["name"] == demand.task.name, f"on another task ({run.task})"),
        (made["model"]["name"] == demand.model.name and others == decided, f"on another model ({run.model})"),
        (not decided, f"with another {', '.join(decided)} of the model"),
        (not asked, f"with another {', '.join(asked)} of the task"),
        (device.kind in (AUTO, made["device"]["kind"]) and threads, f"on another device ({run.device})"),
        (not knobs, f"with another {', '.join(knobs)}"),
        (run.seed not in demand.claim.tuned_on, f"on seed {run.seed}, which it was tuned on"),
        (run.status not in NOT_COUNTED, run.status),
        (run.done > 0, "without a sample"),
    ]
    return next((Doubt(place, words) for place, (fits, words) in enumerate(checks) if not fits), None)


def differing(owner: type[Knobbed], wanted: Setting, made: Mapping[str, Plain]) -> list[str]:
    """Knobs that a run had otherwise, but for those that change no sample."""
    asked = owner.build(wanted.knobs).settings(hashed_only=True)
    had = made["knobs"]
    return [knob for knob, value in asked.items() if value != AUTO and (knob not in had or had[knob] != value)]


def home(run: Run) -> str:
    """What must be alike for runs to be paired; of the code, see `pair`."""
    rest = {key: value for key, value in run.identity.items() if key not in OF_AN_ARM}
    return canonical([run.environment_id, rest])


def pair(runs: Iterable[tuple[int, Run]], arms: int, unfit: Counter[str]) -> dict[int, tuple[Run, ...]]:
    """By seed a run for each arm, all of one version of the code: the newest. `runs` come newest first."""
    code: dict[str, str] = {}
    places: dict[int, dict[int, Run]] = {}
    for arm, run in runs:
        mine = run.identity["code"]
        if any(code.get(module, digest) != digest for module, digest in mine.items()):
            unfit["made by older code"] += 1
        else:
            code |= mine
            places.setdefault(run.seed, {})[arm] = run
    whole = {seed: found for seed, found in sorted(places.items()) if len(found) == arms}
    if lonely := sum(len(found) for seed, found in places.items() if seed not in whole):
        unfit["whose counterpart is missing"] += lonely
    return {seed: tuple(found[arm] for arm in range(arms)) for seed, found in whole.items()}
