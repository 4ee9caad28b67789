"""How a sequence's next token is chosen: the likeliest, or one drawn from what samplers leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, log
from typing import Any, TypeAlias

import torch
from torch import Tensor


@dataclass
class Step:
    """One token to be chosen, for what acts at `next_token`."""

    logits: Tensor  # [vocabulary], float32; -inf for tokens that can't be drawn. Samplers put their own here
    generator: torch.Generator
    token: int | None = None  # once it is drawn

    @property
    def candidates(self) -> int:
        """How many tokens it may be."""
        return int((self.logits > -inf).sum())

    def draw(self) -> int:
        """Draws the token; for samplers that go by what came of it. Where none does it is drawn after the last."""
        self.token = drawn(self.logits, self.generator)
        return self.token


Sampling: TypeAlias = Callable[[Step], None]


@dataclass
class Chooser:
    """Chooses the tokens of one sequence, from the first to the last."""

    samplers: Sequence[Sampling] = ()  # none: the likeliest
    generator: torch.Generator = field(default_factory=torch.Generator)
    banned: Tensor | None = None
    surprises: list[float] | None = None  # bits, of each token chosen, where they are asked for
    candidates: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, request: dict[str, Any], seed: int, samplers: Sequence[Sampling], device: torch.device) -> Chooser:
        banned = request.get("banned")
        return cls(
            samplers,
            torch.Generator().manual_seed(seed),
            torch.tensor(banned, device=device) if banned else None,
            [] if request.get("surprise") else None,
        )

    def choose(self, logits: Tensor) -> int:
        """A token, from the model's logits, [vocabulary]."""
        if self.banned is not None:
            logits = logits.index_fill(0, self.banned, -inf)
        token = self._sampled(logits.float()) if self.samplers else int(logits.argmax())
        if self.surprises is not None:
            self.surprises.append(float(bits(logits.float())[token]))
        return token

    def _sampled(self, logits: Tensor) -> int:
        step = Step(logits, self.generator)
        for sample in self.samplers:
            sample(step)
        self.candidates.append(step.candidates)
        return step.draw() if step.token is None else step.token

    def told(self, tokens: int) -> dict[str, Any]:
        """What goes into the output beside so many tokens; a stop token is in neither."""
        return {} if self.surprises is None else {"surprises": self.surprises[:tokens]}


def bits(logits: Tensor) -> Tensor:
    """Surprise of each token, −log2 of its probability, [vocabulary]."""
    return logits.log_softmax(-1) / -log(2)


def drawn(logits: Tensor, generator: torch.Generator) -> int:
    """A token with the probability that softmax gives it: one uniform number, looked up in the cumulative sum.

    The number comes from the CPU whatever the device, so that a seed means the same draws everywhere.
    """
    sums = logits.softmax(-1).cumsum(-1, dtype=torch.float64)
    uniform = torch.rand((), generator=generator, dtype=torch.float64).to(sums.device)
    return int(torch.searchsorted(sums, uniform * sums[-1], right=True))


def observed(choosers: Sequence[Chooser]) -> dict[str, float]:
    """Means over the tokens of all sequences: what was drawn from, and how surprising it was, where that is known."""
    named = {
        "candidates": [one for chooser in choosers for one in chooser.candidates],
        "surprise": [one for chooser in choosers for one in chooser.surprises or ()],
    }
    return {name: sum(found) / len(found) for name, found in named.items() if found}
