"""A loaded image classifier."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from harness.api import Reading, Response

from .plugin import ImageClassifier


class LoadedImageClassifier(ImageClassifier):
    def __init__(self, network: torch.nn.Module, mean: Sequence[float], std: Sequence[float], device: str) -> None:
        self.network = network.to(device).eval()
        self.device = device
        self.mean = torch.tensor(mean).view(1, 3, 1, 1)
        self.std = torch.tensor(std).view(1, 3, 1, 1)

    @contextmanager
    def at(self, seam: str, action: Callable[[torch.nn.Module], None]) -> Iterator[None]:
        """Calls the action at once; leaving gives every weight and buffer its value back."""
        before = {name: value.clone() for name, value in self.network.state_dict().items()}
        try:
            action(self.network)
            yield
        finally:
            self.network.load_state_dict(before)

    def synchronize(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def images(self, request: dict[str, Any]) -> torch.Tensor:
        """[1, 3, height, width], normalised."""
        pixels = np.frombuffer(b64decode(request["image"]), np.uint8).reshape(*request["size"], 3)
        images = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        return ((images - self.mean) / self.std).to(self.device)

    @torch.inference_mode()
    def respond(self, request: dict[str, Any], needs: frozenset[Any]) -> Response:
        images = self.images(request)
        self.mark("input")
        logits = self.network(images)[0]
        self.synchronize()
        self.mark("forward")
        return Response({"logits": logits.tolist()})

    def durations(self, start_ns: int, marks: Sequence[tuple[str, int]], end_ns: int) -> list[Reading]:
        """One image: decoding and normalisation, and the network alone."""
        at = dict(marks)
        return [
            Reading("latency_s", (end_ns - start_ns) / 1e9, "s", "perf_counter_ns"),
            Reading("input_s", (at["input"] - start_ns) / 1e9, "s", "perf_counter_ns"),
            Reading("forward_s", (at["forward"] - at["input"]) / 1e9, "s", "perf_counter_ns"),
        ]
