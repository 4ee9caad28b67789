import sys

import pytest

from harness.meters.memory import Memory

MB = 1_000_000


def touched(megabytes):
    """Bytes that are really resident; large enough that freeing them gives them back to the system."""
    return bytearray(b"x") * (megabytes * MB)


def host_peak_or_skip(readings):
    if readings["peak_rss_bytes"].value is None:
        pytest.skip(readings["peak_rss_bytes"].reason)
    return readings["peak_rss_growth_bytes"].value


def test_an_allocation_of_50_megabytes_is_seen_though_it_is_freed_again(workload, measure, by_metric):
    readings = by_metric(Memory().read(workload(lambda: touched(50)), measure()))

    assert 49 * MB < host_peak_or_skip(readings) < 60 * MB
    assert readings["peak_rss_bytes"].value > 50 * MB
    assert readings["peak_rss_bytes"].unit == "B"


def test_an_earlier_larger_allocation_is_not_seen(workload, measure, by_metric):
    touched(300)

    readings = by_metric(Memory().read(workload(lambda: None), measure()))

    assert host_peak_or_skip(readings) < 10 * MB


def test_what_only_the_first_request_allocates_is_not_its_growth(workload, measure, by_metric):
    kept = []
    readings = by_metric(Memory().read(workload(lambda: kept or kept.append(touched(50))), measure()))

    assert host_peak_or_skip(readings) < 10 * MB


def test_blocks_that_the_first_request_left_in_the_allocator_still_count(workload, measure, by_metric):
    pins = []

    def leave_a_hole():
        blocks = [bytes(10_000) for _ in range(5_000)]
        pins.append(blocks[-1])  # the heap can't shrink below it by itself

    readings = by_metric(Memory().read(workload(leave_a_hole), measure()))

    assert host_peak_or_skip(readings) > 40 * MB


def test_a_peak_that_may_not_be_reset_is_none_with_a_reason(workload, measure, by_metric, tmp_path):
    (tmp_path / "status").write_text("VmHWM:\t 9000 kB\nVmRSS:\t 8000 kB\n")
    (tmp_path / "clear_refs").mkdir()  # can't be written

    readings = by_metric(Memory(tmp_path).read(workload(lambda: None), measure()))

    assert readings["peak_rss_bytes"].value is None
    assert readings["peak_rss_growth_bytes"].value is None
    assert readings["peak_rss_bytes"].reason.startswith("can't reset the peak of resident memory: ")


def test_a_reset_that_the_kernel_ignores_is_noticed(workload, measure, by_metric, tmp_path):
    (tmp_path / "status").write_text("VmHWM:\t 900000 kB\nVmRSS:\t 8000 kB\n")

    readings = by_metric(Memory(tmp_path).read(workload(lambda: None), measure()))

    assert readings["peak_rss_bytes"].value is None
    assert readings["peak_rss_bytes"].reason == "the kernel did not reset the peak of resident memory"


def test_the_kernels_kilobytes_are_kibibytes(workload, measure, by_metric, tmp_path):
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t 9000 kB\nVmRSS:\t 8000 kB\n")

    readings = by_metric(Memory(tmp_path).read(workload(lambda: None), measure()))

    assert readings["peak_rss_bytes"].value == 9_216_000.0
    assert readings["peak_rss_growth_bytes"].value == 1_024_000.0
    assert (tmp_path / "clear_refs").read_text() == "5"


def test_a_cpu_has_no_allocator_counters_and_says_so(workload, measure, by_metric):
    readings = by_metric(Memory().read(workload(lambda: None), measure()))

    for metric in ("peak_allocated_bytes", "peak_reserved_bytes"):
        assert readings[metric].value is None
        assert readings[metric].reason == "no allocator counters on cpu"
    assert readings["process_device_bytes"].reason == "no device memory on cpu"


def test_what_the_subject_keeps_resident_is_its_cache(workload, measure, by_metric):
    readings = by_metric(Memory().read(workload(lambda: None), measure()))

    assert readings["cache_bytes"].value == 4096.0


def test_a_subject_that_does_not_say_has_no_cache_reading(workload, measure, by_metric):
    work = workload(lambda: None)
    execute = work.execute

    def forget(request):
        response = execute(request)
        response.observed.clear()
        return response

    work.execute = forget

    assert "cache_bytes" not in by_metric(Memory().read(work, measure()))


def test_on_cuda_the_allocators_peaks_are_reset_before_the_request(workload, measure, by_metric, monkeypatch):
    torch = pytest.importorskip("torch")
    done = []
    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda name=name: done.append(name))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 5)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 8)
    monkeypatch.setitem(sys.modules, "pynvml", None)

    readings = by_metric(Memory().read(workload(lambda: done.append("run"), kind="cuda"), measure()))

    assert done == ["run", "empty_cache", "reset_peak_memory_stats", "run"]
    assert readings["peak_allocated_bytes"].value == 5.0
    assert readings["peak_reserved_bytes"].value == 8.0
    assert readings["process_device_bytes"].reason == "NVML needs pynvml: pip install 'harness-ml[gpu]'"


@pytest.mark.gpu
def test_the_allocators_peak_is_that_of_the_request_alone(workload, measure, by_metric):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    before = torch.cuda.memory_allocated()
    work = workload(lambda: torch.empty(64 << 20, dtype=torch.uint8, device="cuda"), kind="cuda")
    work.subject.synchronize = torch.cuda.synchronize

    readings = by_metric(Memory().read(work, measure()))

    assert readings["peak_allocated_bytes"].value == before + (64 << 20)
    assert readings["peak_reserved_bytes"].value < before + (128 << 20)
    process = readings["process_device_bytes"]
    assert process.reason or process.value > readings["peak_reserved_bytes"].value
