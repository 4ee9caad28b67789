"""Rounding down."""


def floored(value: int, step: int) -> int:
    return value - value % step
