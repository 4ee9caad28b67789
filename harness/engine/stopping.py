"""When a session has gone on for long enough: by the width of its intervals or by its time, never by what it found."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from harness.spec.records import Measure, Reading
from harness.stats.intervals import median
from harness.stats.latency import compare_latency
from harness.store.timings import timings
from harness.store.writer import Store

DECISIVE = "latency_s"  # whose interval must be narrow


@dataclass(frozen=True)
class Stop:
    """Why no further process of each arm is timed."""

    why: str  # processes, width or budget
    sentence: str

    def reading(self, processes: int) -> Reading:
        detail = {"why": self.why, "sentence": self.sentence}
        return Reading("stopped_after", float(processes), "1", "session", detail=detail)


def judge(
    measure: Measure, processes: int, spent_s: float, next_s: float, width: Callable[[], float | None]
) -> Stop | None:
    """Whether to stop after so many processes of each arm, or None.

    `spent_s` is what they took, `next_s` what the next of each arm may take, `width` the widest half-width.
    """
    enough = processes >= measure.processes
    after = f"stopped after {processes} process{'es' if processes > 1 else ''} an arm"
    wide = width() if enough and measure.width is not None and measure.most > measure.processes else None
    if wide is not None and measure.width is not None and 100 * wide <= measure.width:
        return Stop("width", f"{after}: {DECISIVE} is known to ±{wide:.1%}, narrower than ±{measure.width:g}%")
    if processes >= measure.most:
        still = "" if wide is None else f"; {DECISIVE} is known to ±{wide:.1%}"
        return Stop("processes", f"{after}: as many as this measure has{still}")
    if processes and measure.budget_s is not None and spent_s + next_s > measure.budget_s:
        short = "" if enough else f", fewer than the {measure.processes} that an outcome takes"
        return Stop("budget", f"{after}{short}: another of each would not end within {measure.budget_s:g} s")
    return None


def widest(store: Store, session_id: int, positions: Collection[int]) -> float | None:
    """The widest half-width of these arms' change in latency against arm 0; alone, of arm 0's own median.

    Relative: 0.02 is ±2 %. None where one of them has no interval.
    """
    found = timings(store, session_id, DECISIVE).get(DECISIVE)
    if found is None:
        return None
    others = [position for position in positions if position != 0]
    if not others:
        own = median(list(found.arms.get(0, {}).values()))
        return own.interval.half_width / own.value if own.interval and own.value else None
    widths = []
    for position in others:
        pairs = found.pair(0, position)
        widths.append(compare_latency([one for one, _ in pairs], [other for _, other in pairs]).half_width)
    return None if None in widths else max(width for width in widths if width is not None)
