"""A loaded image classifier."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from harness.api import Layers, Preparation, Reading, Response, phases

from .plugin import ImageClassifier
from .training import Data, Objective, fit, plain


class LoadedImageClassifier(ImageClassifier):
    def __init__(
        self,
        network: torch.nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        device: str,
        build: Callable[[], torch.nn.Module] | None = None,
    ) -> None:
        """`build` makes such a network anew, with weights drawn from torch's generator."""
        self.network = network.to(device).eval()
        self.device = device
        self.mean = torch.tensor(mean).view(1, -1, 1, 1)
        self.std = torch.tensor(std).view(1, -1, 1, 1)
        self._build = build
        self._batch: int | None = None  # of the last request
        self._full = self._resident = weight_bytes(self.network)

    # What methods do with it.

    @contextmanager
    def at(self, seam: str, action: Callable[[Any], Any]) -> Iterator[None]:
        """Calls the action at once; leaving puts back the layers and the network that were there."""
        network = self.network
        kinds = (torch.nn.Conv2d, torch.nn.Linear)
        layers = Layers(network, [name for name, module in network.named_modules() if isinstance(module, kinds)])
        try:
            if seam == "network":
                replaced = action(deepcopy(network))
                self.network = network if replaced is None else replaced.eval()
            else:
                action(layers)
            self._resident = weight_bytes(self.network)
            yield
        finally:
            self.network = network
            layers.restore()
            self._resident = weight_bytes(network)

    def new(self, seed: int) -> torch.nn.Module:
        """Its network before any training, drawn by the seed."""
        assert self._build is not None, "it was loaded without a way to build it"
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self._build().to(self.device)

    def fit(
        self,
        network: torch.nn.Module,
        preparation: Preparation,
        objective: Objective = plain,
        groups: list[dict[str, Any]] | None = None,
        **changes: Any,
    ) -> None:
        """Trains a network by the task's recipe, or that with changes; see `training.fit`."""
        fit(network, preparation, self.mean, self.std, self.device, objective, groups, changes)

    def finetune(
        self,
        network: torch.nn.Module,
        preparation: Preparation,
        objective: Objective = plain,
        groups: list[dict[str, Any]] | None = None,
    ) -> None:
        """Trains on, from where a network is, with the task's budget and rate for that."""
        self.fit(network, preparation, objective, groups, **preparation.training.get("finetune", {}))

    def calibration(self, preparation: Preparation, count: int | None = None) -> torch.Tensor:
        """Training images, the first `count`, normalised, neither moved nor flipped."""
        return Data(preparation.training["images"], self.mean, self.std, self.device).first(count)

    # What the harness asks of it.

    def train(self, preparation: Preparation) -> None:
        self.fit(self.new(preparation.seed), preparation)

    def restore(self, folder: Path) -> None:
        self.network.load_state_dict(load_file(folder / "weights.safetensors"))

    def synchronize(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def images(self, request: dict[str, Any]) -> torch.Tensor:
        """[1, channels, height, width], normalised."""
        pixels = np.frombuffer(b64decode(request["image"]), np.uint8).reshape(*request["size"], self.mean.shape[1])
        images = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        return ((images - self.mean) / self.std).to(self.device)

    @torch.inference_mode()
    def respond(self, request: dict[str, Any], needs: frozenset[Any]) -> Response:
        images, self._batch = self.images(request), request.get("batch")
        images = images.repeat(self._batch or 1, 1, 1, 1)
        self.mark("input")
        logits = self.network(images)
        self.synchronize()
        self.mark("forward")
        sizes = {"weight_resident_bytes": self._resident, "weight_full_bytes": self._full}
        return Response({"logits": logits[0].tolist()}, sizes if self._resident != self._full else {})

    def batched(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**request, "batch": size} for size in request.get("batches", ())]

    def durations(self, start_ns: int, marks: Sequence[tuple[str, int]], end_ns: int) -> list[Reading]:
        """One image: decoding and normalisation, and the network alone. A batch: images a second of the network."""
        if self._batch is None:
            return phases(start_ns, marks, end_ns)
        at = dict(marks)
        rate = self._batch / ((at["forward"] - at["input"]) / 1e9)
        return [Reading(f"throughput_{self._batch}", rate, "image/s", "perf_counter_ns")]


def weight_bytes(network: torch.nn.Module) -> float:
    """Of everything a network holds; what is executed elsewhere says it itself."""
    held = [*network.parameters(), *network.buffers()]
    return float(getattr(network, "held_bytes", sum(one.nbytes for one in held)))
