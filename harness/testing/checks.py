"""What every plugin promises, whoever wrote it: a function a promise, which raises `Broken` and says why."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from harness.plugin.contracts import Meter, Method, Model, Preparation, Stack, Subject, Task, Workload
from harness.plugin.knobs import Knobbed
from harness.spec.errors import HarnessError
from harness.spec.records import Device, Measure, Reading, Response, Sample

SAMPLES = 3  # of a task, looked at
CPU = Device("cpu", 1)
SHORT = Measure("quick", processes=1, warmups=1, samples=2, decides=False, energy_window_s=0.1)


class Toy(NamedTuple):
    """A small loaded subject, as `Subject.toy` of its kind makes it."""

    subject: Any
    request: dict[str, Any]
    state: Callable[[], object]  # compares equal exactly while nothing of the subject has changed
    processor: Any = None  # as its model's `processor`, for tasks
    training: dict[str, Any] = {}  # as a task's `training`, for methods that train
    inputs: dict[str, Any] = {}  # what methods may ask for as `inputs`


class Answer(NamedTuple):
    response: Response
    evidence: dict[str, float]


class Broken(AssertionError):
    """A promise that is not kept."""


class Skipped(Exception):
    """A promise that does not apply, and why."""


Check: TypeAlias = Callable[[Any, Toy], None]


def answered(method: Method | None, toy: Toy) -> Answer:
    """The toy's answer under a method, or under none."""
    stack = Stack((method,) if method else ())
    with prepared(method, toy) as artifact, stack.apply(toy.subject, [artifact] if artifact else []) as evidences:
        response = toy.subject.respond(toy.request, stack.needs())
        evidence = stack.evidence(evidences) if method else {}
    return Answer(response, evidence)


@contextmanager
def prepared(method: Method | None, toy: Toy) -> Iterator[Path | None]:
    """The folder with what a method prepared on the toy, for one that prepares."""
    if method is None or not method.traits.prepares:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        materials = method.materials(toy.processor, 0)
        method.prepare(Preparation(toy.subject, 0, Path(folder), materials, toy.training, inputs=toy.inputs))
        yield Path(folder)


def demand(kept: bool, why: str) -> None:
    if not kept:
        raise Broken(why)


# Methods


def leaves_every_sample_with_its_evidence(method: Method, toy: Toy) -> None:
    stack = Stack((method,))
    for _ in range(2):
        answer = answered(method, toy)
        missing = stack.missing(answer.evidence)
        demand(not missing, f"its traits declare {', '.join(missing)}, which it did not record")
        for name, seen in answer.response.observed.items():
            claimed = answer.evidence.get(name, seen)
            demand(
                math.isclose(claimed, seen, rel_tol=1e-6, abs_tol=1e-6), f"{name}: {claimed:g}, subject saw {seen:g}"
            )


def gives_the_subject_back_as_it_was(method: Method, toy: Toy) -> None:
    before, state = answered(None, toy), toy.state()
    answered(method, toy)
    as_it_was(toy, before, state)


def gives_the_subject_back_after_an_exception(method: Method, toy: Toy) -> None:
    before, state = answered(None, toy), toy.state()
    planted = RuntimeError("planted")
    try:
        with prepared(method, toy) as artifact, Stack((method,)).apply(toy.subject, [artifact] if artifact else []):
            raise planted
    except RuntimeError as error:
        demand(error is planted, f"an exception raised while it was applied became {error!r}")
    else:
        raise Broken("it swallowed an exception raised while it was applied")
    as_it_was(toy, before, state)


def as_it_was(toy: Toy, before: Answer, state: object) -> None:
    demand(toy.state() == state, "the subject's state differs afterwards")
    demand(answered(None, toy) == before, "the subject alone answers otherwise afterwards")


def gives_the_same_twice(plugin: Any, toy: Toy) -> None:
    method = plugin if isinstance(plugin, Method) else None
    demand(answered(method, toy) == answered(method, toy), "the same request was answered in two ways")


def changes_nothing_at_its_neutral_setting(method: Method, toy: Toy) -> None:
    if method.neutral is None:
        raise Skipped("it names no setting that should change nothing")
    output = answered(replace(method, **method.neutral), toy).response.output
    demand(output == answered(None, toy).response.output, f"at {dict(method.neutral)} it changes the answer")


