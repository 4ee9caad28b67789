"""Power that is polled: the arithmetic against a clock of our own, the thread against the real one."""

import sys
import time
from itertools import pairwise

import pytest

from harness.meters.energy_power import NvmlPower, PowerGauge, read_watts
from harness.meters.unreadable import Unreadable


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def ramp(clock):
    """10 W more each second."""
    return PowerGauge(lambda: 10.0 * (clock.now_s - 100.0), dict, clock)


def test_a_rising_power_is_summed_by_trapezoids():
    clock = Clock()
    gauge = ramp(clock)
    for _ in range(40):
        clock.now_s += 0.05
        joules = gauge.joules()["gpu"]

    assert joules == pytest.approx(10.0 * 2.0**2 / 2)


def test_power_seen_ten_times_a_second_is_seen_often_enough():
    clock = Clock()
    gauge = ramp(clock)
    for _ in range(20):
        clock.now_s += 0.0999
        gauge.joules()


def test_power_seen_too_seldom_is_not_summed_up():
    clock = Clock()
    gauge = ramp(clock)
    for _ in range(3):
        clock.now_s += 0.25
        gauge.joules()
    clock.now_s += 0.25

    with pytest.raises(Unreadable, match=r"power was polled 4\.0 times a second; 10 are the least"):
        gauge.joules()


def test_it_is_polled_while_nobody_asks():
    asked = []
    gauge = PowerGauge(lambda: asked.append(time.monotonic()) or 100.0, dict)

    with gauge.polling():
        time.sleep(0.4)
    polls = len(asked)
    joules = gauge.joules()["gpu"]

    assert polls >= 3
    assert joules == pytest.approx(100.0 * (asked[-1] - asked[0]), rel=0.05)
    assert all(later > earlier for earlier, later in pairwise(asked))


def test_a_driver_that_stops_answering_is_the_reason():
    answers = iter([100.0])

    def watts():
        try:
            return next(answers)
        except StopIteration:
            raise Unreadable("NVML: GPU is lost") from None

    gauge = PowerGauge(watts, dict)

    with gauge.polling():
        time.sleep(0.1)
        with pytest.raises(Unreadable, match="GPU is lost"):
            gauge.joules()


class Refusing:
    class NVMLError(Exception):
        pass

    def nvmlInit(self):
        pass

    nvmlShutdown = nvmlInit

    def nvmlDeviceGetHandleByIndex(self, index):
        return "gpu"

    def nvmlDeviceGetPowerUsage(self, gpu):
        raise self.NVMLError("Not Supported")


def test_milliwatts_become_watts():
    class Telling(Refusing):
        def nvmlDeviceGetPowerUsage(self, gpu):
            return 312_500

    assert read_watts(Telling(), "gpu") == 312.5


def test_a_gpu_that_hides_its_power_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", Refusing())

    assert NvmlPower().unavailable() == "NVML: Not Supported"
