"""The training every method gets: same bags, order, budget and seeds; a network for each fold."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from math import cos, pi
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from harness.api import SourceError

from . import bags
from .network import INDEX, Network

TOGETHER = 16  # folds trained side by side, at most ...
NUMBERS = 1 << 22  # ... and numbers that their largest bag may have for all of them
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
    """Leaves `folds.json` and a file of weights for each fold in the preparation's folder; goes on group by group.

    Raises:
        SourceError: a bag can't be read, or has other features than the rest of its fold.
    """
    plan, scratch = preparation.training, preparation.scratch or preparation.folder
    if not plan.get("folds"):
        raise SourceError("this task gives a bag classifier nothing to train on")
    folds, found = dict(plan["folds"]), Bags(plan["bags"], preparation.subject.device)
    files = {name: scratch / f"{place}.safetensors" for place, name in enumerate(folds)}
    done = 0
    for group in grouped(folds, found):
        done += len(group)
        if all(files[name].exists() for name in group):  # by an attempt that was killed
            preparation.before.update(about(files[group[-1]])["spent"])
            continue
        note = f"fold {done} of {len(folds)}"
        networks = fit(preparation, {name: folds[name] for name in group}, found, method, note)
        for name, (network, told) in zip(group, networks, strict=True):
            told |= {"file": files[name].name, "features": len(network.mean), "classes": plan["classes"]}
            save(network, {"fold": told, "spent": preparation.spent()}, files[name])
    for file in files.values() if preparation.scratch else ():
        shutil.copyfile(file, preparation.folder / file.name)
    index = {name: about(file)["fold"] for name, file in files.items()}
    (preparation.folder / INDEX).write_text(json.dumps(index))


def grouped(folds: dict[str, dict[str, Any]], found: Bags) -> list[list[str]]:
    """Folds to be trained side by side: most of their bags are the same, and a step of all fits into little memory."""
    groups: list[list[str]] = []
    for name, fold in folds.items():
        mine = set(fold["train"])
        check_widths(found, [*fold["train"], *fold.get("validation", [])])
        most = max(1, min(TOGETHER, NUMBERS // max(found[number].numel() for number in mine)))
        alike = (one for one in groups if len(one) < most and 2 * len(mine & set(folds[one[0]]["train"])) >= len(mine))
        group = next(alike, None)
        if group is None:
            groups.append([name])
        else:
            group.append(name)
    return groups


def seed_of(preparation: Any, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{preparation.seed}/{name}".encode()).digest()[:4], "big")


def fit(
    preparation: Any, folds: dict[str, dict[str, Any]], found: Bags, method: Any, note: str
) -> list[tuple[Network, dict[str, Any]]]:
    """AdamW on one bag at a time, the rate falling to 0 along a cosine; a bag passes all folds side by side."""
    plan, subject = preparation.training, preparation.subject
    numbers = sorted({number for fold in folds.values() for number in fold["train"]})
    seen = {number: [number in fold["train"] for fold in folds.values()] for number in numbers}
    labels = {number: torch.tensor([plan["bags"][number]["label"]], device=subject.device) for number in numbers}
    networks = []
    with torch.random.fork_rng():
        for name, fold in folds.items():
            torch.manual_seed(seed_of(preparation, name))
            networks.append(Network(subject, method, found[numbers[0]].shape[1], plan["classes"]).to(subject.device))
            if plan["standardise"]:
                networks[-1].mean[:], networks[-1].std[:] = found.spread(fold["train"])
        side = SideBySide(networks, method)
        optimizer = torch.optim.AdamW(side.rows, plan["learning_rate"], weight_decay=plan["weight_decay"], fused=True)
        bests = [Best(plan, fold.get("validation", []), found) for fold in folds.values()]
        steps, step = plan["epochs"] * len(numbers), 0
        torch.manual_seed(seed_of(preparation, next(iter(folds))))
        for epoch in range(plan["epochs"]):
            for network in networks:
                network.train()
            for place in torch.randperm(len(numbers)).tolist():
                number = numbers[place]
                optimizer.param_groups[0]["lr"] = plan["learning_rate"] * 0.5 * (1 + cos(pi * step / steps))
                losses = side.step(found[number], labels[number], seen[number])
                optimizer.step()
                step += 1
            if not torch.isfinite(losses).all():
                rate = plan["learning_rate"]
                raise SourceError(f"training diverged in epoch {epoch + 1}; lower task.learning_rate={rate}")
            for best, network in zip(bests, networks, strict=True):
                best.look(network, epoch)
            preparation.progress(note)
    return [
        (best.give(network), {"steps": plan["epochs"] * len(fold["train"]), "epoch": best.epoch})
        for best, network, fold in zip(bests, networks, folds.values(), strict=True)
    ]


class SideBySide:
    """Networks of one shape, their weights rows of one matrix: a step of all costs hardly more than a step of one."""

    def __init__(self, networks: Sequence[Network], method: Any) -> None:
        first = networks[0]
        self.shapes = {name: one.shape for name, one in first.named_parameters()}
        self.weights = torch.stack([parameters_to_vector(one.parameters()).detach() for one in networks])
        self.weights.requires_grad_()
        self.buffers = {
            name: torch.stack([one.get_buffer(name) for one in networks]) for name, _ in first.named_buffers()
        }
        self.rows = [nn.Parameter(row) for row in self.weights.detach()]
        for row, network in zip(self.rows, networks, strict=True):
            vector_to_parameters(row.data, network.parameters())  # the networks look into the matrix

        def loss(weights: Any, buffers: Any, bag: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
            return method.loss(functional_call(first, (weights, buffers), (bag,)), label)

        self.loss = vmap(loss, in_dims=(0, 0, None, None), randomness="different")

    def step(self, bag: torch.Tensor, label: torch.Tensor, seen: Sequence[bool]) -> torch.Tensor:
        """Gradients of the networks that train on this bag; the others have none, and stay as they are."""
        parts = self.weights.split([shape.numel() for shape in self.shapes.values()], dim=1)
        named = zip(self.shapes.items(), parts, strict=True)
        weights = {name: part.unflatten(1, shape) for (name, shape), part in named}
        losses = self.loss(weights, self.buffers, bag, label)
        (gradient,) = torch.autograd.grad(losses.sum(), self.weights)
        for row, mine, train in zip(self.rows, gradient, seen, strict=True):
            row.grad = mine if train else None
        return losses.detach()


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


def save(network: nn.Module, about: dict[str, Any], path: Path) -> None:
    from safetensors.torch import save as saved

    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    bags.write(path, lambda file: file.write(saved(weights, {name: json.dumps(one) for name, one in about.items()})))


def about(path: Path) -> dict[str, Any]:
    """What was saved beside the weights."""
    from safetensors import safe_open

    with safe_open(path, "pt") as opened:
        return {name: json.loads(one) for name, one in opened.metadata().items()}
