"""LongBench: questions, summaries and code over long texts in two languages (arXiv:2308.14508)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from harness.api import (
    IncompatibleError,
    KnobError,
    Metric,
    Sample,
    Score,
    Source,
    Task,
    UsageError,
    hookimpl,
    knob,
    nearest,
)

from .datasets import DATASETS, EXTENDED
from .metrics import METRICS, best
from .records import BUCKETS, File, Record, read
from .samples import Samples


@dataclass(frozen=True)
class LongBench(Task):
    datasets: tuple[str, ...] | None = knob(
        None, choices=tuple(DATASETS), help="which datasets to ask; null: all 21, or the 13 of LongBench-E"
    )
    extended: bool = knob(False, help="LongBench-E: other records of 13 datasets, as many of each length")
    path: str = knob(
        "hub", hashed=False, help="folder of the official .jsonl files; hub: fetch THUDM/LongBench (114 MB)"
    )
    context: int | None = knob(
        None, low=4, help="tokens that prompt and answer may take together; null: as many as the model takes"
    )
    samples: int | None = knob(
        8, low=1, hashed=False, help="samples of each dataset (LongBench-E: and length); null: all"
    )
    new_tokens: int | None = knob(None, low=1, help="tokens an answer may take; null: as LongBench, 32 to 512")
    timed_new_tokens: int = knob(16, low=1, help="tokens a timed answer takes, whatever is answered")
    chat_template: bool = knob(
        True, help="whether prompts go into the model's chat template, as LongBench does but for few-shot and code"
    )
    question: str = knob("after", choices=("after", "before"), help="whether compression comes before the question")

    name = "longbench"
    subjects = frozenset({"causal-lm"})
    metrics = (Metric("score", "%", higher_is_better=True, aggregation="macro_mean", scale=100.0),)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.datasets == ():
            raise KnobError("longbench.datasets is empty; name some, or remove it to ask all")
        for name in self.datasets or ():
            if self.names.count(name) > 1:
                raise KnobError(f"longbench.datasets names {name} twice; remove one")
            if self.extended and name not in EXTENDED:
                raise KnobError(
                    f"{name} is no dataset of LongBench-E{nearest(name, EXTENDED)} (it has: {', '.join(EXTENDED)})"
                )
        if self.context is not None and self.longest + 2 > self.context:
            raise KnobError(
                f"longbench.context={self.context} leaves no room for a prompt before an answer of {self.longest} "
                "tokens; raise it, or lower longbench.new_tokens"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return self.datasets or (EXTENDED if self.extended else tuple(DATASETS))

    @property
    def longest(self) -> int:
        """Tokens that the longest answer may take."""
        return max(map(self.answer_tokens, self.names))

    @property
    def limit(self) -> int:
        """Tokens that prompt and answer may take together."""
        if self.context is None:
            raise KnobError("the model does not say how many tokens it takes; set longbench.context")
        return self.context

    def answer_tokens(self, name: str) -> int:
        return self.new_tokens or DATASETS[name].new_tokens

    def resolved(self, facts: Mapping[str, Any]) -> LongBench:
        return replace(self, context=facts.get("context_length")) if self.context is None else self

    def check(self, facts: Mapping[str, Any]) -> None:
        self._check_libraries()
        own, limit = self.limit, facts.get("context_length")
        if limit is None:
            return
        if own > limit:
            raise IncompatibleError(
                f"longbench.context={own} is longer than the model's {limit} tokens; "
                f"set it to {limit} or less, or choose a model with a longer context"
            )
        prompt = own - min(map(self.answer_tokens, self.names))
        if prompt + self.timed_new_tokens > limit:
            raise IncompatibleError(
                f"longbench.timed_new_tokens={self.timed_new_tokens} after a prompt of {prompt} tokens is longer than "
                f"the model's {limit}; set it to {limit - prompt} or less"
            )

    def _check_libraries(self) -> None:
        for name in self.names:
            lacking = [one for one in sorted(METRICS[DATASETS[name].metric].libraries) if find_spec(one) is None]
            if lacking:
                raise UsageError(
                    f"longbench scores {name} with {' and '.join(lacking)}, not installed here; "
                    "pip install 'harness-ml[longbench]', or leave it out of task.datasets"
                )

    def files(self) -> Mapping[str, File]:
        return {name: read(self.path, name, self.extended) for name in self.names}

    def strata(self) -> Mapping[str, Sequence[Record]]:
        """Records by dataset; of LongBench-E, by dataset and length."""
        files = self.files()
        if not self.extended:
            return {name: file.records for name, file in files.items()}
        split = {
            f"{name} {bucket}": [record for record in file.records if record.bucket == bucket]
            for name, file in files.items()
            for bucket in BUCKETS
        }
        return {stratum: records for stratum, records in split.items() if records}

    def dataset_of(self, stratum: str) -> str:
        return stratum.partition(" ")[0]

    def planned(self) -> int:
        sizes = [len(records) for records in self.strata().values()]
        return sum(sizes if self.samples is None else [min(size, self.samples) for size in sizes])

    def describe(self) -> dict[str, Any]:
        labels = {METRICS[DATASETS[name].metric].label: None for name in self.names}
        kind, whole = ("LongBench-E", EXTENDED) if self.extended else ("LongBench", tuple(DATASETS))
        complete = set(self.names) == set(whole)
        return {
            "datasets": f"{kind}, {f'all {len(whole)}' if complete else ', '.join(self.names)}",
            "context": f"{self.limit:,} tokens, longer prompts cut in the middle",
            "answer": self._budget(),
            "question": "withheld from compression" if self.question == "after" else "seen by compression",
            "prompt": "chat template, raw text for few-shot and code" if self.chat_template else "raw text",
            "score": ", ".join(labels),
        }

    def _budget(self) -> str:
        published = {DATASETS[name].new_tokens for name in self.names}
        least, most = min(published), max(published)
        own = f"{least}" if least == most else f"{least} to {most}"
        return f"{own} new tokens" if self.new_tokens is None else f"{self.new_tokens} new tokens (LongBench: {own})"

    def sources(self) -> list[Source]:
        return [file.source() for file in self.files().values()]

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        return Samples(self, processor, seed)

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        dataset = DATASETS[self.dataset_of(sample.stratum)]
        answer = self.answer_text(output, processor)
        if dataset.one_line:
            answer = answer.lstrip("\n").partition("\n")[0]
        target = sample.target
        return [Score("score", best(dataset.metric, answer, target["answers"], target.get("classes", ())))]

    def timed(self, sample: Sample) -> dict[str, Any]:
        return sample.request | {"new_tokens": self.timed_new_tokens, "stop": []}

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        return str(processor.decode(output["tokens"]))


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [LongBench]
