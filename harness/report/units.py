"""SI numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10
from typing import NamedTuple


class Scale(NamedTuple):
    unit: str
    factor: float  # an SI number times this is in `unit`


STEPS = {  # by SI unit: the first whose unit the largest number reaches, else the last
    "s": (("s", 10.0, 1.0), ("ms", 1e-3, 1e3), ("µs", 0.0, 1e6)),
    "B": (("GiB", 2.0**30, 2.0**-30), ("MiB", 0.0, 2.0**-20)),
    "FLOP": (("TFLOP", 1e13, 1e-12), ("GFLOP", 0.0, 1e-9)),
}


def scale_for(unit: str, values: Iterable[float]) -> Scale:
    largest = max((abs(value) for value in values), default=0.0)
    for name, least, factor in STEPS.get(unit, ()):
        if largest >= least:
            return Scale(name, factor)
    return Scale("" if unit == "1" else unit, 1.0)


def places_at(largest: float, digits: int = 4) -> int:
    """Decimal places that give the largest number of a column so many digits."""
    return 0 if largest == 0 else min(6, max(0, digits - 1 - floor(log10(largest))))


def spread(value: float, half_width: float | None, places: int | None = None) -> str:
    """`12.3 ± 1.4`: two significant digits of the half width, or as many places as asked."""
    if half_width is None:
        return f"{value:,.{places_at(abs(value)) if places is None else places}f}"
    if places is None:
        places = 0 if half_width == 0 else min(6, max(0, 1 - floor(log10(abs(half_width)))))
    return f"{value:,.{places}f} ± {half_width:,.{places}f}"


def titled(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def places_for(unit: str) -> int:
    """Decimal places of a score in this unit."""
    return {"%": 1, "count": 0}.get(unit, 3)
