"""A loaded bag classifier: what all its methods share is the trunk's shape; weights come with a method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from harness.api import Reading, Response, phases

from . import bags
from .network import MeanOfLogits, Network, Pooled
from .plugin import BagClassifier

Aggregate = Callable[[torch.Tensor, str], Pooled]


class LoadedBagClassifier(BagClassifier):
    def __init__(self, hidden: Sequence[int], bias: bool, dropout: float, device: str) -> None:
        self.hidden, self.bias, self.dropout, self.device = tuple(hidden), bias, dropout, device
        self.actions: list[Aggregate] = []
        self.bare: dict[tuple[int, int], Network] = {}

    @contextmanager
    def at(self, seam: str, action: Aggregate) -> Iterator[None]:
        self.actions.append(action)
        try:
            yield
        finally:
            self.actions.remove(action)

    def synchronize(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def head(self, width: int, classes: int) -> MeanOfLogits:
        """The bare subject's."""
        return MeanOfLogits(width, classes)

    def untrained(self, instances: torch.Tensor, classes: int) -> Pooled:
        """What it answers where nothing was trained: random weights, always the same."""
        key = (instances.shape[1], classes)
        if key not in self.bare:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                self.bare[key] = Network(self, self, *key).to(self.device).eval()
        return self.bare[key](instances)

    @torch.inference_mode()
    def respond(self, request: dict[str, Any], needs: frozenset[Any]) -> Response:
        bag = bags.read(request["file"], request["rows"], request["sha256"])
        instances = torch.from_numpy(bag).to(self.device)
        self.mark("input")
        if self.actions:
            pooled = self.actions[-1](instances, request["fold"])
        else:
            pooled = self.untrained(instances, request["classes"])
        output = {"probabilities": pooled.logits.double().softmax(0).tolist()}
        self.mark("forward")
        if request.get("attention"):
            output["attention"] = pooled.attention.tolist()
        return Response(output, observed={"instances": float(len(instances))})

    def durations(self, start_ns: int, marks: Sequence[tuple[str, int]], end_ns: int) -> list[Reading]:
        """One bag: read, checked and moved to the device; then its way through the network."""
        return phases(start_ns, marks, end_ns)