def can_be_built_from_its_settings(plugin: Knobbed, toy: Toy) -> None:
    settings = plugin.settings()
    demand(settings == round_trip(settings), f"its settings are not plain data: {settings}")
    demand(type(plugin).build(settings) == plugin, f"another object came of its settings {settings}")


def round_trip(plain: Any) -> Any:
    """What becomes of data on its way through JSON; NaN for what can't pass."""
    try:
        return json.loads(json.dumps(plain, allow_nan=False))
    except (TypeError, ValueError):
        return math.nan


# Tasks


def first_samples(task: Task, toy: Toy, seed: int = 0) -> Sequence[Sample]:
    samples = task.make_samples(toy.processor, seed)
    return [samples[number] for number in range(min(SAMPLES, task.planned()))]


def makes_the_samples_it_plans(task: Task, toy: Toy) -> None:
    planned, samples = task.planned(), task.make_samples(toy.processor, 0)
    demand(planned >= 1, f"it plans {planned} samples")
    demand(len(samples) == planned, f"it plans {planned} samples and makes {len(samples)}")
    numbers = [sample.number for sample in first_samples(task, toy)]
    demand(numbers == list(range(len(numbers))), f"its first samples call themselves {numbers}")


def makes_a_sample_from_seed_and_number_alone(task: Task, toy: Toy) -> None:
    backwards = task.make_samples(toy.processor, 0)
    for sample in reversed(first_samples(task, toy)):
        demand(backwards[sample.number] == sample, f"sample {sample.number} came out otherwise a second time")


def makes_the_same_samples_when_more_are_asked_for(task: Task, toy: Toy) -> None:
    tried = False
    for knob in task.knobs():
        value = getattr(task, knob.name)
        if not knob.hashed and isinstance(value, int) and not isinstance(value, bool):
            more = type(task).build({**task.settings(), knob.name: 2 * value})
            same = first_samples(more, toy)[: len(first_samples(task, toy))] == first_samples(task, toy)
            demand(same, f"with {knob.name}={2 * value} in place of {value}, which is not hashed, its samples differ")
            tried = True
    if not tried:
        raise Skipped("it has no number that is not hashed")


def asks_in_plain_data(task: Task, toy: Toy) -> None:
    for sample in first_samples(task, toy):
        for what, plain in (("request", sample.request), ("target", sample.target), ("timed", task.timed(sample))):
            demand(
                plain == round_trip(plain), f"{what} of sample {sample.number} is not what JSON gives back: {plain!r}"
            )


def describes_itself_in_plain_data(task: Task, toy: Toy) -> None:
    described = task.describe()
    demand(described == round_trip(described), f"describe() gave {described!r}")


def scores_as_it_declares(task: Task, toy: Toy) -> None:
    declared = [metric.name for metric in task.metrics]
    for sample in first_samples(task, toy):
        output = round_trip(toy.subject.respond(sample.request, frozenset()).output)
        scores = task.score(sample, output, toy.processor)
        given = [score.metric for score in scores]
        demand(len(set(given)) == len(given) and set(given) <= set(declared), f"scored {given}, declared {declared}")
        for score in scores:
            known = score.value is not None and math.isfinite(score.value)
            demand(known or bool(score.reason), f"{score.metric} is {score.value} without a reason")
        demand(isinstance(task.answer_text(output, toy.processor), str), "answer_text() gave no text")


# Subjects and models


def answers_in_plain_data(subject: type[Subject], toy: Toy) -> None:
    response = toy.subject.respond(toy.request, frozenset())
    for what, plain in (("output", response.output), ("observed", response.observed)):
        demand(plain == round_trip(plain), f"its {what} is not what JSON gives back: {plain!r}")


def takes_back_what_acts_at_a_seam(subject: type[Subject], toy: Toy) -> None:
    before, state = answered(None, toy), toy.state()
    for seam in subject.seams:
        with toy.subject.at(seam, lambda *given: None):
            pass
    as_it_was(toy, before, state)


