"""Open-ended continuation of real text: repetition, diversity, and how surprising it is, against a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.api import IncompatibleError, Metric, Sample, Score, Source, Task, hookimpl, knob


@dataclass(frozen=True)
class OpenEnded(Task):
    context: int = knob(64, low=1, help="tokens of text that are continued")
    new_tokens: int = knob(256, low=8, help="tokens of each continuation, exactly: the end of a text is never chosen")
    continuations: int = knob(4, low=1, help="of each text; self-BLEU compares them")
    samples: int = knob(8, low=1, hashed=False, help="texts")
    target: float = knob(3.0, low=0.0, help="surprise that off_target is measured from, bits a token")
    part: str = knob("test", choices=("test", "calibration"), help="which of the essays")
    # What a text holds is hashed as a source; where it lies changes nothing.
    text: str | None = knob(None, hashed=False, help="text file in UTF-8, in place of the essays")
    timed_new_tokens: int = knob(16, low=1, help="tokens a timed request decodes")

    name = "open_ended"
    subjects = frozenset({"causal-lm"})
    metrics = (
        Metric("repetition", "%", higher_is_better=False, scale=100.0),
        Metric("distinct_1", "%", higher_is_better=True, scale=100.0),
        Metric("distinct_2", "%", higher_is_better=True, scale=100.0),
        Metric("self_bleu", "", higher_is_better=False),
        Metric("surprise", "bits", higher_is_better=None),
        Metric("off_target", "bits", higher_is_better=False),
        Metric("drift", "bits", higher_is_better=None),
    )

    def check(self, facts: Mapping[str, Any]) -> None:
        limit, wanted = facts.get("context_length"), self.context + self.new_tokens
        if limit is not None and wanted > limit:
            raise IncompatibleError(
                f"open_ended.context={self.context} and open_ended.new_tokens={self.new_tokens} are {wanted} tokens, "
                f"the model takes {limit}; lower one, or choose a model with a longer context"
            )

    def planned(self) -> int:
        return self.samples

    def describe(self) -> dict[str, Any]:
        return {
            "prompt": f"{self.context:,} tokens of text",
            "answer": f"{self.continuations} × {self.new_tokens:,} tokens, never ended early",
            "off_target": f"from {self.target:g} bits",
        }

    def sources(self) -> list[Source]:
        from .prompts import documents

        return [documents(self).source]

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        from .prompts import Prompts

        return Prompts(self, processor, seed)

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        from .measures import distinct, off_target, self_bleu, trend

        texts = output["continuations"]
        tokens, surprises = [one["tokens"] for one in texts], [one["surprises"] for one in texts]
        return [
            Score("repetition", fmean(1 - distinct(one, 4) for one in tokens)),
            Score("distinct_1", fmean(distinct(one, 1) for one in tokens)),
            Score("distinct_2", fmean(distinct(one, 2) for one in tokens)),
            Score("self_bleu", *self_bleu([processor.decode(one) for one in tokens])),
            Score("surprise", fmean(map(fmean, surprises))),
            Score("off_target", fmean(off_target(one, self.target) for one in surprises)),
            Score("drift", fmean(map(trend, surprises))),
        ]

    def timed(self, sample: Sample) -> dict[str, Any]:
        """One continuation; what its surprise is takes time, and is not asked for."""
        kept = {key: value for key, value in sample.request.items() if key != "surprise"}
        return kept | {"new_tokens": self.timed_new_tokens, "seeds": sample.request["seeds"][:1]}

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        return "\n\n".join(str(processor.decode(one["tokens"])) for one in output["continuations"])


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [OpenEnded]
