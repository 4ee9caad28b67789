"""NVIDIA's management library, opened where it can be; needs the extra `harness-ml[gpu]`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.meters.unreadable import Unreadable


@contextmanager
def nvml() -> Iterator[Any]:
    """The initialised `pynvml` module. Its errors inside the context become `Unreadable`.

    Raises:
        Unreadable: not installed, no driver, or a question that this GPU does not answer.
    """
    try:
        import pynvml
    except ImportError:
        raise Unreadable("NVML needs pynvml: pip install 'harness-ml[gpu]'") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise Unreadable(f"NVML does not start: {error}") from None
    try:
        yield pynvml
    except pynvml.NVMLError as error:
        raise Unreadable(f"NVML: {error}") from None
    finally:
        pynvml.nvmlShutdown()


def current_gpu(pynvml: Any) -> Any:
    """NVML's handle of torch's current device, found by UUID: the two may number GPUs differently."""
    import torch

    uuid = torch.cuda.get_device_properties(torch.cuda.current_device()).uuid
    return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")


def process_bytes(pynvml: Any, gpu: Any) -> int:
    """Memory the driver counts for this process on the GPU: tensors, allocator's reserve, context and kernels.

    Raises:
        Unreadable: the driver does not show it.
    """
    for process in pynvml.nvmlDeviceGetComputeRunningProcesses(gpu):
        if process.pid == os.getpid() and process.usedGpuMemory is not None:
            return int(process.usedGpuMemory)
    raise Unreadable("NVML shows no memory for this process: a container may hide its process id")


def answered(question: Callable[[], Any]) -> Any:
    """NVML's answer, or None where this GPU has none."""
    import pynvml

    try:
        return question()
    except pynvml.NVMLError:
        return None
