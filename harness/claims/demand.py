"""A claim's command into what a run must be to count for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.claims.model import Claim
from harness.config.compose import Composer
from harness.config.overrides import read
from harness.config.sweep import make_sweep
from harness.config.words import DeviceRequest, Point
from harness.engine.plan import BASELINE, build_stack, is_by_seed
from harness.plugin.discovery import Registry
from harness.plugin.knobs import nearest
from harness.spec.errors import PluginError, UsageError
from harness.spec.records import Metric, Plain, Setting


@dataclass(frozen=True)
class Demand:
    """What the runs of a claim are, every setting filled in."""

    claim: Claim
    arms: tuple[Setting, ...]
    task: Setting
    model: Setting
    model_name: str
    device: DeviceRequest
    metric: Metric | None  # None: the claim is about a cost
    n: int  # pairs: samples, or seeds where a method trains or builds, or folds; of a cost processes
    of_evidence: bool = False  # the metric is no score of the task's


def demand(claim: Claim, registry: Registry, composer: Composer | None = None) -> Demand:
    """
    Raises:
        PluginError: the command can't be, or does not give the arms.
    """
    try:
        sweep = make_sweep(read(claim.command), registry, composer=composer)
        points, measure = sweep.points, sweep.measure
        first = points[0]
        if len({repr((point.task, point.model, point.device)) for point in points}) > 1:
            raise UsageError("the command sweeps over tasks, models or devices; arms share one of each")
        task = registry.task(first.task.name).build(first.task.knobs)
        arms = tuple(_arm(arm, points) for arm in claim.arms)
        told = frozenset.intersection(*(registry.method(arm.name).traits.evidence for arm in arms))
        metrics = [*task.metrics, *(Metric(name, "", None, aggregation="mean") for name in sorted(told))]
        metric = None if claim.cost else _metric(task.name, metrics, claim)
        if claim.cost and not measure.decides:
            raise UsageError(f"measure={measure.name} decides nothing about {claim.cost}; add measure=standard")
        if len({repr(arm) for arm in arms}) < len(arms):
            raise UsageError("two of its arms are the same")
        seeds = {point.seed for point in points}
        if tuned := sorted(seeds & set(claim.tuned_on)):
            raise UsageError(f"its command uses seed {tuned[0]}, which it was tuned on")
    except UsageError as error:
        raise PluginError(f"its command does not fit: {error}") from error
    model = registry.model(first.model.name).build(first.model.knobs)
    by_seed = is_by_seed(build_stack(registry, arms), task, model)
    if metric is None:
        each = measure.processes
    elif by_seed:
        each = 1
    else:
        folded = metric.statistic is not None and metric.within == "cluster"
        each = task.folds if folded else task.planned()
    n = len(seeds) * each
    of_evidence = metric is not None and metric not in task.metrics
    return Demand(claim, arms, first.task, first.model, first.model_name, first.device, metric, n, of_evidence)


def _metric(task: str, metrics: Sequence[Metric], claim: Claim) -> Metric:
    names = [one.name for one in metrics]
    if claim.metric not in names:
        near = nearest(claim.metric, names)
        raise UsageError(f"task {task} has no metric {claim.metric!r}{near} (it has: {names})")
    return metrics[names.index(claim.metric)]


def _arm(arm: Mapping[str, Plain], points: Sequence[Point]) -> Setting:
    """The one method of the command with these settings."""
    stacks = {repr(point.stack): point.stack for point in points}
    alone = [stack[0] for stack in stacks.values() if len(stack) == 1]
    wanted = {key: value for key, value in arm.items() if key != "method"}
    if arm.get("method") == BASELINE:
        return Setting(BASELINE, {})  # joins every command
    named = [one for one in alone if arm.get("method", one.name) == one.name]
    for key in wanted:
        if named and not any(key in one.knobs for one in named):
            raise UsageError(f"{named[0].name} has no setting {key!r}{nearest(key, named[0].knobs)}")
    found = [one for one in named if all(one.knobs.get(key) == value for key, value in wanted.items())]
    if len(found) != 1:
        many = f"{len(found)} methods with" if found else "no method with"
        told = ", ".join(f"{key} {value}" for key, value in arm.items()) or "any settings"
        raise UsageError(f"an arm must be one method of its command; the command gives {many} {told}")
    return found[0]
