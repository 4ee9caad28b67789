"""What the engine tells whoever watches: the command line draws bars from it, tests collect it."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    def begin(self, phase: str, total: int, done: int = 0) -> None:
        """A phase of so many steps starts; the one before it has ended."""
        ...

    def step(self, note: str, by: int = 1) -> None:
        """Steps of the phase are done; `note` says what is worked on."""
        ...

    def say(self, text: str) -> None:
        """A sentence the user should see."""
        ...


class Silent:
    def begin(self, phase: str, total: int, done: int = 0) -> None:
        pass

    def step(self, note: str, by: int = 1) -> None:
        pass

    def say(self, text: str) -> None:
        pass
