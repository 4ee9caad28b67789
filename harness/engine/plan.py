"""From what was asked to the runs of a study: checked against each other, complete with baselines and controls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from harness.config.device import resolve_device
from harness.config.words import Point, Sweep
from harness.engine.environment import core_state
from harness.plugin.blame import blaming
from harness.plugin.contracts import Method, Model, Stack, Task
from harness.plugin.discovery import Registry
from harness.plugin.environments import named, usable
from harness.plugin.knobs import Knobbed
from harness.spec.errors import IncompatibleError, PluginError
from harness.spec.identity import digest
from harness.spec.records import Device, Plain, RunSpec, Sample, Setting, Source
from harness.spec.text import with_article
from harness.version import __version__

BASELINE = "identity"


@dataclass(frozen=True, eq=False)
class Bench:
    """What runs may share: one task on one model, device and seed, in one environment. Each bench is a worker."""

    task: Task
    model: Model
    model_name: str  # the preset's, for people
    device: Device
    seed: int
    location: dict[str, Plain]
    facts: dict[str, Plain]
    sources: tuple[Source, ...]
    environment: str = ""  # the named one that its workers run in; none: the command's own
    made_of: str | None = None  # where the model is trained first: a digest of everything that made it

    @property
    def python(self) -> str:
        """The interpreter of its workers."""
        return str(named(self.environment).python) if self.environment else sys.executable

    @cached_property
    def training(self) -> dict[str, Plain]:
        """What there is to train on."""
        with blaming(self.task, "give what to train on"):
            return self.task.training(self.processor, self.seed)

    @cached_property
    def planned(self) -> int:
        """How many samples each of its runs has."""
        with blaming(self.task, "say how many samples it has"):
            return int(self.task.planned())

    @cached_property
    def processor(self) -> Any:
        with blaming(self.model, "load its processor"):
            return self.model.processor(self.location)

    @cached_property
    def samples(self) -> Sequence[Sample]:
        processor = self.processor
        with blaming(self.task, "make its samples"):
            return self.task.make_samples(processor, self.seed)

    def sample(self, number: int) -> Sample:
        with blaming(self.task, f"make sample {number}"):
            return self.samples[number]

    def timed(self, number: int) -> dict[str, Plain]:
        """The request to time in place of a sample's."""
        sample = self.sample(number)
        with blaming(self.task, f"make a timed request of sample {number}"):
            return self.task.timed(sample)


@dataclass(eq=False)
class PlannedRun:
    """One run of a study."""

    bench: Bench
    stack: Stack
    role: str  # baseline, method, control
    identity: dict[str, Plain]
    held: bool  # its stack stays applied from sample to sample, so it shares no work
    inputs: list[dict[str, Bench]] = field(default_factory=list)  # of each member of its stack
    baseline: PlannedRun | None = None
    id: int = 0  # in the store, once it is there
    environment_id: int = 0  # the same
    done: set[int] = field(default_factory=set)
    failed: str | None = None  # why
    invalid: bool = False  # it failed since what it answered proves nothing

    @cached_property
    def key(self) -> str:
        return digest(self.identity)

    def learn(self, stored: Iterable[int]) -> None:
        """Takes over which samples are stored; a command that asked for more may have left some beyond ours."""
        self.done = {number for number in stored if number < self.bench.planned}

    @property
    def lacking(self) -> int:
        """How many samples are still to be done."""
        return self.bench.planned - len(self.done)

    @property
    def status(self) -> str:
        """How it stands, in the store's words."""
        if self.failed:
            return "invalid" if self.invalid else "failed"
        return "planned" if self.lacking else "done"

    @property
    def spec(self) -> RunSpec:
        return spec_of(self.stack, self.bench)

    @cached_property
    def cautions(self) -> list[str]:
        """What its methods say must be known of them on such a model."""
        found: list[str] = []
        for method in self.stack.methods:
            with blaming(method, "say its notes"):
                found += method.notes(self.bench.facts)
        return found

    def about(self) -> dict[str, Plain]:
        """What a reader of its numbers must know beside its settings."""
        bench = self.bench
        with blaming(bench.task, "describe itself"):
            conditions = {**bench.task.describe(), "dtype": bench.model.settings().get("dtype")}
        with blaming(bench.model, "say its notes"):
            notes = bench.model.notes()
        unfit = [why for method in self.stack.methods if (why := method.unfit(bench.facts))]
        return {
            "nominal": nominal(self.stack),
            "conditions": conditions,
            "notes": [*notes, *self.cautions],
            "unfit": unfit,
            "simulated": any(method.traits.simulated for method in self.stack.methods),
            "prepares": is_by_seed(self.stack, bench.task, bench.model),
            "family": self.stack.methods[-1].traits.family,
            "metrics": [vars(metric) for metric in bench.task.metrics],
            "model_revision": bench.location["revision"],
            "core": core_state(),
        }


