"""The training loop. What a step draws follows from the seed and its number alone: its images, how they are
moved and flipped, and whatever the network draws. So every method sees what its baseline sees, and an attempt
that goes on from a checkpoint ends with the weights of one that was never stopped.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from harness.api import HarnessError, Preparation, Reading, UsageError

Terms: TypeAlias = dict[str, torch.Tensor]
# (network, images, labels, share of the steps done) → logits, and the terms whose sum is minimised
Objective: TypeAlias = Callable[[torch.nn.Module, torch.Tensor, torch.Tensor, float], tuple[torch.Tensor, Terms]]

CHECKPOINT_EVERY_S = 10.0


def plain(
    network: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, done: float
) -> tuple[torch.Tensor, Terms]:
    """Cross-entropy alone."""
    logits = network(images)
    return logits, {"cross_entropy": F.cross_entropy(logits, labels)}


def fit(
    network: torch.nn.Module,
    preparation: Preparation,
    mean: torch.Tensor,
    std: torch.Tensor,
    device: str,
    objective: Objective = plain,
    groups: list[dict[str, Any]] | None = None,
    changes: dict[str, Any] | None = None,
) -> None:
    """Trains in place; leaves `weights.safetensors` and `training.json` in the folder.

    `groups` are the optimiser's, where not all parameters are treated alike; a group with `constant`
    keeps its rate. Terms named with a leading `_` are recorded and not minimised.
    """
    if "recipe" not in preparation.training:
        raise UsageError("this task has images to calibrate on and no recipe to train by; run it on another task")
    recipe = {**preparation.training["recipe"], **(changes or {})}
    data = Data(preparation.training["images"], mean, std, device)
    optimiser = torch.optim.SGD(
        groups or [{"params": list(network.parameters())}],
        lr=recipe["lr"],
        momentum=recipe["momentum"],
        weight_decay=recipe["weight_decay"],
    )
    rates = [group["lr"] for group in optimiser.param_groups]
    kept = Checkpoint(preparation, network, optimiser)
    step, history, flops = kept.load()
    if step:
        preparation.progress(f"goes on from step {step} of {recipe['steps']}")
    network.to(device).train()
    saved_at, steps = time.monotonic(), recipe["steps"]
    while step < steps:
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate if group.get("constant") else rate * share_of_rate(step / steps, recipe["milestones"])
        images, labels = data.batch(recipe, preparation.seed, step)
        with torch.random.fork_rng(devices=[images.device] if device == "cuda" else []):
            torch.manual_seed(seed_of(preparation.seed, step, 2))
            with nullcontext() if flops else FlopCounterMode(display=False) as count:
                logits, terms = objective(network, images, labels, step / steps)
                loss = torch.stack([term for name, term in terms.items() if name[0] != "_"]).sum()
                optimiser.zero_grad()
                loss.backward()
            if count is not None:
                flops = float(count.get_total_flops())
        optimiser.step()
        value = float(loss.detach())
        told = {name: float(term.detach()) for name, term in terms.items()}
        told["_top1"] = float((logits.argmax(1) == labels).float().mean())
        if not math.isfinite(value):
            raise HarnessError(f"training diverged: the loss of step {step} is {value}; lower task.lr")
        add(history, step // data.steps_an_epoch(recipe["batch"]), told)
        step += 1
        preparation.progress(f"step {step} of {steps}, loss {value:.3f}, training top-1 {told['_top1']:.0%}")
        if time.monotonic() - saved_at > CHECKPOINT_EVERY_S:
            kept.save(step, history, flops)
            saved_at = time.monotonic()
    network.eval()
    weights = {name: one.contiguous().cpu() for name, one in network.state_dict().items()}
    save_file(weights, preparation.folder / "weights.safetensors")
    (preparation.folder / "training.json").write_text(json.dumps({"recipe": recipe, "epochs": history}))
    preparation.readings += [
        Reading("prepare_flops", flops * steps, "FLOP", "torch.FlopCounterMode", detail={"steps": steps}),
        Reading("prepare_images", float(steps * min(recipe["batch"], len(data.labels))), "1", "count"),
    ]


class Data:
    """The training images, on the device as they are stored."""

    def __init__(self, path: str, mean: torch.Tensor, std: torch.Tensor, device: str) -> None:
        with np.load(path, allow_pickle=False) as held:
            self.pixels = torch.from_numpy(held["pixels"]).permute(0, 3, 1, 2).contiguous().to(device)
            self.labels = torch.from_numpy(held["labels"].astype(np.int64)).to(device)
        self.mean, self.std, self.device = mean.to(device), std.to(device), device

    def steps_an_epoch(self, batch: int) -> int:
        return max(1, len(self.labels) // batch)

    def batch(self, recipe: dict[str, Any], seed: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Whole batches of a new order each epoch; all images where there are fewer than a batch."""
        epoch, place = divmod(step, self.steps_an_epoch(recipe["batch"]))
        order = torch.randperm(len(self.labels), generator=generator(seed, epoch, 0))
        chosen = order[place * recipe["batch"] :][: recipe["batch"]].to(self.device)
        images = moved(self.pixels[chosen], recipe["crop"], recipe["flip"], generator(seed, step, 1))
        return self.normal(images), self.labels[chosen]

    def normal(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels.float() / 255 - self.mean) / self.std

    def first(self, count: int | None) -> torch.Tensor:
        """So many images, normalised, neither moved nor flipped."""
        return self.normal(self.pixels[:count])


