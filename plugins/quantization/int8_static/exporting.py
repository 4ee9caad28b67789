"""A network to ONNX, and its weights and activations to int8."""

from __future__ import annotations

import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

from harness.api import UsageError


def export(network: Any, image: Any, place: Path) -> None:
    """Through torch's TorchScript exporter: the newer one takes half a minute to start."""
    import torch

    library()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            deepcopy(network).cpu().eval(),
            (image.cpu(),),
            str(place),
            dynamo=False,
            opset_version=17,
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
        )


def library() -> Any:
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise UsageError('int8_static needs onnx and onnxruntime; pip install "harness-ml[vision]"') from error
    return onnxruntime


def quantize(
    exported: Path,
    images: Any,
    place: Path,
    calibration: str,
    percentile: float,
    per_channel: bool,
    reduce_range: bool,
) -> None:
    """Weights symmetric in int8, activations affine in uint8, a scale a tensor; ranges always hold 0.

    Normalisation is folded into convolutions first.
    """
    import numpy as np
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folded = exported.with_name("folded.onnx")
    options: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quant_pre_process(str(exported), str(folded), skip_symbolic_shape=True)
        if calibration != "minmax":
            ranges = activation_ranges(folded, images, percentile if calibration == "percentile" else None)
            options["TensorQuantOverrides"] = {
                name: [{"rmin": np.float32(low), "rmax": np.float32(high)}] for name, (low, high) in ranges.items()
            }
        quantize_static(
            str(folded),
            str(place),
            Reader(images),
            quant_format=QuantFormat.QDQ,
            per_channel=per_channel,
            reduce_range=reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=options,
        )
    folded.unlink()


class Reader:
    """Hands the calibration images to onnxruntime one by one."""

    def __init__(self, images: Any) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, Any] | None:
        image = next(self._images, None)
        return None if image is None else {"images": image[None]}


def activation_ranges(model: Path, images: Any, percentile: float | None) -> dict[str, tuple[float, float]]:
    """Of every tensor that convolutions and products read or give: by percentile, or of the least squared error."""
    import onnx

    graph = onnx.load(str(model))
    weights = {one.name for one in graph.graph.initializer}
    names = [
        name
        for node in graph.graph.node
        for name in [*node.input, *node.output]
        if name and name not in weights and name != "images" and node.op_type != "Constant"
    ]
    names = list(dict.fromkeys(names))
    outputs = {one.name for one in graph.graph.output}
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in outputs)
    session = library().InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    values = seen(session, images, names)
    found = {name: clipped(value, percentile) for name, value in values.items()}
    return found | {"images": (float(min(images.min(), 0)), float(max(images.max(), 0)))}


MOST = 1 << 18  # values of a tensor that its range is chosen from


def seen(session: Any, images: Any, names: list[str]) -> dict[str, Any]:
    """Values of each tensor over the images, evenly thinned; whole numbers and shapes left out."""
    import numpy as np

    parts: dict[str, list[Any]] = {}
    each = max(1, MOST // len(images))
    for image in images:
        for name, value in zip(names, session.run(names, {"images": image[None]}), strict=True):
            flat = np.asarray(value).ravel()
            if flat.dtype == np.float32 and flat.size:
                kept = flat[:: max(1, flat.size // each)]
                parts.setdefault(name, []).append(np.concatenate([kept, [flat.min(), flat.max()]]))
    return {name: np.concatenate(one) for name, one in parts.items()}


def clipped(values: Any, percentile: float | None) -> tuple[float, float]:
    """The range of a tensor in which 0 lies: between percentiles, or of the least squared error of 80 candidates."""
    import numpy as np

    if percentile is not None:
        rest = (100 - percentile) / 2
        low, high = np.percentile(values, [rest, 100 - rest])
        return float(min(low, 0)), float(max(high, 0))
    low, high = float(min(values.min(), 0)), float(max(values.max(), 0))
    candidates = [(low * (1 - step / 100), high * (1 - step / 100)) for step in range(80)]
    errors = [float(((rounded(values, *one) - values) ** 2).mean()) for one in candidates]
    return candidates[int(np.argmin(errors))]


def rounded(values: Any, low: float, high: float) -> Any:
    """What uint8 makes of values: 256 steps, one of which is 0."""
    import numpy as np

    scale = (high - low) / 255 or 1.0
    zero = round(-low / scale)
    return (np.clip(np.round(values / scale) + zero, 0, 255) - zero) * scale
