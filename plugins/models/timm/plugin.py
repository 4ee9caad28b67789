"""Image classifiers of timm: weights from a checkpoint on this machine or the hub, preprocessing with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.api import Device, Model, UsageError, hookimpl, knob


@dataclass(frozen=True)
class Timm(Model):
    architecture: str | None = knob(None, help="as timm names it, with its tag or without: mobilenetv3_small_100 ...")
    # What is there is hashed as the model's revision; where it lies changes nothing.
    checkpoint: str | None = knob(
        None,
        hashed=False,
        help="weights on this machine: a file, or a folder as the hub has them; null for the hub's own",
    )
    classes: int | None = knob(None, low=2, help="classes it tells apart; null for as many as it comes with")

    name = "timm"
    kind = "image-classifier"

    @property
    def label(self) -> str:
        return self.architecture or "timm"

    def fetch(self) -> dict[str, Any]:
        if self.architecture is None and self.checkpoint is None:
            raise UsageError(
                "model=timm needs model.architecture=<its name>, or model.checkpoint=<folder as the hub has it>"
            )
        from .weights import located

        return located(self.architecture, self.checkpoint, self.classes)

    def facts(self, location: dict[str, Any]) -> dict[str, Any]:
        return {"classes": location["classes"], "channels": location["data"]["input_size"][0], "crops": True}

    def processor(self, location: dict[str, Any]) -> Any:
        from .weights import transform

        return transform(location["data"])

    def load(self, location: dict[str, Any], device: Device) -> Any:
        from .weights import load

        return load(location, device)


@hookimpl
def harness_models() -> list[type[Model]]:
    return [Timm]