def moved(pixels: torch.Tensor, crop: int, flip: bool, draws: torch.Generator) -> torch.Tensor:
    """Each image cropped at random out of itself padded by `crop` zeros, and flipped by chance."""
    n, channels, height, width = pixels.shape
    top, left = torch.randint(0, 2 * crop + 1, (2, n, 1), generator=draws).to(pixels.device)
    rows = top + torch.arange(height, device=pixels.device)
    columns = left + torch.arange(width, device=pixels.device)
    if flip:
        turned = torch.rand(n, 1, generator=draws).to(pixels.device) < 0.5
        columns = torch.where(turned, columns.flip(1), columns)
    padded = F.pad(pixels, (crop,) * 4)
    each = torch.arange(n, device=pixels.device)
    of = torch.arange(channels, device=pixels.device)
    return padded[each[:, None, None, None], of[None, :, None, None], rows[:, None, :, None], columns[:, None, None, :]]


def share_of_rate(done: float, milestones: list[float]) -> float:
    """A tenth of it less after each milestone, a share of the steps."""
    return float(0.1 ** sum(done >= one for one in milestones))


def seed_of(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def generator(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed_of(*numbers))


def add(history: list[dict[str, float]], epoch: int, told: dict[str, float]) -> None:
    """Means by epoch."""
    while len(history) <= epoch:
        history.append({"steps": 0.0})
    means, before = history[epoch], history[epoch]["steps"]
    for name, value in told.items():
        means[name] = (means.get(name, 0.0) * before + value) / (before + 1)
    means["steps"] = before + 1


class Checkpoint:
    """Where a training stands, kept where the next attempt finds it."""

    def __init__(self, preparation: Preparation, network: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
        self.preparation, self.network, self.optimiser = preparation, network, optimiser
        scratch: Path | None = preparation.scratch
        self.path = scratch / "checkpoint.pt" if scratch else None

    def save(self, step: int, history: list[dict[str, float]], flops: float) -> None:
        if self.path is None:
            return
        state = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict(), "step": step}
        state |= {"history": history, "flops": flops, "spent": self.preparation.spent()}
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.path)

    def load(self) -> tuple[int, list[dict[str, float]], float]:
        """Step, means by epoch, and the FLOPs of a step."""
        if self.path is None or not self.path.exists():
            return 0, [], 0.0
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.preparation.before.update(state["spent"])
        return state["step"], state["history"], state["flops"]
