import os
import sys
from types import SimpleNamespace

import pytest

from harness.api import Device
from harness.meters.conditions import Machine, cpu_conditions
from harness.meters.energy import Energy
from harness.meters.energy_nvml import Nvml
from harness.meters.nvml import nvml, process_bytes
from harness.meters.unreadable import Unreadable


class FakeError(Exception):
    pass


class FakeNvml:
    """As much of pynvml as the meters ask; `milliwatts` flow with every question."""

    NVMLError = FakeError
    NVML_TEMPERATURE_GPU = NVML_CLOCK_SM = 0

    def __init__(self, starts=True, counts=True, processes=()):
        self.starts, self.counts, self.processes = starts, counts, processes
        self.millijoules = 5_000_000
        self.opened = 0

    def nvmlInit(self):
        if not self.starts:
            raise FakeError("Driver Not Loaded")
        self.opened += 1

    def nvmlShutdown(self):
        self.opened -= 1

    def nvmlDeviceGetHandleByIndex(self, index):
        return "gpu"

    nvmlDeviceGetHandleByUUID = nvmlDeviceGetHandleByIndex

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu):
        if not self.counts:
            raise FakeError("Not Supported")
        self.millijoules += 1500
        return self.millijoules

    def nvmlDeviceGetTemperature(self, gpu, sensor):
        return 41

    def nvmlDeviceGetClockInfo(self, gpu, clock):
        return 1980

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu):
        raise FakeError("Not Supported")

    def nvmlDeviceGetCurrentClocksEventReasons(self, gpu):
        return 4

    def nvmlDeviceGetPowerUsage(self, gpu):
        if not self.counts:
            raise FakeError("Not Supported")
        return 250_000

    def nvmlDeviceGetComputeRunningProcesses(self, gpu):
        return self.processes


@pytest.fixture
def install(monkeypatch):
    def put(fake):
        monkeypatch.setitem(sys.modules, "pynvml", fake)
        monkeypatch.setattr("harness.meters.energy_nvml.current_gpu", lambda pynvml: "gpu")
        return fake

    return put


def test_without_pynvml_the_reason_says_how_to_install_it(install):
    install(None)

    assert Nvml().unavailable() == "NVML needs pynvml: pip install 'harness-ml[gpu]'"


def test_without_a_driver_the_reason_is_the_librarys(install):
    install(FakeNvml(starts=False))

    assert Nvml().unavailable() == "NVML does not start: Driver Not Loaded"


def test_a_gpu_without_an_energy_counter_is_unavailable(install):
    fake = install(FakeNvml(counts=False))

    assert Nvml().unavailable() == "NVML: Not Supported"
    assert fake.opened == 0


def test_millijoules_become_joules_and_the_library_is_closed_again(install):
    fake = install(FakeNvml())

    with Nvml().open() as gauge:
        first, second = gauge.joules(), gauge.joules()
        assert gauge.conditions() == {"temperature_c": 41.0, "clock_hz": 1.98e9, "throttle_reasons": 4.0}

    assert second["gpu"] - first["gpu"] == 1.5
    assert fake.opened == 0


def test_a_gpu_that_stops_answering_gives_a_reason(install):
    fake = install(FakeNvml())

    with Nvml().open() as gauge:
        fake.counts = False
        with pytest.raises(Unreadable, match="Not Supported"):
            gauge.joules()


def test_memory_is_that_of_this_process_alone(install):
    processes = [SimpleNamespace(pid=1, usedGpuMemory=7), SimpleNamespace(pid=os.getpid(), usedGpuMemory=9)]
    install(FakeNvml(processes=processes))

    with nvml() as pynvml:
        assert process_bytes(pynvml, "gpu") == 9


def test_a_process_that_the_driver_hides_has_a_reason(install):
    install(FakeNvml())

    with pytest.raises(Unreadable, match="a container may hide its process id"), nvml() as pynvml:
        process_bytes(pynvml, "gpu")


def test_cpu_conditions_are_read_from_sysfs_in_si_units(tmp_path):
    for path, text in {
        "class/thermal/thermal_zone0/type": "acpitz",
        "class/thermal/thermal_zone0/temp": "90000",
        "class/thermal/thermal_zone1/type": "x86_pkg_temp",
        "class/thermal/thermal_zone1/temp": "55500",
        "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2000000",
        "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "4000000",
        "class/powercap/intel-rapl:0/name": "package-0",
        "class/powercap/intel-rapl:0/constraint_0_power_limit_uw": "125000000",
        "class/powercap/intel-rapl:1/name": "psys",
        "class/powercap/intel-rapl:1/constraint_0_power_limit_uw": "300000000",
        "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "2",
        "devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": "1",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    assert cpu_conditions(tmp_path) == {
        "temperature_c": 55.5,
        "clock_hz": 3e9,
        "power_limit_w": 125.0,
        "throttle_count": 3.0,
    }


def test_cpu_conditions_that_are_hidden_are_left_out(tmp_path):
    assert cpu_conditions(tmp_path) == {}


@pytest.mark.parametrize(
    ("kind", "before", "after", "throttled"),
    [
        ("cuda", {"throttle_reasons": 0.0}, {"throttle_reasons": 1.0}, 0.0),  # idle
        ("cuda", {"throttle_reasons": 1.0}, {"throttle_reasons": 4.0}, 1.0),  # power cap
        ("cuda", {"throttle_reasons": 64.0}, {"throttle_reasons": 0.0}, 1.0),  # heat
        ("cpu", {"throttle_count": 7.0}, {"throttle_count": 7.0}, 0.0),
        ("cpu", {"throttle_count": 7.0}, {"throttle_count": 8.0}, 1.0),
        ("cpu", {}, {}, None),
    ],
)
def test_what_holds_the_clock_down_is_told(monkeypatch, by_metric, kind, before, after, throttled):
    told = iter([before, after])
    monkeypatch.setattr("harness.meters.conditions.conditions", lambda device: next(told))

    found = by_metric(Machine(Device(kind, 1)).readings())

    assert found["throttled"].value == throttled
    assert (found["throttled"].reason is None) == (throttled is not None)
    assert found["power_limit_w"].reason == f"{'nvml' if kind == 'cuda' else 'sysfs'} does not show it on this machine"


@pytest.mark.gpu
def test_a_busy_gpu_spends_more_than_an_idle_one(workload, measure, by_metric):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    meter = Energy()
    if reason := meter.unavailable(Device("cuda", 1)):
        pytest.skip(reason)
    left = torch.randn(8192, 8192, device="cuda")
    work = workload(lambda: [left @ left for _ in range(10)], kind="cuda")
    work.subject.synchronize = torch.cuda.synchronize

    readings = by_metric(meter.read(work, measure(energy_window_s=3.0, energy_idle_s=2.0)))

    busy_w = readings["energy_j"].value * readings["window_requests"].value / readings["window_s"].value
    assert busy_w > readings["idle_w"].value > 5.0
    assert readings["net_j"].value < readings["energy_j"].value
