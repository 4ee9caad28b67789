"""Whole-slide images: where there is tissue, and tiles at a physical resolution; never a slide in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import SourceError

SUFFIXES = (".svs", ".ndpi", ".mrxs", ".tif", ".tiff", ".scn", ".vms", ".bif")
BLOCK = 2048  # pixels a side, read at once
OVERVIEW = 1024  # pixels of the overview's longer side, but no finer than 1 and no coarser than ...
COARSEST = 64
TOLERANCE = 0.05  # a slide may be so much coarser than what is asked for


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The slide, through OpenSlide or else tiffslide.

    Raises:
        SourceError: neither is there, or the slide can't be read.
    """
    try:
        try:
            from openslide import OpenSlide as Slide
        except ImportError:
            from tiffslide import TiffSlide as Slide
    except ImportError as error:
        raise SourceError("reading slides needs OpenSlide or tiffslide: pip install 'harness-ml[wsi]'") from error
    try:
        slide = Slide(str(path))
    except Exception as error:
        raise SourceError(f"{path} can't be opened as a slide ({type(error).__name__}: {error})") from error
    try:
        yield slide
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(f"{path} is damaged ({type(error).__name__}: {error})") from error
    finally:
        slide.close()


def stored_resolution(slide: Any) -> float | None:
    """µm a pixel of the finest level, where the slide says it."""
    stored = [slide.properties.get(f"{maker}.mpp-{axis}") for maker in ("openslide", "tiffslide") for axis in "xy"]
    known = [float(one) for one in stored if one not in (None, "")]
    return sum(known) / len(known) if known else None


def resolution(slide: Any, path: Path, given: float | None) -> float:
    """The slide's own, else `given`."""
    own = stored_resolution(slide)
    if own is not None:
        return own
    if given is None:
        raise SourceError(f"{path} does not store its resolution; give µm a pixel of its finest level as task.mpp=")
    return given


@dataclass(frozen=True)
class Grid:
    """Whole tiles side by side: `step` pixels of the finest level each, read at `level` as `read` pixels a side."""

    step: float
    level: int
    read: int
    tile: int  # pixels a side of what comes out
    width: int
    height: int

    def corners(self) -> list[tuple[int, int]]:
        columns, rows = (int(side / self.step) for side in (self.width, self.height))
        return [(round(x * self.step), round(y * self.step)) for y in range(rows) for x in range(columns)]


def grid(slide: Any, path: Path, wanted: float, tile: int, given: float | None) -> Grid:
    """Tiles of `tile` pixels at `wanted` µm a pixel."""
    own = resolution(slide, path, given)
    scale = wanted / own
    if scale < 1 - TOLERANCE:
        raise SourceError(
            f"{path} has {own:g} µm a pixel, {wanted:g} is finer; ask for task.resolution={own:g} or more"
        )
    level = slide.get_best_level_for_downsample(max(scale, 1) * 1.001)
    read = max(1, round(tile * scale / slide.level_downsamples[level]))
    width, height = slide.dimensions
    return Grid(tile * scale, level, read, tile, width, height)


def region(slide: Any, corner: tuple[int, int], level: int, size: tuple[int, int]) -> Any:
    """RGB; what the scanner left out is white."""
    from PIL import Image

    found = slide.read_region(corner, level, size)
    if found.mode != "RGBA" or found.getchannel("A").getextrema()[0] == 255:
        return found.convert("RGB")
    white = Image.new("RGB", found.size, "white")
    white.paste(found, mask=found.getchannel("A"))
    return white


def tile(slide: Any, of: Grid, corner: tuple[int, int]) -> Any:
    found = region(slide, corner, of.level, (of.read, of.read))
    return found if of.read == of.tile else found.resize((of.tile, of.tile))


def overview(slide: Any) -> tuple[Any, float]:
    """The whole slide in small, put together from blocks, and how many pixels of the finest level one of it is."""
    from PIL import Image

    width, height = slide.dimensions
    factor = min(max(max(width, height) / OVERVIEW, 1), COARSEST)
    level = slide.get_best_level_for_downsample(factor)
    down = slide.level_downsamples[level]
    small = Image.new("RGB", (max(1, round(width / factor)), max(1, round(height / factor))), "white")
    block = max(1, int(BLOCK * down / factor))  # pixels of the overview
    for top in range(0, small.height, block):
        for left in range(0, small.width, block):
            size = (min(block, small.width - left), min(block, small.height - top))
            read = (max(1, round(size[0] * factor / down)), max(1, round(size[1] * factor / down)))
            part = region(slide, (round(left * factor), round(top * factor)), level, read)
            small.paste(part.resize(size), (left, top))
    return small, factor


def otsu(values: np.ndarray) -> int:
    """The threshold of bytes that leaves most variance between the two sides; above it is foreground."""
    counts = np.bincount(values.ravel(), minlength=256).astype(float)
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * np.arange(256)).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return int(np.nan_to_num(between).argmax())


def tissue(small: Any) -> np.ndarray:
    """Which pixels of an overview are tissue: saturation, blurred by a median of 7, above Otsu's threshold."""
    from PIL import ImageFilter

    saturation = np.asarray(small.convert("HSV").getchannel("S").filter(ImageFilter.MedianFilter(7)))
    return saturation > otsu(saturation)


def tissue_tiles(slide: Any, of: Grid, least: float) -> list[tuple[int, int]]:
    """Corners of the tiles of which at least so much is tissue."""
    small, factor = overview(slide)
    mask = tissue(small)
    found = []
    for x, y in of.corners():
        left, top = int(x / factor), int(y / factor)
        right, bottom = max(left + 1, round((x + of.step) / factor)), max(top + 1, round((y + of.step) / factor))
        if mask[top:bottom, left:right].mean() >= least:
            found.append((x, y))
    return found
