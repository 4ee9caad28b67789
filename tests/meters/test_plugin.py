import subprocess
import sys

from harness.api import Device, Meter
from harness.meters.plugin import harness_meters


def test_four_meters_are_offered_and_made_without_arguments():
    meters = [meter() for meter in harness_meters()]

    assert [meter.name for meter in meters] == ["latency", "memory", "flops", "energy"]
    assert [meter.name for meter in meters if meter.timed] == ["latency", "energy"]
    assert all(isinstance(meter, Meter) for meter in meters)


def test_availability_is_told_without_anything_heavy():
    code = (
        "import sys; from harness.meters.plugin import harness_meters; from harness.api import Device;"
        "[meter().unavailable(Device(kind, 1)) for meter in harness_meters() for kind in ('cpu', 'cuda')];"
        "print(sorted({'torch', 'psutil', 'numpy', 'transformers'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_a_reason_is_a_sentence_or_none():
    for meter in harness_meters():
        for kind in ("cpu", "cuda"):
            reason = meter().unavailable(Device(kind, 1))
            assert reason is None or (len(reason) > 10 and "\n" not in reason)
