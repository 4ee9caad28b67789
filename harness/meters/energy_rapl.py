"""RAPL: cumulative energy of CPU packages and their DRAM, from Linux's powercap tree, in joules."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.meters.conditions import cpu_conditions
from harness.meters.unreadable import Unreadable

POWERCAP = Path("/sys/class/powercap")
MOST_W = 1000.0  # no package draws more: what bounds how often a counter can have wrapped


@dataclass
class Domain:
    """One counter: microjoules that start again from 0 after `range_uj`."""

    name: str
    path: Path
    range_uj: int
    last_uj: int
    last_s: float
    total_uj: int = 0

    def advance(self) -> None:
        """Adds what was spent since the last call.

        Raises:
            Unreadable: so long ago that the counter may have wrapped more than once.
        """
        raw_uj, now_s = read_uj(self.path / "energy_uj"), time.monotonic()
        if (now_s - self.last_s) * MOST_W * 1e6 > self.range_uj:
            raise Unreadable(f"{self.name} may have wrapped more than once in {now_s - self.last_s:.0f} s")
        passed_uj = raw_uj - self.last_uj
        self.total_uj += passed_uj if passed_uj >= 0 else passed_uj + self.range_uj
        self.last_uj, self.last_s = raw_uj, now_s


class Rapl:
    """Packages and DRAM; the parts inside a package (core, uncore) and the whole board (psys) would count twice."""

    source = "rapl"

    def __init__(self, root: Path = POWERCAP) -> None:
        self._root = root

    def unavailable(self) -> str | None:
        try:
            self._domains()
        except Unreadable as error:
            return str(error)
        return None

    @contextmanager
    def open(self) -> Iterator[RaplGauge]:
        yield RaplGauge(self._domains())

    def _domains(self) -> list[Domain]:
        found = [domain for path in sorted(self._root.glob("intel-rapl:*")) if (domain := self._domain(path))]
        if not found:
            raise Unreadable(f"no CPU energy counter: {self._root} has no package domain")
        return found

    def _domain(self, path: Path) -> Domain | None:
        try:
            name = (path / "name").read_text().strip()
            if not name.startswith(("package", "dram")):
                return None
        except OSError as error:
            raise Unreadable(f"can't read {path}: {error.strerror}") from None
        range_uj, now_uj = read_uj(path / "max_energy_range_uj"), read_uj(path / "energy_uj")
        # Some machines list a DRAM domain that has never counted; a package that has not is a fault.
        if name == "dram" and now_uj == 0:
            return None
        # A DRAM domain is called plain "dram" under every package: the folder tells which.
        label = name if name.startswith("package") else f"{name} {path.name.removeprefix('intel-rapl:')}"
        return Domain(label, path, range_uj, now_uj, time.monotonic())


class RaplGauge:
    """The counters since they were opened."""

    def __init__(self, domains: list[Domain]) -> None:
        self._domains = domains

    def joules(self) -> dict[str, float]:
        for domain in self._domains:
            domain.advance()
        return {domain.name: domain.total_uj / 1e6 for domain in self._domains}

    def conditions(self) -> dict[str, float]:
        return cpu_conditions()


def read_uj(path: Path) -> int:
    """Microjoules.

    Raises:
        Unreadable: no such counter, or none this user may read.
    """
    try:
        return int(path.read_text())
    except PermissionError:
        raise Unreadable(f"{path} is readable by root alone; to let others: sudo chmod a+r {path}") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"can't read {path}: {error}") from None
