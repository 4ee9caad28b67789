"""A checkpoint into a network: no code in it is ever run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from harness.api import SourceError


def fill(network: torch.nn.Module, path: str, what: str) -> None:
    """
    Raises:
        SourceError: the file holds something else than `what` ("a ResNet-20; set model.depth").
    """
    try:
        network.load_state_dict(weights(path))
    except RuntimeError as error:
        kind, _, remedy = what.partition("; ")
        raise SourceError(f"{path} does not hold {kind} ({first_difference(error)}); {remedy}") from error


def first_difference(error: RuntimeError) -> str:
    """The first of the many that torch lists."""
    return str(error).splitlines()[1].split(",")[0].strip().rstrip(".:")


def weights(path: str) -> dict[str, Any]:
    if Path(path).suffix == ".safetensors":
        return dict(load_file(path))
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise SourceError(f"{path} can't be read as weights only; save a state_dict, or safetensors") from error
    held = held.get("state_dict", held)
    return {name.removeprefix("module."): value for name, value in held.items()}