@dataclass(frozen=True)
class Plan:
    runs: list[PlannedRun]
    benches: list[Bench]

    def on(self, bench: Bench) -> list[PlannedRun]:
        return self._by_bench[bench]

    @cached_property
    def _by_bench(self) -> dict[Bench, list[PlannedRun]]:
        found: dict[Bench, list[PlannedRun]] = {bench: [] for bench in self.benches}
        for run in self.runs:
            found[run.bench].append(run)
        return found

    def by_environment(self) -> dict[str, list[PlannedRun]]:
        """Runs by the named environment that their workers run in; "" is the command's own."""
        found: dict[str, list[PlannedRun]] = {}
        for run in self.runs:
            found.setdefault(run.bench.environment, []).append(run)
        return dict(sorted(found.items()))

    def seconds(self) -> float | None:
        """A rough guess at the time the quality passes take, or None where a model can't say."""
        total = 0.0
        for bench in self.benches:
            missing = [run.lacking for run in self.on(bench)]
            arms = sum(count > 0 for count in missing)
            if arms:
                request = bench.sample(0).request
                with blaming(bench.model, "guess how long it takes"):
                    guess = bench.model.seconds(bench.facts, request, bench.device, arms)
                if guess is None:
                    return None
                total += guess * max(missing)
        return total


def make_plan(sweep: Sweep, registry: Registry, say: Callable[[str], None]) -> Plan:
    """Checks everything that can be checked without loading a model.

    Raises:
        UsageError: a name or value that can't be, or parts that don't fit together.
        MissingEnvironment: a method's own environment is not here.
        SourceError: a model or data set that can't be had.
    """
    built = [(point, build_stack(registry, point.stack), *build_pair(registry, point)) for point in sweep.points]
    for _, stack, task, model in built:
        check_light(registry, stack, task, model)
    for name in sorted({stack.environment for _, stack, _, _ in built} - {""}):
        usable(name)
    benches: dict[str, Bench] = {}
    runs: dict[tuple[str, str], PlannedRun] = {}  # the same run elsewhere is another run
    asked: dict[str, Bench] = {}  # by what was asked for: thousands of points may share a bench
    against: dict[tuple[str, Bench], PlannedRun] = {}  # the baselines, by name and bench
    for point, stack, task, model in built:
        place = repr((point.task, point.model, point.model_name, point.device, point.seed, stack.environment))
        if place not in asked:
            asked[place] = bench_for(registry, benches, point, task, model, stack.environment)
        bench = asked[place]
        wanted = [(stack, "method")]
        if sweep.controls:
            wanted += [(control, "control") for control in controls(registry, stack)]
        names = dict.fromkeys(baseline_of(one) for one, _ in wanted)
        bases = [
            (build_stack(registry, (Setting(name, {}),)), "baseline") for name in names if (name, bench) not in against
        ]
        for one, role in [*bases, *wanted]:
            check_facts(one, bench)
            inputs = inputs_of(registry, one, bench)
            held = one.held(registry.subjects[model.kind].seams)
            run = PlannedRun(bench, one, role, identity(registry, one, bench, inputs), held, inputs)
            known = runs.setdefault((run.key, bench.environment), run)
            known.role = max(known.role, role, key=("control", "method", "baseline").index)
            if role == "baseline":
                against[one.label, bench] = known
    for run in runs.values():
        if run.role != "baseline":
            run.baseline = against[baseline_of(run.stack), run.bench]
    return Plan(ordered(runs.values()), list(benches.values()))


