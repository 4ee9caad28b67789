"""A model executed by onnxruntime in a network's place, and what its profiler saw."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from .exporting import library

COMPUTES = ("Conv", "Gemm", "MatMul")
INT8 = ("QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger")


class Executed(torch.nn.Module):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.session = session(path)
        self.held_bytes = path.stat().st_size

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.session.run(None, {"images": images.cpu().numpy()})[0])


def session(path: Path, profile: str | None = None) -> Any:
    runtime = library()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, profile
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def profiled(path: Path) -> dict[str, float]:
    """How many convolutions and products ran in int8 kernels, and how many in float, by the profiler."""
    with tempfile.TemporaryDirectory() as folder:
        run = session(path, os.path.join(folder, "profile"))
        shape = [one if isinstance(one, int) else 1 for one in run.get_inputs()[0].shape]
        run.run(None, {"images": torch.zeros(shape).numpy()})
        events = json.loads(Path(run.end_profiling()).read_text())
    nodes = [one for one in events if one.get("cat") == "Node" and one["name"].endswith("_kernel_time")]
    kernels = [one["args"]["op_name"] for one in nodes]
    return {
        "int8_nodes": float(sum(one in INT8 for one in kernels)),
        "float_nodes": float(sum(one in COMPUTES or one == "FusedConv" for one in kernels)),
    }
