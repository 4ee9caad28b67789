"""How a gated network is trained, and what is known before it is."""

from __future__ import annotations

from typing import Any


def planned(network: Any, images: Any, target: Any) -> dict[str, Any]:
    """Channels a unit that the targets keep on average, and the MACs that this and the dense network come to."""
    from .network import estimate, expected

    wanted = estimate(network, images, target)
    dense = [one * 0 + 1 for one in wanted]
    size = images.shape[2]
    return {
        "kept": [max(1, round(float(one.sum(1).mean()))) for one in wanted],
        "estimated_macs": expected(network, wanted, size)["macs"],
        "dense_macs": expected(network, dense, size)["macs"],
    }


def objective(cooldown: float) -> Any:
    """Cross-entropy and, for `cooldown` of the steps, what the gates have to learn: a mean over units."""
    import torch
    from torch.nn import functional as F

    def loss(gated: Any, images: Any, labels: Any, done: float) -> Any:
        logits = gated(images)
        terms = {"cross_entropy": F.cross_entropy(logits, labels)}
        if gated.gates.losses:
            learned = torch.stack(gated.gates.losses).mean()
            terms["mask" if done < cooldown else "_mask"] = learned
        return logits, terms

    return loss


def parameters(gated: Any, training: dict[str, Any], predictor_lr: float) -> list[dict[str, Any]]:
    """The backbone by the recipe; predictors without decay, at a rate of their own that stays."""
    groups: list[dict[str, Any]] = [{"params": list(gated.network.parameters())}]
    predictors = list(gated.gates.parameters())
    if predictors:
        groups.append({"params": predictors, "lr": predictor_lr, "weight_decay": 0.0, "constant": True})
    return groups
