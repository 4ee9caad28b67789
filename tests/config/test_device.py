import os

import pytest

from harness.config import device
from harness.config.device import cores, resolve_device
from harness.spec.errors import IncompatibleError
from harness.spec.records import Device


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Two physical cores of two threads each, no GPU, no quota; `write` changes that."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3})
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(device, "_torch", lambda: "2.14.1")
    machine = Machine(tmp_path)
    for number, core in enumerate((0, 0, 1, 1)):
        machine.write(f"sys/devices/system/cpu/cpu{number}/topology/physical_package_id", "0\n")
        machine.write(f"sys/devices/system/cpu/cpu{number}/topology/core_id", f"{core}\n")
    return machine


class Machine:
    def __init__(self, root):
        self.root = root

    def write(self, place, text=""):
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_auto_is_the_processor_where_no_gpu_is_visible(machine):
    assert resolve_device("auto", None, machine.root) == Device("cpu", 2)


@pytest.mark.parametrize(
    "trace", ["proc/driver/nvidia/gpus/0000:01:00.0", "dev/nvidia0", "usr/lib/wsl/lib/libcuda.so.1"]
)
def test_auto_is_the_gpu_where_one_is_visible(machine, trace):
    machine.write(trace)

    assert resolve_device("auto", None, machine.root).kind == "cuda"


def test_a_driver_without_a_card_is_no_gpu(machine):
    machine.write("dev/nvidiactl")

    assert resolve_device("auto", None, machine.root).kind == "cpu"


def test_threads_given_are_kept(machine):
    assert resolve_device("cpu", 7, machine.root) == Device("cpu", 7)


def test_cuda_without_a_gpu_is_refused(machine):
    with pytest.raises(IncompatibleError) as error:
        resolve_device("cuda", None, machine.root)
    assert str(error.value) == (
        "device=cuda can't be had: no NVIDIA GPU is visible here; use device=cpu or device=auto"
    )


@pytest.mark.parametrize("hidden", ["", "-1", "NoDevFiles"])
def test_a_gpu_hidden_by_the_environment_is_none(machine, monkeypatch, hidden):
    machine.write("dev/nvidia0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)

    assert resolve_device("auto", None, machine.root).kind == "cpu"
    with pytest.raises(IncompatibleError) as error:
        resolve_device("cuda", None, machine.root)
    assert "CUDA_VISIBLE_DEVICES hides every GPU" in str(error.value)


def test_a_torch_without_cuda_can_use_no_gpu(machine, monkeypatch):
    machine.write("dev/nvidia0")
    monkeypatch.setattr(device, "_torch", lambda: "2.14.1+cpu")

    assert resolve_device("auto", None, machine.root).kind == "cpu"


def test_two_threads_of_a_core_count_once(machine):
    assert cores(machine.root) == 2


def test_only_cores_this_process_may_use_count(machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {2, 3})

    assert cores(machine.root) == 1


def test_every_processor_counts_where_the_topology_is_hidden(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2})
    monkeypatch.setattr(os, "cpu_count", lambda: 3)

    assert cores(tmp_path) == 3


def test_a_quota_of_a_container_is_respected(machine):
    machine.write("sys/fs/cgroup/cpu.max", "150000 100000\n")

    assert cores(machine.root) == 1


def test_a_quota_of_a_group_further_up_is_respected(machine):
    machine.write("proc/self/cgroup", "0::/user.slice/job\n")
    machine.write("sys/fs/cgroup/user.slice/cpu.max", "100000 100000\n")
    machine.write("sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n")

    assert cores(machine.root) == 1


def test_an_old_style_quota_is_respected(machine):
    machine.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n")
    machine.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")

    assert cores(machine.root) == 1


def test_no_quota_is_no_limit(machine):
    machine.write("sys/fs/cgroup/cpu.max", "max 100000\n")
    machine.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    machine.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")

    assert cores(machine.root) == 2


def test_a_tiny_quota_leaves_one_core(machine):
    machine.write("sys/fs/cgroup/cpu.max", "50000 100000\n")

    assert cores(machine.root) == 1
