"""Perplexity: how well real text is predicted, token by token, in prefill or while decoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from harness.api import IncompatibleError, KnobError, Metric, Sample, Score, Source, Task, hookimpl, knob


@dataclass(frozen=True)
class Perplexity(Task):
    phase: str = knob(
        "decode",
        choices=("decode", "prefill"),
        help="decode: scored tokens are fed one by one after the context; prefill: all at once, with the context",
    )
    context: int = knob(512, low=2, help="tokens in front of the scored ones in each window")
    stride: int = knob(64, low=1, help="tokens scored in each window; the next window lies so many further")
    samples: int = knob(32, low=1, hashed=False, help="windows, of all that the text holds in an order drawn by seed")
    part: str = knob(
        "test", choices=("test", "calibration"), help="which of the essays; methods calibrate on the others"
    )
    # What a text holds is hashed as a source; where it lies changes nothing.
    text: str | None = knob(None, hashed=False, help="text file in UTF-8, in place of the essays")
    dataset: str | None = knob(None, help="dataset on the hub, in place of the essays")
    config: str | None = knob(None, help="which configuration of the dataset")
    split: str = knob("test", help="which split of the dataset")
    column: str = knob("text", help="which column of the dataset; rows are joined by blank lines")
    timed_new_tokens: int = knob(16, low=1, help="tokens a timed request decodes after the context")

    name = "perplexity"
    subjects = frozenset({"causal-lm"})
    metrics = (
        Metric("loss", "nats", higher_is_better=False),
        Metric("bits_per_byte", "bits", higher_is_better=False, weight="bytes"),
        Metric("bytes", "", higher_is_better=True),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text is not None and self.dataset is not None:
            raise KnobError(
                f"perplexity takes one text, got text={self.text} and dataset={self.dataset}; remove one of them"
            )

    def check(self, facts: Mapping[str, Any]) -> None:
        limit, wanted = facts.get("context_length"), self.context + max(self.stride, self.timed_new_tokens)
        if limit is not None and wanted > limit:
            raise IncompatibleError(
                f"perplexity.context={self.context} with perplexity.stride={self.stride} and "
                f"perplexity.timed_new_tokens={self.timed_new_tokens} takes {wanted} tokens, the model takes {limit}; "
                "lower one, or choose a model with a longer context"
            )

    def planned(self) -> int:
        return self.samples

    def describe(self) -> dict[str, Any]:
        fed = "token by token, after the context" if self.phase == "decode" else "at once, with the context"
        return {"context": f"{self.context:,} tokens", "scored": f"{self.stride} tokens a window, {fed}"}

    def sources(self) -> list[Source]:
        from .texts import texts

        return [texts(self).source]

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        from .windows import Windows

        return Windows(self, processor, seed)

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        logprobs = output["scores"][0]["logprobs"][-self.stride :]
        nats, size = -sum(logprobs), sample.target["bytes"]
        return [
            Score("loss", nats / self.stride),
            Score("bits_per_byte", nats / log(2) / size),
            Score("bytes", float(size)),
        ]

    def timed(self, sample: Sample) -> dict[str, Any]:
        (item,) = sample.request["score"]
        ids = [*item["context"], *item["continuation"]][: self.context]
        return {
            "context": ids,
            "question": [],
            "question_seen": True,
            "new_tokens": self.timed_new_tokens,
            "stop": [],
        }

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        logprobs = output["scores"][0]["logprobs"][-self.stride :]
        return f"{-sum(logprobs) / self.stride:.4f} nats a token"


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Perplexity]
