"""Identity: the unpatched subject, the baseline of every study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.api import Evidence, Method, Traits, hookimpl


@dataclass(frozen=True)
class Identity(Method):
    name = "identity"
    traits = Traits(family="baseline")
    neutral = {}

    @contextmanager
    def apply(self, subject: Any) -> Iterator[Evidence]:
        yield Evidence()


@hookimpl
def harness_methods() -> list[type[Method]]:
    return [Identity]
