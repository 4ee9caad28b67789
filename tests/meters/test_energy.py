import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from harness.api import Device
from harness.meters.energy import Energy
from harness.meters.energy_rapl import Rapl
from harness.meters.unreadable import Unreadable

CPU, CUDA = Device("cpu", 1), Device("cuda", 1)


def domain(root, folder, name, energy_uj=1, range_uj=10**12):
    path = root / folder
    path.mkdir()
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    return path / "energy_uj"


def replace_text(path, text):
    """Never leaves the file empty for a reader."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    fresh.replace(path)


@contextmanager
def drawing(watts_of, range_uj=10**12):
    """Counters that advance with time, by the watts given for each file."""
    done = threading.Event()
    start = time.monotonic()
    first = {path: int(path.read_text()) for path in watts_of}

    def advance():
        while not done.wait(0.002):
            for path, watts in watts_of.items():
                spent_uj = int((time.monotonic() - start) * watts * 1e6)
                replace_text(path, f"{(first[path] + spent_uj) % range_uj}\n")

    thread = threading.Thread(target=advance)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Scripted:
    """A counter with a script: joules at each poll."""

    source = "scripted"

    def __init__(self, *stretches, reason=None):
        self._stretches = iter(stretches)
        self._reason = reason

    def unavailable(self):
        return self._reason

    @contextmanager
    def open(self):
        if self._reason:
            raise Unreadable(self._reason)
        polls = iter(next(self._stretches))
        yield SimpleNamespace(joules=lambda: {"package-0": next(polls)}, conditions=lambda: {"temperature_c": 40.0})


def test_a_package_that_draws_50_watts_is_read_as_such(workload, measure, by_metric, tmp_path):
    package = domain(tmp_path, "intel-rapl:0", "package-0")
    dram = domain(tmp_path, "intel-rapl:0:1", "dram")
    domain(tmp_path, "intel-rapl:0:0", "core")
    domain(tmp_path, "intel-rapl:1", "psys")
    domain(tmp_path, "intel-rapl-mmio:0", "package-0")
    meter = Energy(Rapl(tmp_path))

    with drawing({package: 50.0, dram: 10.0}):
        readings = by_metric(
            meter.read(workload(lambda: time.sleep(0.05)), measure(energy_window_s=0.5, energy_idle_s=0.2))
        )

    energy, idle, net = (readings[name] for name in ("energy_j", "idle_w", "net_j"))
    seconds = readings["window_s"].value / readings["window_requests"].value
    assert (energy.unit, idle.unit, net.unit) == ("J", "W", "J")
    assert energy.value == pytest.approx(60.0 * seconds, rel=0.3)
    assert idle.value == pytest.approx(60.0, rel=0.3)
    assert abs(net.value) < 0.4 * energy.value
    assert set(energy.detail["domains"]) == {"package-0", "dram 0:1"}
    assert energy.detail["domains"]["dram 0:1"] == pytest.approx(10.0 * seconds, rel=0.4)


def test_gross_net_and_idle_are_told_apart(workload, measure, by_metric):
    counter = Scripted([100.0, 101.0], [200.0, *[230.0] * 9, 260.0])
    work = workload(lambda: time.sleep(0.03))

    readings = by_metric(Energy(counter).read(work, measure(energy_window_s=0.01, energy_idle_s=0.1)))

    assert readings["window_requests"].value == 1.0
    assert readings["energy_j"].value == 30.0
    idle_w = readings["idle_w"].value
    assert 9.0 < idle_w <= 10.0
    assert readings["net_j"].value == pytest.approx(30.0 - idle_w * readings["window_s"].value)


def test_work_is_repeated_until_the_window_is_over(workload, measure, by_metric, tmp_path):
    package = domain(tmp_path, "intel-rapl:0", "package-0")

    with drawing({package: 50.0}):
        work = workload(lambda: time.sleep(0.02))
        readings = by_metric(Energy(Rapl(tmp_path)).read(work, measure(energy_window_s=0.3, energy_idle_s=0.05)))

    assert readings["window_s"].value >= 0.3
    assert 2 <= readings["window_requests"].value <= 15


def test_a_counter_that_wraps_is_read_across_the_wrap(tmp_path):
    file = domain(tmp_path, "intel-rapl:0", "package-0", energy_uj=262_000_000_000, range_uj=262_143_328_850)

    with Rapl(tmp_path).open() as gauge:
        before = gauge.joules()["package-0"]
        file.write_text("856671150\n")
        after = gauge.joules()["package-0"]

    assert after - before == 1000.0  # 143.32885 J to the end, 856.67115 J after it


def test_a_counter_that_may_have_wrapped_twice_is_not_guessed(tmp_path):
    domain(tmp_path, "intel-rapl:0", "package-0", range_uj=1_000_000)

    with Rapl(tmp_path).open() as gauge:
        time.sleep(0.02)  # 1 J may pass in a millisecond at 1 kW
        with pytest.raises(Unreadable, match="package-0 may have wrapped more than once"):
            gauge.joules()


def test_a_counter_that_stands_still_gives_none_with_a_reason(workload, measure, by_metric, tmp_path):
    domain(tmp_path, "intel-rapl:0", "package-0")

    readings = by_metric(Energy(Rapl(tmp_path)).read(workload(lambda: None), measure()))

    for metric in ("energy_j", "idle_w", "net_j"):
        assert readings[metric].value is None
        assert "energy counter did not advance" in readings[metric].reason


def test_an_idle_that_did_not_advance_leaves_the_gross_energy(workload, measure, by_metric):
    counter = Scripted([7.0, 7.0], [7.0, 9.0, 9.0])

    readings = by_metric(Energy(counter).read(workload(lambda: None), measure(energy_window_s=0.0)))

    assert readings["energy_j"].value == 2.0
    assert readings["idle_w"].value is None
    assert readings["net_j"].reason == "idle power unknown: energy counter did not advance: package-0"


def test_a_dram_domain_that_never_counted_is_left_out(tmp_path):
    domain(tmp_path, "intel-rapl:0", "package-0")
    domain(tmp_path, "intel-rapl:0:0", "dram", energy_uj=0)

    with Rapl(tmp_path).open() as gauge:
        assert set(gauge.joules()) == {"package-0"}


def test_a_machine_without_counters_says_so(tmp_path):
    reason = f"no CPU energy counter: {tmp_path} has no package domain"

    assert Rapl(tmp_path).unavailable() == reason
    assert Energy(Rapl(tmp_path)).unavailable(CPU) == reason


def test_a_counter_for_root_alone_says_how_to_open_it(tmp_path, monkeypatch):
    file = domain(tmp_path, "intel-rapl:0", "package-0")
    refuse(monkeypatch, file)

    reason = Rapl(tmp_path).unavailable()

    assert reason == f"{file} is readable by root alone; to let others: sudo chmod a+r {file}"


def test_without_a_counter_nothing_is_run_and_every_value_is_none(workload, measure, by_metric, tmp_path):
    def fail():
        raise AssertionError("was run")

    readings = by_metric(Energy(Rapl(tmp_path)).read(workload(fail), measure()))

    assert {reading.value for reading in readings.values()} == {None}
    assert set(readings) == {"energy_j", "idle_w", "net_j"}


def test_a_counter_that_fails_half_way_gives_none_with_its_reason(workload, measure, by_metric, tmp_path):
    package = domain(tmp_path, "intel-rapl:0", "package-0")

    readings = by_metric(Energy(Rapl(tmp_path)).read(workload(lambda: package.unlink(missing_ok=True)), measure()))

    assert readings["energy_j"].value is None
    assert "energy_uj" in readings["energy_j"].reason


def test_on_cuda_the_host_is_read_beside_the_gpu(workload, measure, by_metric):
    gpu, host = Scripted([0.0, 1.0], [0.0, 8.0, 8.0]), Scripted([0.0, 1.0], [0.0, 3.0, 3.0])
    meter = Energy(host, [gpu])

    readings = by_metric(meter.read(workload(lambda: None, kind="cuda"), measure(energy_window_s=0.0)))

    assert readings["energy_j"].value == 8.0
    assert readings["host_energy_j"].value == 3.0


def test_on_cuda_a_hidden_host_does_not_hide_the_gpu(workload, measure, by_metric):
    meter = Energy(Scripted(reason="hidden"), [Scripted([0.0, 1.0], [0.0, 8.0, 8.0])])

    readings = by_metric(meter.read(workload(lambda: None, kind="cuda"), measure(energy_window_s=0.0)))

    assert readings["energy_j"].value == 8.0
    assert (readings["host_energy_j"].value, readings["host_energy_j"].reason) == (None, "hidden")
    assert meter.unavailable(CUDA) is None


def test_conditions_around_the_window_are_kept(workload, measure, by_metric):
    meter = Energy(Scripted([0.0, 1.0], [0.0, 8.0, 8.0]))

    readings = by_metric(meter.read(workload(lambda: None), measure(energy_window_s=0.0)))

    assert readings["energy_j"].detail["before"] == {"temperature_c": 40.0}
    assert readings["energy_j"].detail["after"] == {"temperature_c": 40.0}


def test_each_trial_is_a_window_of_its_own_with_a_rest_before_the_next(workload, measure, monkeypatch):
    slept = []
    monkeypatch.setattr("harness.meters.energy.time.sleep", slept.append)
    counter = Scripted([0.0, 30.0], [0.0, 4.0, 4.0], [0.0, 5.0, 5.0], [0.0, 6.0, 6.0])

    readings = Energy(counter).read(
        workload(lambda: None), measure(energy_trials=3, energy_window_s=0.0, energy_idle_s=30.0, energy_rest_s=10.0)
    )

    assert [(one.sample, one.value) for one in readings if one.metric == "energy_j"] == [(0, 4.0), (1, 5.0), (2, 6.0)]
    assert [one.sample for one in readings if one.metric == "net_j"] == [0, 1, 2]
    assert len([one for one in readings if one.metric == "idle_w"]) == 1
    assert slept == [30.0, 10.0, 10.0]


def test_a_gpu_without_a_counter_has_its_power_polled(workload, measure, by_metric):
    polled = Scripted([0.0, 1.0], [0.0, 8.0, 8.0])
    polled.source = "polled"
    meter = Energy(Scripted(reason="hidden"), [Scripted(reason="no counter"), polled])

    readings = by_metric(meter.read(workload(lambda: None, kind="cuda"), measure(energy_window_s=0.0)))

    assert (readings["energy_j"].value, readings["energy_j"].source) == (8.0, "polled")


def test_a_gpu_that_tells_nothing_says_why_its_counter_does_not(workload, measure, by_metric):
    meter = Energy(Scripted(reason="hidden"), [Scripted(reason="no counter"), Scripted(reason="no power")])

    readings = by_metric(meter.read(workload(lambda: None, kind="cuda"), measure()))

    assert (readings["energy_j"].value, readings["energy_j"].reason) == (None, "no counter")


def refuse(monkeypatch, file):
    """Makes a file unreadable, for root too."""
    read_text = type(file).read_text

    def read(path, *args, **kwargs):
        if path == file:
            raise PermissionError(13, "Permission denied", str(path))
        return read_text(path, *args, **kwargs)

    monkeypatch.setattr(type(file), "read_text", read)