def answers_every_arm_once(subject: type[Subject], toy: Toy) -> None:
    arms = [PlainArm(), PlainArm()]
    answers = [(arm, response.output) for arm, response in toy.subject.answer(toy.request, arms)]
    demand([arm for arm, _ in answers] == arms, f"two arms were asked, {len(answers)} answered")
    alone = toy.subject.respond(toy.request, frozenset()).output
    demand(all(output == alone for _, output in answers), "arms together are answered otherwise than alone")


class PlainArm:
    """An arm without a method."""

    stack = Stack(())
    failed = False

    @contextmanager
    def apply(self, subject: Any) -> Any:
        yield


def names_its_phases(subject: type[Subject], toy: Toy) -> None:
    marks: list[str] = []
    toy.subject.marker = marks.append
    try:
        toy.subject.respond(toy.request, frozenset())
    finally:
        toy.subject.marker = None
    timed = [(name, 1_000_000 * place) for place, name in enumerate(marks, start=1)]
    sound(toy.subject.durations(0, timed, 1_000_000 * (len(marks) + 1)))


def loads_a_subject_of_its_kind(model: Model, toy: Toy) -> None:
    try:
        location = model.resolved(CPU).fetch()
    except HarnessError as error:
        raise Skipped(f"it can't be had with these settings: {error}") from error
    lacking = {"path", "revision"} - set(location)
    demand(not lacking, f"fetch() left out {', '.join(sorted(lacking))}")
    for what, plain in (("fetch()", location), ("facts()", model.facts(location))):
        demand(plain == round_trip(plain), f"{what} gave no plain data: {plain!r}")
    subject = model.resolved(CPU).load(location, CPU)
    demand(isinstance(subject, Subject), f"load() gave {subject!r}, which is no Subject")
    demand(subject.kind == model.kind, f"it says it loads a {model.kind} and loads a {subject.kind}")


# Meters


def reads_values_or_says_why_not(meter: Meter, toy: Toy) -> None:
    why = meter.unavailable(CPU)
    workload = Workload(
        toy.subject, CPU, [toy.request], execute=lambda request: toy.subject.respond(request, frozenset())
    )
    readings = meter.read(workload, SHORT)
    demand(bool(readings), "it read nothing, and gave no reading without a value either")
    sound(readings)
    demand(not why or all(one.value is None for one in readings), f"it says it can't read ({why}), and gave values")


def sound(readings: Sequence[Reading]) -> None:
    for one in readings:
        known = one.value is not None and math.isfinite(one.value)
        demand(known or bool(one.reason), f"{one.metric} is {one.value} without a reason")
        demand(bool(one.unit) and bool(one.source), f"{one.metric} has no unit or no source")


METHOD: tuple[Check, ...] = (
    leaves_every_sample_with_its_evidence,
    gives_the_subject_back_as_it_was,
    gives_the_subject_back_after_an_exception,
    gives_the_same_twice,
    changes_nothing_at_its_neutral_setting,
    can_be_built_from_its_settings,
)
TASK: tuple[Check, ...] = (
    makes_the_samples_it_plans,
    makes_a_sample_from_seed_and_number_alone,
    makes_the_same_samples_when_more_are_asked_for,
    asks_in_plain_data,
    describes_itself_in_plain_data,
    scores_as_it_declares,
    can_be_built_from_its_settings,
)
SUBJECT: tuple[Check, ...] = (
    answers_in_plain_data,
    gives_the_same_twice,
    takes_back_what_acts_at_a_seam,
    answers_every_arm_once,
    names_its_phases,
)
MODEL: tuple[Check, ...] = (loads_a_subject_of_its_kind, can_be_built_from_its_settings)
METER: tuple[Check, ...] = (reads_values_or_says_why_not,)


def checks_of(plugin: Any) -> tuple[Check, ...]:
    """The promises of a method, task, model or meter (an object), or of a subject (its class)."""
    if isinstance(plugin, type):
        return SUBJECT
    kinds = ((Method, METHOD), (Task, TASK), (Model, MODEL))
    return next((checks for kind, checks in kinds if isinstance(plugin, kind)), METER)


def words(check: Check) -> str:
    """`gives the same twice`."""
    return check.__name__.replace("_", " ")
