import gc
import math
import sys
import time

import pytest

from harness.meters.clock import Clock, Timing, is_warm, time_once, variation, warm_up


def only(readings, metric):
    return [reading for reading in readings if reading.metric == metric]


def test_a_latency_is_the_time_slept(workload, measure):
    readings = Clock().read(workload(lambda: time.sleep(0.03)), measure())

    for reading in only(readings, "latency_s") + only(readings, "cold_latency_s"):
        assert 0.03 <= reading.value < 1.0
        assert reading.unit == "s"


def test_the_first_call_is_cold_and_no_sample(workload, measure):
    naps = iter([0.2])
    work = workload(lambda: time.sleep(next(naps, 0.0)))

    readings = Clock().read(work, measure())

    (cold,) = only(readings, "cold_latency_s")
    assert cold.value >= 0.2
    assert cold.sample is None
    assert max(reading.value for reading in only(readings, "latency_s")) < 0.2


def test_samples_are_numbered_and_follow_the_requests_in_order(workload, measure):
    work, served = workload(lambda: None), []
    execute = work.execute
    work.execute = lambda request: served.append(request["number"]) or execute(request)

    readings = Clock().read(work, measure(warmups=2, samples=4))

    assert [reading.sample for reading in only(readings, "latency_s")] == [0, 1, 2, 3]
    assert served == [0, 1, 0, 1, 2, 0]  # two warm-ups, the first of them cold, and four samples


def test_requests_of_several_inputs_are_timed_after_the_single_ones_and_are_part_of_no_latency(workload, measure):
    work, served = workload(lambda: None), []
    execute = work.execute
    work.execute = lambda request: served.append((request["number"], request.get("of"))) or execute(request)
    work.subject.batched = lambda request: [{**request, "of": 8}, {**request, "of": 32}]

    readings = Clock().read(work, measure(warmups=1, samples=2))

    assert served[:3] == [(0, None), (0, None), (1, None)]  # the warm-up, cold, and two samples
    assert served[3:] == [(0, 8), (0, 8), (1, 8), (0, 32), (0, 32), (1, 32)]
    assert [reading.sample for reading in only(readings, "ordered")] == [0, 1, 0, 1, 0, 1]


def test_sampling_goes_on_until_the_seconds_are_over(workload, measure):
    started = time.perf_counter()

    readings = Clock().read(workload(lambda: time.sleep(0.02)), measure(samples=1, seconds=0.2))

    assert time.perf_counter() - started >= 0.2
    assert len(only(readings, "latency_s")) > 2


def test_marks_reach_the_subject_in_order_between_start_and_end(workload, measure):
    readings = Clock().read(workload(lambda: None), measure())

    assert [reading.detail["marks"] for reading in only(readings, "latency_s")] == [["begin", "end"]] * 3
    assert [reading.value for reading in only(readings, "ordered")] == [1.0, 1.0, 1.0]


def test_the_device_is_waited_for_before_the_clock_stops(workload, measure):
    work = workload(lambda: None)
    work.subject.synchronize = lambda: time.sleep(0.02)

    readings = Clock().read(work, measure(samples=1))

    assert only(readings, "latency_s")[0].value >= 0.06  # at two marks and at the end


def test_reporting_progress_is_not_timed_but_happens(workload, measure):
    work, reported = workload(lambda: None), []
    work.progress = lambda: reported.append(time.sleep(0.2))

    readings = Clock().read(work, measure(warmups=1, samples=2))

    assert len(reported) == 3
    assert max(reading.value for reading in only(readings, "latency_s")) < 0.2


def test_the_marker_and_the_collector_are_put_back_after_an_exception(workload):
    def fail():
        assert not gc.isenabled()
        raise ZeroDivisionError

    work = workload(fail)
    marker = work.subject.marker = lambda phase: None

    with pytest.raises(ZeroDivisionError):
        time_once(work, 0)

    assert work.subject.marker is marker
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off(workload):
    gc.disable()
    try:
        time_once(workload(lambda: None), 0)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_fixed_warm_up_is_not_judged(workload, measure):
    assert only(Clock().read(workload(lambda: None), measure()), "warmup_converged") == []


