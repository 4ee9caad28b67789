"""From slides to bags in CLAM's layout: one slide after another, each there whole or not at all."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import SourceError
from harness_plugins.subjects.bag_classifier.bags import write

from . import encoders, slides

BATCH = 64


def found_slides(folder: Path) -> dict[str, Path]:
    """Slides below a folder by name.

    Raises:
        SourceError: none, or two of one name.
    """
    if not folder.is_dir():
        raise SourceError(f"task.slides={folder} is no folder")
    found: dict[str, Path] = {}
    for path in sorted(one for one in folder.rglob("*") if one.suffix.lower() in slides.SUFFIXES):
        if path.stem in found:
            raise SourceError(f"{path} and {found[path.stem]} have one name; rename one")
        found[path.stem] = path
    if not found:
        raise SourceError(f"{folder} holds no slides ({', '.join(slides.SUFFIXES)})")
    return found


def settings(task: Any) -> dict[str, Any]:
    """What the bags depend on."""
    return {
        "resolution": task.resolution,
        "tile": task.tile,
        "tissue": task.tissue,
        "mpp": task.mpp,
        "side": task.side,
        "encoder": encoders.identity(task.encoder, task.weights),
    }


def extract(task: Any, folder: Path, into: Path) -> None:
    """Bags of all slides that have none yet.

    Raises:
        SourceError: a slide that can't be read or shows no tissue; a bag that was made otherwise.
    """
    wanted, found, network = settings(task), found_slides(folder), None
    for number, (name, path) in enumerate(found.items(), start=1):
        bag = into / "h5_files" / f"{name}.h5"
        if bag.exists():
            check_made_alike(bag, wanted)
            continue
        network = network or Encoder(task)
        sys.stderr.write(f"wsi: slide {number} of {len(found)}, {name}\n")
        extract_one(task, path, into, wanted, network)


def check_made_alike(bag: Path, wanted: dict[str, Any]) -> None:
    import h5py

    try:
        with h5py.File(bag, "r") as opened:
            made = json.loads(opened.attrs.get("made", "{}"))
    except OSError as error:
        raise SourceError(f"{bag} can't be read ({error}); delete it, and it is made again") from error
    if made.get("mpp") is None:
        wanted = {**wanted, "mpp": None}  # the slide says its own
    unlike = [f"{name} {made.get(name)}" for name, value in wanted.items() if made.get(name) != value]
    if unlike:
        raise SourceError(f"{bag} was made with {', '.join(unlike)}; give another folder as task.bags, or delete it")


class Encoder:
    def __init__(self, task: Any) -> None:
        import torch

        self.side, self.device = task.side, "cuda" if torch.cuda.is_available() else "cpu"
        self.network = encoders.load(task.encoder, task.weights).to(self.device)

    def features(self, tiles: list[Any]) -> np.ndarray:
        """float32 [tiles, features]"""
        import torch

        pixels = np.stack([np.asarray(one.resize((self.side, self.side))) for one in tiles])
        images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(one, device=self.device).view(1, 3, 1, 1) for one in (encoders.MEAN, encoders.STD))
        with torch.inference_mode():
            return self.network((images - mean) / std).flatten(1).cpu().numpy()


def extract_one(task: Any, path: Path, into: Path, made: dict[str, Any], network: Encoder) -> None:
    import h5py
    import torch

    with slides.opened(path) as slide:
        of = slides.grid(slide, path, task.resolution, task.tile, task.mpp)
        corners = slides.tissue_tiles(slide, of, task.tissue)
        if not corners:
            raise SourceError(f"{path} shows no tile with tissue; lower task.tissue={task.tissue} or leave it out")
        parts = [network.features(batch) for batch in batches(slide, of, corners)]
        features = np.concatenate(parts)
        about = {
            "name": path.stem,
            "patch_size": of.read,
            "patch_level": of.level,
            "step": of.step,  # pixels of the finest level that a tile spans
            "level_dim": slide.level_dimensions[of.level],
            "made": json.dumps(made if slides.stored_resolution(slide) is None else {**made, "mpp": None}),
        }
    tensor = io.BytesIO()
    torch.save(torch.from_numpy(features), tensor)
    write(into / "pt_files" / f"{path.stem}.pt", lambda file: file.write(tensor.getvalue()))

    def save(file: Any) -> None:
        with h5py.File(file, "w") as opened:
            opened.create_dataset(
                "features", data=features, maxshape=(None, features.shape[1]), chunks=(32, features.shape[1])
            )
            opened.create_dataset("coords", data=np.array(corners, np.int32), maxshape=(None, 2), chunks=(32, 2))
            opened["coords"].attrs.update(about)
            opened.attrs.update(about)

    write(into / "h5_files" / f"{path.stem}.h5", save)  # last: where it is, the slide is done


def batches(slide: Any, of: slides.Grid, corners: list[tuple[int, int]]) -> Iterator[list[Any]]:
    for first in range(0, len(corners), BATCH):
        yield [slides.tile(slide, of, corner) for corner in corners[first : first + BATCH]]