def ordered(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Baselines, then methods as typed, then controls."""
    return sorted(runs, key=lambda run: ("baseline", "method", "control").index(run.role))


def baseline_of(stack: Stack) -> str:
    """What a stack is compared with: the baseline its members name beside `identity`.

    Raises:
        IncompatibleError: they name several.
    """
    named = {method.traits.baseline for method in stack.methods}
    others = sorted(named - {BASELINE})
    if len(others) > 1:
        raise IncompatibleError(f"{stack.label}: its members have different baselines, {' and '.join(others)}")
    return others[0] if others else BASELINE


def build_stack(registry: Registry, settings: Iterable[Setting]) -> Stack:
    return Stack(tuple(registry.method(one.name).build(one.knobs) for one in settings))


def build_pair(registry: Registry, point: Point) -> tuple[Task, Model]:
    task = registry.task(point.task.name).build(point.task.knobs)
    return task, registry.model(point.model.name).build(point.model.knobs)


def check_light(registry: Registry, stack: Stack, task: Task, model: Model) -> None:
    """Kinds, seams and the members of a stack against each other."""
    if model.kind not in task.subjects:
        raise IncompatibleError(
            f"task {task.name} asks {' or '.join(map(with_article, sorted(task.subjects)))}, "
            f"model {model.name} is {with_article(model.kind)}"
        )
    seams = registry.subjects[model.kind].seams
    homes = sorted({method.traits.environment for method in stack.methods} - {""})
    if len(homes) > 1:
        raise IncompatibleError(f"members of {stack.label} need different environments ({', '.join(homes)})")
    broken: dict[str, Method] = {}
    for method in stack.methods:
        traits = method.traits
        if traits.subjects and model.kind not in traits.subjects:
            raise IncompatibleError(
                f"method {method.name} acts on {' or '.join(map(with_article, sorted(traits.subjects)))}, "
                f"model {model.name} is {with_article(model.kind)}"
            )
        for seam in sorted(traits.seams - set(seams)):
            raise IncompatibleError(
                f"method {method.name} acts at {seam!r}, which {with_article(model.kind)} does not publish"
            )
        for fact in sorted(traits.requires & set(broken)):
            first = broken[fact]
            remedy = "run them apart" if first.traits.requires & traits.breaks else "swap them or run them apart"
            raise IncompatibleError(
                f"{method.name} can't follow {first.name} in a stack: it relies on {fact}, "
                f"which no longer holds after {first.name}; {remedy}"
            )
        broken |= dict.fromkeys(traits.breaks, method)


def check_facts(stack: Stack, bench: Bench) -> None:
    for method in stack.methods:
        with blaming(method, "check the model"):
            method.check(bench.facts)


def is_by_seed(stack: Stack, task: Task, model: Model) -> bool:
    """Whether runs pair by seed, each being one training or build; folds are trainings within a run."""
    made = any(method.traits.prepares in ("trains", "builds") for method in stack.methods)
    return not task.folds and (made or model.untrained)


def nominal(stack: Stack) -> dict[str, float]:
    """What a stack asks for."""
    for method in stack.methods:  # each alone first: whose fault an error is can't be told from all together
        with blaming(method, "say what it asks for"):
            method.nominal()
    return stack.nominal()


def controls(registry: Registry, stack: Stack) -> list[Stack]:
    """The controls a lone method names, with the settings they share with it."""
    if len(stack.methods) != 1:
        return []
    (method,) = stack.methods
    found = []
    for name in method.traits.controls:
        control = registry.methods.get(name)
        if control is not None:
            asked = nominal(stack)
            if set(control().nominal()) <= set(asked):  # else there is no setting of it that compares
                knobs = {one.name for one in control.knobs()} & set(asked)
                found.append(Stack((control.build({knob: asked[knob] for knob in knobs}),)))
    return found


def bench_for(
    registry: Registry, benches: dict[str, Bench], point: Point, task: Task, model: Model, environment: str
) -> Bench:
    device = resolve_device(point.device.kind, point.device.threads)
    with blaming(model, f"be resolved for {device.kind}"):
        model = model.resolved(device)
    key = digest([plain(task), plain(model), device.plain(), point.seed, environment])
    if key not in benches:
        known = next((bench for bench in benches.values() if bench.model == model), None)
        location = known.location if known else fetched(model)
        name = model.label if point.model_name == model.name else point.model_name
        benches[key] = make_bench(registry, task, model, name, device, point.seed, location, environment)
    return benches[key]


def make_bench(
    registry: Registry,
    task: Task,
    model: Model,
    name: str,
    device: Device,
    seed: int,
    location: dict[str, Plain],
    environment: str,
) -> Bench:
    with blaming(model, "tell its facts"):
        facts = model.facts(location)
    with blaming(task, "check the model"):
        task = task.resolved(facts)
        task.check(facts)
    with blaming(task, "name its sources"):
        sources = tuple(task.sources())
    bench = Bench(task, model, name, device, seed, location, facts, sources, environment)
    with blaming(model, "say whether it is trained"):
        untrained = model.untrained
    if not untrained:
        return bench
    if not bench.training:
        raise IncompatibleError(
            f"{name} is not trained yet, and task {task.name} has nothing to train it on; give a trained model"
        )
    made = identity(registry, Stack(()), bench)
    return replace(bench, made_of=digest({**made, "task": deciding(task, made["task"])}))


def deciding(plugin: Knobbed, setting: dict[str, Plain]) -> dict[str, Plain]:
    """A setting without the knobs that only matter once everything is prepared."""
    later = {one.name for one in plugin.knobs() if not one.prepared}
    return {**setting, "knobs": {name: value for name, value in setting["knobs"].items() if name not in later}}


def inputs_of(registry: Registry, stack: Stack, bench: Bench) -> list[dict[str, Bench]]:
    """The models that each member prepares with, on the bench's task, device and seed."""
    found = []
    for method in stack.methods:
        with blaming(method, "name the models it prepares with"):
            wanted = method.inputs(bench.model)
        here = (bench.device, bench.seed)
        found.append(
            {
                name: make_bench(registry, bench.task, one, one.label, *here, fetched(one), bench.environment)
                for name, one in wanted.items()
            }
        )
        own = type(method).materials is not Method.materials
        does = method.traits.prepares
        if does in ("trains", "calibrates") and not own and not bench.training:
            raise IncompatibleError(f"{method.name} {does}, and task {bench.task.name} as set has no data for that")
    return found


def fetched(model: Model) -> dict[str, Plain]:
    """Where a model lies, once it is there."""
    with blaming(model, "be fetched"):
        location = model.fetch()
    lacking = [key for key in ("path", "revision") if not isinstance(location, dict) or key not in location]
    if lacking:
        raise PluginError(f"model {model.name}: fetch() must return a dict with path and revision, got {location!r}")
    return location


def sources(stack: Stack, bench: Bench) -> tuple[Source, ...]:
    """The task's data, and what methods prepare from."""
    found = list(bench.sources)
    for method in stack.methods:
        with blaming(method, "name its sources"):
            found += method.sources()
    return tuple(found)


def plain(plugin: Knobbed) -> dict[str, Plain]:
    return {"name": plugin.name, "knobs": plugin.settings()}


def spec_of(stack: Stack, bench: Bench) -> RunSpec:
    return RunSpec(
        stack=tuple(Setting(method.name, method.settings()) for method in stack.methods),
        task=Setting(bench.task.name, bench.task.settings()),
        model=Setting(bench.model.name, bench.model.settings()),
        device=bench.device,
        seed=bench.seed,
    )


def identity(
    registry: Registry, stack: Stack, bench: Bench, inputs: Sequence[dict[str, Bench]] = ()
) -> dict[str, Plain]:
    """What is hashed: two runs that agree on it would give the same answers (docs/methodology.md)."""
    subject = registry.subjects[bench.model.kind]
    methods = [one for method in stack.methods for one in (method, *method.parts())]
    plugins: list[type[Any]] = [*map(type, methods), type(bench.task), type(bench.model)]

    def hashed(plugin: Knobbed) -> dict[str, Plain]:
        return {"name": plugin.name, "knobs": plugin.settings(hashed_only=True)}

    given = [
        {name: [hashed(one.model), one.location["revision"], one.made_of] for name, one in of.items()} for of in inputs
    ]
    return {
        **({"inputs": given} if any(given) else {}),
        "stack": [hashed(method) for method in stack.methods],
        "task": hashed(bench.task),
        "model": hashed(bench.model),
        "device": bench.device.plain(),
        "seed": bench.seed,
        "code": {registry.origin_of(one).module: registry.code_of(one) for one in [*plugins, subject]},
        "revisions": {"task": bench.task.revision, "subject": subject.revision, "model": bench.location["revision"]},
        "sources": [[source.name, source.sha256] for source in sources(stack, bench)],
        "harness": __version__,
    }
