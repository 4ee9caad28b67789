"""Objectives for the subject's training loop, and what was trained back into a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def teacher_of(preparation: Any) -> Callable[[Any], Any]:
    """Images to the teacher's logits, without a gradient."""
    import torch

    network = preparation.inputs["teacher"].network.eval()

    def logits(images: Any) -> Any:
        with torch.no_grad():
            return network(images)

    return logits


def kd_objective(teacher: Any, alpha: float, temperature: float) -> Any:
    from torch.nn import functional as F

    from .algorithm import kd

    def objective(network: Any, images: Any, labels: Any, done: float) -> Any:
        logits = network(images)
        plain = F.cross_entropy(logits, labels)
        return logits, {
            "cross_entropy": (1 - alpha) * plain,
            "distillation": alpha * kd(logits, teacher(images), temperature),
        }

    return objective


def nkd_objective(teacher: Any, gamma: float, temperature: float) -> Any:
    from torch.nn import functional as F

    from .algorithm import non_target, target

    def objective(network: Any, images: Any, labels: Any, done: float) -> Any:
        logits, taught = network(images), teacher(images)
        return logits, {
            "cross_entropy": F.cross_entropy(logits, labels),
            "target": target(logits, taught, labels),
            "non_target": gamma * non_target(logits, taught, labels, temperature),
        }

    return objective


def with_weak_head(student: Any, layer: str, image: Any) -> Any:
    """The student and, beside it while it trains, a linear layer on the pooled output of one of its layers."""
    import torch

    class Weak(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student = student
            self.seen: Any = None
            student.get_submodule(layer).register_forward_hook(self.see)
            with torch.no_grad():
                logits = student(image)
            self.weak = torch.nn.Linear(self.seen.shape[1], logits.shape[1]).to(image.device)

        def see(self, module: Any, given: Any, output: Any) -> None:
            self.seen = output.mean((2, 3))

        def forward(self, images: Any) -> Any:
            logits = self.student(images)
            return logits, self.weak(self.seen)

    return Weak()


def uskd_objective(alpha: float, beta: float, mu: float, ranking: str) -> Any:
    from torch.nn import functional as F

    from .algorithm import of_label, soft_target, towards, zipf_labels

    def objective(network: Any, images: Any, labels: Any, done: float) -> Any:
        logits, weak = network(images)
        own = soft_target(logits, labels)
        return logits, {
            "cross_entropy": F.cross_entropy(logits, labels),
            "target": -alpha * (own * of_label(logits.log_softmax(1), labels)).mean(),
            "non_target": beta * towards(logits, labels, zipf_labels(logits, weak, labels, ranking)),
            "weak": mu * F.cross_entropy(weak, labels, label_smoothing=0.1),
        }

    return objective


def student_in(artifact: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """The trained student's weights, and the means of its loss's terms over the last epoch."""
    from safetensors.torch import load_file

    weights = load_file(artifact / "weights.safetensors")
    told = json.loads((artifact / "training.json").read_text())["epochs"][-1]
    kept = {name.removeprefix("student."): one for name, one in weights.items() if not name.startswith("weak.")}
    return kept, told
