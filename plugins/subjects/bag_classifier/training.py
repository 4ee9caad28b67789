"""The training every method gets: same bags, order, budget and seeds; a network for each fold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from math import cos, pi
from typing import Any

import torch
from torch import nn

from harness.api import SourceError

from . import bags
from .network import INDEX, Network

KEPT_BYTES = 2 << 30  # of bags, in memory; beyond it they are read again when their turn comes


class Bags:
    """The training's bags by number."""

    def __init__(self, requests: Sequence[dict[str, Any]], device: str) -> None:
        self.requests, self.device = requests, device
        self.kept: dict[int, torch.Tensor] = {}
        self.free = KEPT_BYTES

    def __getitem__(self, number: int) -> torch.Tensor:
        if number in self.kept:
            return self.kept[number]
        one = self.requests[number]
        instances = torch.from_numpy(bags.read(one["file"], one["rows"], one["sha256"])).to(self.device)
        if instances.nbytes <= self.free:
            self.kept[number] = instances
            self.free -= instances.nbytes
        return instances

    def spread(self, numbers: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of each feature over all instances of these bags; 1 where it never varies."""
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for number in numbers:
            instances = self[number].double()
            count, total, squares = (
                count + len(instances),
                total + instances.sum(0),
                squares + instances.square().sum(0),
            )
        mean = total / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        return mean.float(), torch.where(deviation > 1e-6 * mean.abs().clamp(min=1), deviation, 1.0).float()


def train(preparation: Any, method: Any) -> None:
    """Leaves `folds.json` and a file of weights for each fold in the preparation's folder.

    Raises:
        SourceError: a bag can't be read, or has other features than the rest of its fold.
    """
    plan, subject = preparation.training, preparation.subject
    if not plan.get("folds"):
        raise SourceError("this task gives a bag classifier nothing to train on")
    found, index = Bags(plan["bags"], subject.device), {}
    for place, (name, fold) in enumerate(plan["folds"].items()):
        seed = int.from_bytes(hashlib.sha256(f"{preparation.seed}/{name}".encode()).digest()[:4], "big")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network, told = fit(plan, fold, found, subject, method, preparation.progress)
        file = f"{place}.safetensors"
        save(network, preparation.folder / file)
        index[name] = {"file": file, "features": len(network.mean), "classes": plan["classes"], **told}
    (preparation.folder / INDEX).write_text(json.dumps(index))


def fit(
    plan: dict[str, Any], fold: dict[str, Any], found: Bags, subject: Any, method: Any, progress: Callable[[], None]
) -> tuple[Network, dict[str, Any]]:
    """AdamW on one bag at a time, the rate falling to 0 along a cosine."""
    numbers: list[int] = fold["train"]
    check_widths(found, [*numbers, *fold.get("validation", [])])
    network = Network(subject, method, found[numbers[0]].shape[1], plan["classes"]).to(subject.device)
    if plan["standardise"]:
        network.mean[:], network.std[:] = found.spread(numbers)
    labels = {number: torch.tensor([plan["bags"][number]["label"]], device=subject.device) for number in numbers}
    rate, steps, step = plan["learning_rate"], plan["epochs"] * len(numbers), 0
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=plan["weight_decay"], fused=True)
    best, loss = Best(plan, fold.get("validation", []), found), torch.zeros(())
    for epoch in range(plan["epochs"]):
        network.train()
        for place in torch.randperm(len(numbers)).tolist():
            optimizer.param_groups[0]["lr"] = rate * 0.5 * (1 + cos(pi * step / steps))
            optimizer.zero_grad()
            loss = method.loss(network(found[numbers[place]]), labels[numbers[place]])
            loss.backward()
            optimizer.step()
            step += 1
        if not torch.isfinite(loss):
            raise SourceError(f"training diverged in epoch {epoch + 1}; lower task.learning_rate={rate}")
        best.look(network, epoch)
        progress()
    return best.give(network), {"steps": steps, "epoch": best.epoch}


class Best:
    """The epoch with the highest macro F1 + AUROC on the validation bags; the last one where there are none."""

    def __init__(self, plan: dict[str, Any], numbers: Sequence[int], found: Bags) -> None:
        self.numbers, self.found, self.classes = numbers, found, plan["classes"]
        self.labels = [plan["bags"][number]["label"] for number in numbers]
        self.score, self.epoch, self.state = -1.0, plan["epochs"] - 1, None
        if numbers and len(set(self.labels)) < self.classes:
            raise SourceError(
                f"the validation bags of a fold have labels {sorted(set(self.labels))} alone; "
                f"to choose an epoch they need all {self.classes} classes"
            )

    @torch.inference_mode()
    def look(self, network: Network, epoch: int) -> None:
        if not self.numbers:
            return
        from sklearn.metrics import f1_score, roc_auc_score

        network.eval()
        told = torch.stack([network(self.found[number]).logits.softmax(0) for number in self.numbers]).cpu().numpy()
        score = f1_score(self.labels, told.argmax(1), average="macro")
        if self.classes == 2:
            score += roc_auc_score(self.labels, told[:, 1])
        else:
            score += roc_auc_score(self.labels, told, multi_class="ovr")
        if score > self.score:
            state = {name: value.clone() for name, value in network.state_dict().items()}
            self.score, self.epoch, self.state = float(score), epoch, state

    def give(self, network: Network) -> Network:
        if self.state is not None:
            network.load_state_dict(self.state)
        return network


def check_widths(found: Bags, numbers: Sequence[int]) -> None:
    width = found[numbers[0]].shape[1]
    for number in numbers:
        if found[number].shape[1] != width:
            first, other = found.requests[numbers[0]], found.requests[number]
            raise SourceError(
                f"{bags.place(other['file'])} has {found[number].shape[1]} features an instance, "
                f"{bags.place(first['file'])} has {width}; bags of one training have the same"
            )


def save(network: nn.Module, path: Any) -> None:
    from safetensors.torch import save_file

    save_file({name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}, path)
