"""The built-in meters, registered through the same hook as anyone's."""

from __future__ import annotations

from harness.api import Meter, hookimpl
from harness.meters.clock import Clock
from harness.meters.energy import Energy
from harness.meters.flops import Flops
from harness.meters.memory import Memory


@hookimpl
def harness_meters() -> list[type[Meter]]:
    return [Clock, Memory, Flops, Energy]
