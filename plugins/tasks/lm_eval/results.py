"""What a subject answered, judged by lm-eval's task, and lm-eval's values as scores.

lm-eval gives a value a sample and one function for all of them. Where that function is a mean, a
weighted one, or the exponential of one, the value is a score, and the mean of scores is lm-eval's
figure (or its logarithm). Any other, such as corpus BLEU or F1, has no scores: they are unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from harness.api import Metric, Score


@dataclass(frozen=True)
class Figure:
    """One of lm-eval's figures: a metric of a task under one of its filters."""

    metric: Metric
    value: Callable[[Any], float] | None  # of lm-eval's value for one sample
    reason: str = ""

    @property
    def metrics(self) -> list[Metric]:
        """It, and where samples do not count alike the score that says how much."""
        weight = self.metric.weight
        return [self.metric] if weight is None else [self.metric, Metric(weight, "", higher_is_better=True)]

    def scores(self, given: Any) -> list[Score]:
        if self.value is None:
            return [Score(self.metric.name, None, self.reason)]
        value = self.value(given)
        if math.isnan(value):
            return [Score(self.metric.name, None, "lm-eval's value of it is not a number")]
        weight = [] if self.metric.weight is None else [Score(self.metric.weight, float(given[1]))]
        return [Score(self.metric.name, value), *weight]


def figures(task: Any) -> dict[tuple[str, str], Figure]:
    """By lm-eval's metric and filter."""
    return {(name, one.name): figure(task, name, one.name) for name in task.aggregation() for one in task._filters}


def figure(task: Any, name: str, filter_name: str) -> Figure:
    from lm_eval.api import metrics

    aggregate = task.aggregation()[name]
    shown = name if filter_name == "none" else f"{name},{filter_name}"
    higher = bool(task.higher_is_better().get(name, True))
    if aggregate in (metrics.mean, metrics.nanmean):
        return Figure(Metric(shown, "", higher), float)
    if aggregate is metrics.brier_score:
        return Figure(Metric(shown, "", higher), lambda value: float(aggregate([value])))
    if aggregate is metrics.perplexity:
        return Figure(Metric(f"log_{shown}", "nats", False), lambda value: -float(value))
    if aggregate is metrics.weighted_perplexity:
        return Figure(Metric(f"log_{shown}", "nats", False, weight=f"{shown} weight"), per_weight)
    if aggregate is metrics.bits_per_byte:
        return Figure(Metric(shown, "bits", False, weight=f"{shown} weight"), lambda one: per_weight(one) / math.log(2))
    reason = f"{name} is {getattr(aggregate, '__name__', 'a function')} of all samples together, not a mean of theirs"
    return Figure(Metric(shown, "", higher), None, reason)


def per_weight(given: tuple[float, float]) -> float:
    """Nats a word, or a byte, from a log-likelihood and how many there are."""
    return -float(given[0]) / float(given[1])


def results(instances: list[Any], request: dict[str, Any], output: dict[str, Any], processor: Any) -> list[Any]:
    """What a model of lm-eval's would have returned for each instance of a sample.

    A text; or a log-likelihood, of the instance's windows together; with whether greedy decoding gives
    all of it where that is asked.
    """
    if "tokens" in output:
        return [cut(processor.decode(output["tokens"]), request["until"])]
    told: list[list[dict[str, Any]]] = [[] for _ in instances]
    for item, scored in zip(request["score"], output["scores"], strict=True):
        told[item["instance"]].append(scored)
    totals = [sum(sum(one["logprobs"]) for one in parts) for parts in told]
    greedy = [all(all(one["likeliest"]) for one in parts) for parts in told]
    return [
        total if instance.request_type == "loglikelihood_rolling" else (total, is_greedy)
        for instance, total, is_greedy in zip(instances, totals, greedy, strict=True)
    ]


def cut(text: str, until: list[str]) -> str:
    from lm_eval.models.utils import postprocess_generated_text

    return str(postprocess_generated_text(text, stop=until, think_end_token=None))


def judged(task: Any, instances: list[Any], given: list[Any]) -> dict[tuple[str, str], Any]:
    """lm-eval's value of a sample by metric and filter. Greedy decoding repeated gives the same again."""
    answered = [
        replace(one, resps=[result] * (one.repeats or 1), filtered_resps={})
        for one, result in zip(instances, given, strict=True)
    ]
    for one in task._filters:
        one.apply(answered)
    return {
        (metric, one.name): value
        for one in task._filters
        for metric, value in task.process_results(
            answered[0].doc, [instance.filtered_resps[one.name] for instance in answered]
        ).items()
    }
