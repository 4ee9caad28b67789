"""Where a network of timm's lies, how it wants its images, and the network itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.api import Device, SourceError, UsageError, file_digest, nearest
from harness_plugins.subjects.image_classifier.model import given

DATA = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std")  # of timm's data configuration


def library() -> Any:
    try:
        import timm
    except ImportError as error:
        raise UsageError('model=timm needs timm; pip install "harness-ml[timm]"') from error
    return timm


def located(architecture: str | None, checkpoint: str | None, classes: int | None) -> dict[str, Any]:
    """Path and revision, what is built from it, and the data configuration it was trained with."""
    timm = library()
    folder = Path(checkpoint).expanduser().resolve() if checkpoint is not None else None
    if folder is None:
        folder = from_hub(known(timm, str(architecture)))
    if folder.is_dir():
        return in_folder(timm, folder, classes)
    if architecture is None:
        raise UsageError("model.checkpoint is a file, which does not say what it is; add model.architecture=<its name>")
    default = known(timm, architecture).to_dict()
    path = given(str(checkpoint))
    return described(timm, path, architecture, classes or default["num_classes"], default)


def known(timm: Any, architecture: str) -> Any:
    """timm's own configuration for an architecture.

    Raises:
        UsageError: there is none of that name.
    """
    bare = architecture.partition(".")[0]
    names = timm.list_models()
    if bare not in names:
        raise UsageError(f"timm has no model {architecture!r}{nearest(bare, names)}")
    try:
        return timm.get_pretrained_cfg(architecture, allow_unregistered=False)
    except RuntimeError as error:
        tags = ", ".join(sorted(timm.list_pretrained(f"{bare}.*"))) or "none of this model"
        raise UsageError(f"timm has no weights {architecture!r}; it has {tags}") from error


def in_folder(timm: Any, folder: Path, classes: int | None) -> dict[str, Any]:
    """A folder as the hub has it: `config.json` beside `model.safetensors`."""
    weights, config = folder / "model.safetensors", folder / "config.json"
    if not weights.is_file() or not config.is_file():
        raise SourceError(f"{folder} has no model.safetensors with config.json; give model.checkpoint= another")
    try:
        told = json.loads(config.read_text())
        architecture, default = told["architecture"], told["pretrained_cfg"]
    except (ValueError, KeyError) as error:
        raise SourceError(f"{config} is not timm's: {error}; fetch it again") from error
    if architecture not in timm.list_models():
        raise SourceError(f"{config} names {architecture!r}, which this timm does not have; update timm")
    many = classes or told.get("num_classes") or default["num_classes"]
    return described(timm, weights, architecture, many, default)


def described(timm: Any, path: Path, architecture: str, classes: int, default: dict[str, Any]) -> dict[str, Any]:
    data = timm.data.resolve_data_config(pretrained_cfg=default, args={})
    data = {name: list(data[name]) if isinstance(data[name], tuple) else data[name] for name in DATA}
    return {
        "path": str(path),
        "revision": f"{file_digest(path)} {json.dumps(data, sort_keys=True)}",
        "architecture": architecture,
        "classes": classes,
        "data": data,
    }


def from_hub(config: Any) -> Path:
    """The hub's snapshot of these weights, safetensors alone.

    Raises:
        SourceError: the hub can't be reached, or has no such weights.
    """
    if not config.hf_hub_id:
        raise SourceError(f"timm knows no weights of {config.architecture} on the hub; give model.checkpoint=<file>")
    from huggingface_hub import snapshot_download

    name = config.hf_hub_id
    repository = f"timm/{config.architecture}.{config.tag}" if name == "timm/" else name
    try:
        found = snapshot_download(repository, allow_patterns=["config.json", "model.safetensors"])
    except Exception as error:  # what it raises differs with version, network and repository
        raise SourceError(
            f"can't fetch {repository} from the hub ({type(error).__name__}); "
            "give model.checkpoint=<file or folder> instead"
        ) from error
    return Path(found)


def transform(data: dict[str, Any]) -> Any:
    """timm's own resizing and cropping for evaluation, without its normalisation."""
    timm = library()
    steps = timm.data.create_transform(**sizes(data), is_training=False, use_prefetcher=True).transforms[:-1]

    def prepared(image: Any) -> Any:
        for step in steps:
            image = step(image)
        return image

    return prepared


def sizes(data: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


def load(location: dict[str, Any], device: Device) -> Any:
    import torch

    from harness_plugins.subjects.image_classifier.subject import LoadedImageClassifier
    from harness_plugins.subjects.image_classifier.weights import fill

    timm, data = library(), location["data"]
    torch.set_num_threads(device.threads)

    def build() -> Any:
        return timm.create_model(
            location["architecture"],
            pretrained=False,
            num_classes=location["classes"],
            in_chans=data["input_size"][0],
        )

    network = build()
    what = f"a {location['architecture']} with {location['classes']} classes; set model.architecture or model.classes"
    fill(network, location["path"], what)
    return LoadedImageClassifier(network, data["mean"], data["std"], device.kind, build)