@pytest.fixture
def scripted(monkeypatch):
    """Has every request take the next of the given seconds."""

    def put(seconds):
        timings = (Timing(0, [], round(value * 1e9), None) for value in seconds)
        monkeypatch.setattr("harness.meters.clock.time_once", lambda workload, index: next(timings))

    return put


def test_warming_up_ends_as_soon_as_the_last_five_are_alike(workload, measure, scripted):
    scripted([1.0, *[0.9, 0.1] * 5, *[0.5] * 100])

    (converged,) = warm_up(workload(lambda: None), measure(steady=True))

    assert converged.value == 1.0
    assert converged.detail == {"warmups": 16, "variation": 0.0}


def test_a_workload_that_never_settles_is_cut_off_and_says_so(workload, measure, scripted):
    scripted([0.1, 0.9] * 100)

    (converged,) = warm_up(workload(lambda: None), measure(steady=True))

    assert converged.value == 0.0
    assert converged.detail["warmups"] == 50


def test_a_steady_measure_can_ask_for_more_warm_ups(workload, measure, scripted):
    scripted([1.0] * 100)

    (converged,) = warm_up(workload(lambda: None), measure(steady=True, warmups=20))

    assert converged.detail["warmups"] == 20


def test_warming_up_ends_when_the_last_five_are_alike_or_a_cap_is_reached():
    assert not is_warm([1.0] * 9, 0.0, 10)
    assert is_warm([1.0] * 10, 0.0, 10)
    assert not is_warm([1.0] * 9 + [2.0], 0.0, 10)
    assert is_warm([2.0] * 9 + [1.0] * 5, 0.0, 10)
    assert is_warm([1.0, 2.0] * 25, 0.0, 10)
    assert is_warm([1.0, 2.0] * 5, 30.0, 10)
    assert not is_warm([1.0, 2.0] * 4, 30.0, 10)


def test_variation_is_that_of_the_last_five():
    assert math.isclose(variation([9.0, 1.0, 2.0, 3.0, 4.0, 5.0]), 2.5**0.5 / 3)


def test_load_and_threads_are_stored(workload, measure):
    readings = Clock().read(workload(lambda: None), measure())

    (load,) = only(readings, "load_average")
    assert load.source == "os.getloadavg"
    assert load.value == load.detail["before"] >= 0.0
    (threads,) = only(readings, "threads")
    assert threads.value >= 1.0


def test_threads_are_the_devices_where_torch_is_not_loaded(workload, measure, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)

    (threads,) = only(Clock().read(workload(lambda: None), measure()), "threads")

    assert (threads.value, threads.source) == (1.0, "device.threads")


def test_a_condition_that_is_hidden_is_none_with_a_reason(workload, measure, monkeypatch):
    monkeypatch.setattr("harness.meters.conditions.conditions", lambda device: {"clock_hz": 3e9})

    readings = Clock().read(workload(lambda: None), measure())

    (temperature,), (clock,) = only(readings, "temperature_c"), only(readings, "clock_hz")
    assert temperature.value is None
    assert temperature.reason == "sysfs does not show it on this machine"
    assert (clock.value, clock.unit, clock.reason) == (3e9, "Hz", None)


def test_on_cuda_the_devices_own_time_is_stored_in_seconds(workload, measure, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr("harness.meters.conditions.conditions", lambda device: {})

    readings = Clock().read(workload(lambda: None, kind="cuda"), measure(samples=2))

    device = only(readings, "device_latency_s")
    assert [(reading.value, reading.sample) for reading in device] == [(0.0025, 0), (0.0025, 1)]


class FakeEvent:
    def __init__(self, enable_timing):
        assert enable_timing
        self.recorded = False

    def record(self):
        self.recorded = True

    def synchronize(self):
        assert self.recorded

    def elapsed_time(self, end):
        """Milliseconds, as torch has it."""
        assert self.recorded
        assert end.recorded
        return 2.5


@pytest.mark.gpu
def test_the_devices_events_agree_with_the_clock(workload, measure):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    left = torch.randn(4096, 4096, device="cuda")
    work = workload(lambda: [left @ left for _ in range(20)], kind="cuda")
    work.subject.synchronize = torch.cuda.synchronize

    readings = Clock().read(work, measure(warmups=3))

    for device, wall in zip(only(readings, "device_latency_s"), only(readings, "latency_s"), strict=True):
        assert 0 < device.value <= wall.value
        assert device.value > 0.5 * wall.value
