"""Attention over a slide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import SourceError
from harness_plugins.subjects.bag_classifier.bags import write

from . import slides


def heat_map(slide: Path, bag: Path, attention: Sequence[float], into: Path) -> None:
    """A PNG: the slide in small, each tile in a colour from blue to red by the rank of its attention.

    Raises:
        SourceError: the bag has no coordinates, or other tiles than the attention.
    """
    import h5py

    if bag.suffix != ".h5":
        raise SourceError(f"{bag} holds no coordinates; a heat map needs the .h5 of the slide")
    with h5py.File(bag, "r") as opened:
        if "coords" not in opened or "step" not in opened.attrs:
            raise SourceError(f"{bag} does not say where its tiles lie; make it from the slide with task.slides=")
        corners, step = opened["coords"][:], float(opened.attrs["step"])
    if len(corners) != len(attention):
        raise SourceError(f"{bag} has {len(corners)} tiles, {len(attention)} were attended to")
    with slides.opened(slide) as read:
        small, factor = slides.overview(read)
    painted = paint(small, corners / factor, step / factor, ranks(attention))
    write(into, lambda file: painted.save(file, "PNG"))


def ranks(attention: Sequence[float]) -> np.ndarray:
    """0 for the least, 1 for the most; equals share a rank."""
    _, place = np.unique(np.asarray(attention), return_inverse=True)
    return place / max(1, place.max())


def paint(small: Any, corners: np.ndarray, step: float, heat: np.ndarray) -> Any:
    from PIL import Image, ImageDraw

    over = Image.new("RGBA", small.size)
    drawn = ImageDraw.Draw(over)
    for (x, y), one in zip(corners, heat, strict=True):
        colour = (round(255 * one), round(255 * (1 - abs(2 * one - 1))), round(255 * (1 - one)), 120)
        drawn.rectangle((round(x), round(y), round(x + step) - 1, round(y + step) - 1), fill=colour)
    return Image.alpha_composite(small.convert("RGBA"), over).convert("RGB")
