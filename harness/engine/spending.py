"""What it costs to train, calibrate or build: time, energy and peak memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from harness.meters.energy import Energy, Watch
from harness.meters.memory import PROC, HostPeak, device_readings, settle
from harness.plugin.contracts import Preparation
from harness.spec.records import Device, Reading

UNKNOWN_BEFORE = "the attempt that this one went on from could not read it"


def measured(
    preparation: Preparation, device: Device, action: Callable[[Preparation], None], synchronize: Callable[[], None]
) -> list[Reading]:
    """Does it, and reads what it cost. What an earlier attempt left for it to go on from is counted too."""
    (counter, *_), before = Energy().counters(device), preparation.before
    host = HostPeak(PROC)
    with ExitStack() as opened:
        watch = Watch(counter, opened)
        settle(device)
        resident, started = host.reset(), time.perf_counter()

        def unread() -> str | None:
            return watch.spent().reason or (UNKNOWN_BEFORE if before and "J" not in before else None)

        def spent() -> dict[str, float]:
            watch.poll()
            costs = {"s": before.get("s", 0.0) + time.perf_counter() - started}
            return costs if unread() else {**costs, "J": before.get("J", 0.0) + watch.spent().joules}

        preparation.progress, preparation.spent = polling(watch, preparation.progress), spent
        watch.poll()
        action(preparation)
        synchronize()
        total, reason = spent(), unread()
    return [
        Reading("prepare_s", total["s"], "s", "perf_counter"),
        Reading("prepare_energy_j", total.get("J"), "J", counter.source, reason),
        *(
            Reading(f"prepare_{one.metric}", one.value, one.unit, one.source, one.reason)
            for one in [*host.readings(resident), *device_readings(device)]
        ),
        *preparation.readings,
    ]


def polling(watch: Watch, progress: Callable[..., None]) -> Callable[..., None]:
    """Counters wrap, so they are asked whenever something is told."""

    def tell(note: str = "") -> None:
        watch.poll()
        progress(note)

    return tell
