"""How much haystack a context holds."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil


def largest(tokens: Callable[[int], int], limit: int, least: int, most: int | None = None) -> int | None:
    """A size whose `tokens` are within `limit` where one unit more is not, or `most`; None if `least` is over.

    `tokens` grows with the size, nearly in proportion: every second guess is where a line through
    the known counts crosses the limit, the others halve what is left.
    """
    low, below = least, tokens(least)
    if below > limit:
        return None
    if least == most:
        return least
    high, above = least + 1, tokens(least + 1)
    while above <= limit:
        if high == most:
            return high
        rate = max(1.0, (above - below) / (high - low))
        further = high + ceil((limit - above) / rate) + 1
        low, below, high = high, above, further if most is None else min(further, most)
        above = tokens(high)
    halve = False
    while high - low > 1:
        aimed = low + round((high - low) * (limit - below) / (above - below))
        middle = (low + high) // 2 if halve else min(max(aimed, low + 1), high - 1)
        count = tokens(middle)
        if count <= limit:
            low, below = middle, count
        else:
            high, above = middle, count
        halve = not halve
    return low
