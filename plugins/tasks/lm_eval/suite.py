"""The tasks of one command: lm-eval's objects, their requests, and what is known of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, zip_longest
from typing import Any

from harness.api import IncompatibleError, Metric, Score, Source, UsageError

from .library import find, quiet
from .results import Figure, figures, judged

KINDS = ("loglikelihood", "loglikelihood_rolling", "multiple_choice", "generate_until")
GREEDY = {"until", "do_sample", "temperature", "top_p", "top_k"}  # and how many tokens
BY_LENGTH = {"max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"}


@dataclass(frozen=True, eq=False)
class Subtask:
    """One task of lm-eval's, with the requests of its first documents."""

    name: str
    task: Any
    documents: int  # that it has
    instances: Mapping[int, list[Any]]  # of each document asked, by its number

    @cached_property
    def figures(self) -> dict[tuple[str, str], Figure]:
        return figures(self.task)

    def scores(self, document: int, results: list[Any]) -> list[Score]:
        values = judged(self.task, self.instances[document], results)
        unknown = [name for name in values if name not in self.figures]
        if unknown:
            raise IncompatibleError(f"{self.name} gives a value for {unknown[0][0]}, which its metric_list lacks")
        return [score for name, value in values.items() for score in self.figures[name].scores(value)]

    def check(self) -> None:
        """
        Raises:
            IncompatibleError: it asks for something that is not asked here.
        """
        task, given = self.task, dict(self.task.config.generation_kwargs or {})
        asked = {one.request_type for group in self.instances.values() for one in group}
        odd = sorted(set(given) - GREEDY - BY_LENGTH)
        if getattr(task, "UNSAFE_CODE", False):
            raise IncompatibleError(f"{self.name} runs code that the model writes, which is not done here")
        if getattr(task, "MULTIMODAL", False):
            raise IncompatibleError(f"{self.name} asks about images or sound, a causal-lm is asked in text")
        if "generate_until" in asked and (len(asked) > 1 or any(len(group) > 1 for group in self.instances.values())):
            raise IncompatibleError(f"{self.name} asks for several answers to a document; one is made here")
        if "generate_until" in asked and (given.get("do_sample") or float(given.get("temperature") or 0) > 0):
            raise IncompatibleError(f"{self.name} draws its answers (temperature); here they are decoded greedily")
        if "generate_until" in asked and odd:
            raise IncompatibleError(f"{self.name} decodes with {', '.join(odd)}; here answers are decoded greedily")

    def source(self) -> Source:
        from importlib.metadata import version

        config = self.task.config
        data = " ".join(filter(None, [config.dataset_path or self.task.DATASET_PATH, config.dataset_name]))
        note = f"of {self.documents:,}, {config.num_fewshot or 0}-shot, {data or 'data of its own'}, "
        note += f"task version {self.task.VERSION}, lm-eval {version('lm-eval')}"
        split = config.test_split if self.task.has_test_docs() else config.validation_split
        return Source(self.name, len(self.instances), self.digest(), split, note)

    def digest(self) -> str:
        """Over the definition, all documents and examples, and lm-eval's version: what its scores follow from."""
        from importlib.metadata import version

        from lm_eval.utils import handle_non_serializable

        config = self.task.dump_config() | {"dataset_path": None, "dataset_kwargs": None}
        examples = list(self.task.sampler.df) if self.task.config.num_fewshot and hasattr(self.task, "sampler") else []
        known = [version("lm-eval"), str(self.task.VERSION), config, list(self.task.eval_docs), examples]
        text = json.dumps(known, sort_keys=True, default=lambda one: handle_non_serializable(one))
        return hashlib.sha256(re.sub(r" at 0x[0-9a-f]+", "", text).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Suite:
    subtasks: Sequence[Subtask]

    @cached_property
    def order(self) -> list[tuple[Subtask, int]]:
        """Subtasks take turns, so that asking for more documents of each extends the row."""
        rows = [[(subtask, document) for document in subtask.instances] for subtask in self.subtasks]
        return [one for one in chain.from_iterable(zip_longest(*rows)) if one is not None]

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        found: dict[str, Metric] = {}
        for subtask in self.subtasks:
            for metric in [metric for figure in subtask.figures.values() for metric in figure.metrics]:
                known = found.setdefault(metric.name, metric)
                if known != metric:
                    raise UsageError(
                        f"{known.name} of {subtask.name} is not that of the other tasks; run {subtask.name} apart"
                    )
        return tuple(found.values())

    def check(self) -> None:
        for subtask in self.subtasks:
            subtask.check()

    def describe(self) -> dict[str, Any]:
        rolling = [one.name for one in self.subtasks if one.task.OUTPUT_TYPE == "loglikelihood_rolling"]
        return {
            "tasks": ", ".join(one.name for one in self.subtasks),
            "score": "mean of tasks" if len(self.subtasks) > 1 else None,
            "question": "seen by compression, but for its last token",
            "not compressed": f"{', '.join(rolling)}: its texts have no context" if rolling else None,
        }

    def sources(self) -> list[Source]:
        return [subtask.source() for subtask in self.subtasks]


@cache
def load(
    names: tuple[str, ...], samples: int, num_fewshot: int | None, fewshot_seed: int, include_path: str | None
) -> Suite:
    """
    Raises:
        UsageError: a task that is not there, or can't be loaded.
    """
    with quiet():
        tasks = find(names, include_path)
        return Suite([built(name, task, samples, num_fewshot, fewshot_seed) for name, task in tasks.items()])


def built(name: str, task: Any, samples: int, num_fewshot: int | None, fewshot_seed: int) -> Subtask:
    """With examples as lm-eval gives it them: a task that says 0 keeps 0."""
    own = task.get_config("num_fewshot")
    if num_fewshot is not None and own != 0:
        task.set_config("num_fewshot", num_fewshot)
    elif own is None:
        task.set_config("num_fewshot", 0)
    task.set_fewshot_seed(fewshot_seed)
    instances: dict[int, list[Any]] = {}
    documents = len(task.eval_docs)
    task.build_all_requests(limit=samples)
    for one in sorted(task.instances, key=lambda one: (one.doc_id, one.idx)):
        instances.setdefault(one.doc_id, []).append(one)
    return Subtask(name, task, documents, instances)
