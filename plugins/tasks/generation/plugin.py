"""Fixed lengths in, fixed lengths out, no accuracy: for studies of cost alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from harness.api import IncompatibleError, Sample, Task, hookimpl, knob


@dataclass(frozen=True)
class Generation(Task):
    context: int = knob(1024, low=1, help="tokens of the prompt, exactly")
    new_tokens: int = knob(128, low=1, help="tokens decoded after it, exactly")
    samples: int = knob(2, low=1, hashed=False, help="prompts")

    name = "generation"
    subjects = frozenset({"causal-lm"})

    def check(self, facts: Mapping[str, Any]) -> None:
        limit, wanted = facts.get("context_length"), self.context + self.new_tokens
        if limit is not None and wanted > limit:
            raise IncompatibleError(
                f"generation.context={self.context} and generation.new_tokens={self.new_tokens} are {wanted} tokens, "
                f"the model takes {limit}; lower one, or choose a model with a longer context"
            )

    def planned(self) -> int:
        return self.samples

    def describe(self) -> dict[str, Any]:
        return {
            "prompt": f"{self.context:,} random tokens",
            "answer": f"{self.new_tokens} new tokens, never ended early",
        }

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        return Prompts(self, processor, seed)


class Prompts(Sequence[Sample]):
    """Tokens drawn evenly from all that do not end a text."""

    def __init__(self, task: Generation, processor: Any, seed: int) -> None:
        self.task = task
        self.seed = seed
        stop = set(processor.stop_ids)
        self.tokens = [token for token in range(processor.vocab_size) if token not in stop]

    def __len__(self) -> int:
        return self.task.planned()

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")
        request = {
            "context": Random(f"generation/{self.seed}/{number}").choices(self.tokens, k=self.task.context),
            "question": [],
            "question_seen": True,
            "new_tokens": self.task.new_tokens,
            "stop": [],
        }
        prompt = f"{self.task.context} random tokens, number {number} of seed {self.seed}"
        return Sample(number, "generation", request, target=None, prompt=prompt)


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [Generation]
