"""A checkpoint into a network: no code in it is ever run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.api import Device, SourceError


def load(model: Any, path: str, device: Device) -> Any:
    import torch

    from harness_plugins.subjects.image_classifier.resnet import ResNet
    from harness_plugins.subjects.image_classifier.subject import LoadedImageClassifier

    torch.set_num_threads(device.threads)

    def build() -> Any:
        return ResNet(model.depth, model.classes, len(model.mean))

    network = build()
    try:
        if model.checkpoint is not None:
            network.load_state_dict(weights(path))
    except RuntimeError as error:
        raise SourceError(
            f"{path} does not hold a ResNet-{model.depth} with {model.classes} classes "
            f"({first_difference(error)}); set model.depth or model.classes"
        ) from error
    return LoadedImageClassifier(network, model.mean, model.std, device.kind, build)


def first_difference(error: RuntimeError) -> str:
    """The first of the many that torch lists."""
    return str(error).splitlines()[1].split(",")[0].strip().rstrip(".:")


def weights(path: str) -> dict[str, Any]:
    import pickle

    import torch

    if Path(path).suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise SourceError(f"{path} can't be read as weights only; save a state_dict, or safetensors") from error
    held = held.get("state_dict", held)
    return {name.removeprefix("module."): value for name, value in held.items()}
