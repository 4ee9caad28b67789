"""Static int8 of weights and activations, executed by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.api import Evidence, Method, Preparation, Traits, hookimpl, knob

RUNTIME = Traits(
    family="weight-quantization",
    subjects=frozenset({"image-classifier"}),
    seams=frozenset({"network"}),
    evidence=frozenset({"int8_nodes", "float_nodes", "model_bytes"}),
    prepares="calibrates",
)


@dataclass(frozen=True)
class Onnx(Method):
    """Exports the network, and has onnxruntime answer in its place."""

    def make(self, exported: Path, images: Any, place: Path) -> None:
        """Fills `place` with the model to execute."""
        raise NotImplementedError

    def calibrates_on(self) -> int:
        return 1

    def prepare(self, preparation: Preparation) -> None:
        from .exporting import export

        subject = preparation.subject
        images = subject.calibration(preparation, self.calibrates_on())
        exported = preparation.folder / "exported.onnx"
        export(subject.network, images[:1], exported)
        self.make(exported, images, preparation.folder / "model.onnx")
        exported.unlink(missing_ok=True)

    @contextmanager
    def apply(self, subject: Any, artifact: Path | None = None) -> Iterator[Evidence]:
        from .session import Executed, profiled

        assert artifact is not None
        evidence, path = Evidence(), artifact / "model.onnx"

        def executed(network: Any) -> Any:
            run = Executed(path)
            evidence.record(**profiled(path), model_bytes=path.stat().st_size)
            return run

        with subject.at("network", executed):
            yield evidence


@dataclass(frozen=True)
class Int8Static(Onnx):
    calibration: str = knob(
        "minmax", choices=("minmax", "percentile", "mse"), help="how ranges of activations are chosen"
    )
    percentile: float = knob(99.99, low=90.0, high=100.0, help="of the values seen, for calibration=percentile")
    images: int = knob(100, low=1, help="training images to calibrate on")
    per_channel: bool = knob(True, help="a scale for each output channel of weights, or one a tensor")

    reduce_range: bool = knob(True, help="7 of the 8 bits for weights, whose sums overflow on processors without VNNI")

    name = "int8_static"
    traits = replace(RUNTIME, controls=("onnx_float32",))

    def calibrates_on(self) -> int:
        return self.images

    def make(self, exported: Path, images: Any, place: Path) -> None:
        from .exporting import quantize

        quantize(
            exported,
            images.cpu().numpy(),
            place,
            self.calibration,
            self.percentile,
            self.per_channel,
            self.reduce_range,
        )


@dataclass(frozen=True)
class OnnxFloat32(Onnx):
    """The control: the same export in the same runtime, not quantized."""

    name = "onnx_float32"
    traits = RUNTIME

    def make(self, exported: Path, images: Any, place: Path) -> None:
        exported.rename(place)


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Int8Static, OnnxFloat32]
