"""Fire together, wire together: dynamic pruning of channels by predictors that learn from the activations
themselves (arXiv:2110.08232)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.api import Evidence, Method, Preparation, Reading, Traits, hookimpl, knob

GATED = Traits(
    family="dynamic-pruning",
    subjects=frozenset({"image-classifier"}),
    seams=frozenset({"network"}),
    evidence=frozenset({"active_channels", "macs", "paper_macs", "dense_macs", "estimated_macs", "overestimated"}),
    prepares="trains",
)
SEEN = 512  # training images that the budget is estimated on


@dataclass(frozen=True)
class GatedChannels(Method):
    """Trains a network on under gates, and computes for each image the channels that they open."""

    mass: float = knob(0.9, low=0.01, high=1.0, help="share of the activation that the channels kept may hold")

    pool, cooldown, predictor_lr = "mean", 1.0, 0.0  # where gates learn nothing

    def nominal(self) -> dict[str, float]:
        return {"mass": self.mass}

    def target(self) -> Any:
        """Turns a unit's dense output into the channels wanted."""
        from .algorithm import mass_target

        return partial(mass_target, mass=self.mass)

    def gates(self, network: Any, kept: list[int]) -> Any:
        """`kept`: channels of each unit that the budget's estimate keeps on average."""
        raise NotImplementedError

    def prepare(self, preparation: Preparation) -> None:
        from copy import deepcopy

        import torch

        from .training import objective, parameters, planned

        subject, network = preparation.subject, deepcopy(preparation.subject.network)
        images = subject.calibration(preparation, SEEN)
        plan = planned(network, images, self.target())
        with torch.random.fork_rng():
            torch.manual_seed(preparation.seed)
            gated = self.gated(network, plan["kept"]).to(images.device)
        estimated = 2 * (plan["estimated_macs"] + sum(gated.gates.head_macs))
        preparation.readings.append(Reading("estimated_flops", estimated, "FLOP", "targets in the dense network"))
        groups = parameters(gated, preparation.training, self.predictor_lr)
        subject.finetune(gated, preparation, objective(self.cooldown), groups)
        (preparation.folder / "plan.json").write_text(json.dumps(plan))

    def gated(self, network: Any, kept: list[int]) -> Any:
        from .network import Gated

        return Gated(network, self.gates(network, kept), self.pool)

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        from safetensors.torch import load_file

        assert artifact is not None
        evidence = Evidence()
        plan = json.loads((artifact / "plan.json").read_text())

        def trained(network: Any) -> Any:
            gated = self.gated(network, plan["kept"]).to(subject.device)
            gated.load_state_dict(load_file(artifact / "weights.safetensors"))
            dense, estimated = plan["dense_macs"], plan["estimated_macs"] + sum(gated.gates.head_macs)

            def tell(told: dict[str, float]) -> None:
                over = (estimated - told["macs"]) / dense
                evidence.record(**told, dense_macs=dense, estimated_macs=estimated, overestimated=over)

            gated.tell = tell
            return gated

        with subject.at("network", trained):
            yield evidence


@dataclass(frozen=True)
class FTWT(GatedChannels):
    gt_type: str = knob("mass", choices=("mass", "uniform"), help="whether channels are wanted by `mass` or by `ratio`")
    ratio: float = knob(0.5, low=0.0, high=0.95, help="share of each layer's channels that is not, for gt_type=uniform")
    mode: str = knob("decoupled", choices=("decoupled", "joint"), help="whether predictors also move the backbone")
    pool: str = knob("mean", choices=("mean", "max"), help="how a predictor sees its input")
    softmax: bool = knob(True, help="over the channels of what a predictor sees")
    cooldown: float = knob(0.5, low=0.0, high=1.0, help="share of the steps in which predictors learn")
    predictor_lr: float = knob(0.1, low=0.0, help="their learning rate, the same in all steps")

    name = "ftwt"
    traits = replace(GATED, controls=("finetune", "uniform_gates", "random_gates"))

    def nominal(self) -> dict[str, float]:
        return {"ratio": self.ratio} if self.gt_type == "uniform" else super().nominal()

    def target(self) -> Any:
        from .algorithm import uniform_target

        return partial(uniform_target, ratio=self.ratio) if self.gt_type == "uniform" else super().target()

    def gates(self, network: Any, kept: list[int]) -> Any:
        from .gates import Predicted
        from .layout import shapes

        return Predicted(shapes(network), self.target(), self.mode == "joint", self.softmax)


@dataclass(frozen=True)
class UniformGates(GatedChannels):
    """The control: the same channels for all images, by the L1 norm of their filters."""

    name = "uniform_gates"
    traits = GATED

    def gates(self, network: Any, kept: list[int]) -> Any:
        from .gates import Fixed
        from .layout import units

        return Fixed([unit.conv for unit in units(network)], kept)


@dataclass(frozen=True)
class RandomGates(GatedChannels):
    """The control: channels drawn anew for each image."""

    draw: int = knob(0, low=0, help="seeds the choice")

    name = "random_gates"
    traits = GATED

    def gates(self, network: Any, kept: list[int]) -> Any:
        from .gates import Drawn
        from .layout import shapes

        return Drawn([outputs for _, outputs in shapes(network)], kept, self.draw)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [FTWT, UniformGates, RandomGates]
