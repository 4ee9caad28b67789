"""`harness doctor`: what is installed, readable and missing. Imports nothing heavy and writes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import click

from harness.spec.errors import HarnessError
from harness.version import __version__

DISTRIBUTION = "harness-ml"
OK, MISSING, BROKEN = "ok", "missing", "BROKEN"  # broken: the main job can't run


class Finding(NamedTuple):
    state: str
    what: str
    detail: str


@click.command("doctor")
@click.option("--store", "url", help="The store to look at. Default: HARNESS_STORE, else results/harness.sqlite")
def command(url: str | None) -> None:
    """Tell what is installed, readable and missing here: packages, devices, counters, store, plugins, data.

    Exits with 0 where `harness run` can work, with 1 where something BROKEN keeps it from that.
    """
    from harness.cli.ls import show

    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "Python": python,
        "Packages": packages,
        "Extras": extras,
        "Devices": devices,
        "Counters": counters,
        "Store": lambda: store(url),
        "Plugins": plugins,
        "Environments": environments,
        "Model": default_model,
        "Folders": folders,
    }
    broken = 0
    for title, check in checks.items():
        found = list(guarded(check))
        broken += sum(one.state == BROKEN for one in found)
        print(f"\n{title}")
        show(["", "", ""], found)
    if broken:
        raise HarnessError(f"{broken} of these keep harness run from working: see BROKEN above")
    print("\nharness run can work here.")


def guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A part that can't even be looked at is told like any other."""
    try:
        yield from check()
    except HarnessError as error:
        yield Finding(BROKEN, "", str(error))
    except ImportError as error:
        yield Finding(BROKEN, error.name or "", f"{error}; install the harness again")


def python() -> Iterator[Finding]:
    enough = sys.version_info >= (3, 11)
    where = sys.prefix if sys.prefix != sys.base_prefix else f"{sys.prefix} (no virtual environment)"
    yield Finding(OK if enough else BROKEN, platform.python_version(), where if enough else "3.11 or newer is needed")
    yield Finding(OK, f"harness {__version__}", str(Path(__file__).parents[2]))


def packages() -> Iterator[Finding]:
    """What the core requires, at which version."""
    for requirement in requirements():
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield installed(requirement, BROKEN, f"pip install '{requirement}'")


def extras() -> Iterator[Finding]:
    """What is only needed for more, by the extra that brings it."""
    for extra in sorted(metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []):
        for requirement in requirements():
            wanted = requirement.marker is not None and requirement.marker.evaluate({"extra": extra})
            if wanted and not requirement.marker.evaluate({"extra": ""}) and requirement.name != DISTRIBUTION:
                found = installed(requirement, MISSING, f"pip install '{DISTRIBUTION}[{extra}]'")
                yield found._replace(what=f"[{extra}] {found.what}")


def requirements() -> list[Any]:
    from packaging.requirements import Requirement

    try:
        return [Requirement(line) for line in metadata.requires(DISTRIBUTION) or []]
    except metadata.PackageNotFoundError:
        raise HarnessError(f"{DISTRIBUTION} is not installed here, only found; pip install it") from None


def installed(requirement: Any, otherwise: str, remedy: str) -> Finding:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Finding(otherwise, requirement.name, f"not installed: {remedy}")
    if not requirement.specifier.contains(version, prereleases=True):
        return Finding(otherwise, requirement.name, f"{version}, but {requirement.specifier} is needed: {remedy}")
    return Finding(OK, requirement.name, version)


def devices() -> Iterator[Finding]:
    from harness.config.device import cores, why_no_cuda
    from harness.engine.environment import cpu_name, gpu_names

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield Finding(OK, "cpu", f"{cpu_name()}, {cores()} physical cores at hand, {memory:.1f} GiB memory")
    absent = why_no_cuda()
    yield Finding(MISSING if absent else OK, "cuda", absent or ", ".join(gpu_names()) or "an NVIDIA device is visible")


def counters() -> Iterator[Finding]:
    """Each meter says itself whether it can read."""
    from harness.config.device import resolve_device
    from harness.meters.energy_nvml import Nvml
    from harness.meters.energy_rapl import Rapl
    from harness.plugin.discovery import load

    device = resolve_device("auto", None)
    for meter in load().meters.values():
        absent = meter().unavailable(device)
        yield Finding(MISSING if absent else OK, meter.name, absent or f"can read on {device.kind}")
    for name, absent in {
        "NVML (energy of a GPU)": Nvml().unavailable(),
        "RAPL (energy of a CPU)": Rapl().unavailable(),
    }.items():
        yield Finding(MISSING if absent else OK, name, absent or "readable")


def store(url: str | None) -> Iterator[Finding]:
    from harness.store.connect import Place, explained, store_url
    from harness.store.schema import SCHEMA, look

    place = Place.parse(store_url(url))
    with explained(place):
        schema = look(place)
    if place.path is not None:
        home = next(folder for folder in place.path.parents if folder.exists())
        writable = os.access(place.path if schema else home, os.W_OK)
        if not writable:
            yield Finding(BROKEN, str(place), f"can't be written: check the permissions of {home}")
            return
    state = {None: "not there yet, the first run makes it", SCHEMA: f"schema {SCHEMA}, readable and up to date"}
    yield Finding(OK, str(place), state.get(schema, f"schema {schema}, the next run upgrades it to {SCHEMA}"))
    if schema == SCHEMA:
        yield from noise(url)


def noise(url: str | None) -> Iterator[Finding]:
    """What the last self-check said of timings here."""
    from harness.cli.compare import stored
    from harness.engine.environment import environment
    from harness.report.selfcheck import latest, remark

    with stored(url) as opened:
        found = latest(opened, environment()[0])
    for check in found:
        yield Finding(OK, "self-check", remark(check))
    if not found:
        yield Finding(MISSING, "self-check", "harness selfcheck tells the smallest difference timings resolve here")


def plugins() -> Iterator[Finding]:
    from harness.engine.plan import BASELINE
    from harness.plugin.discovery import load

    registry = load()
    yield Finding(OK, f"{len(registry.plugins)} loaded", ", ".join(one.name for one in registry.plugins))
    for failure in registry.failures:
        yield Finding(MISSING, failure.found.name, f"from {failure.found.origin}, failed to load: {failure.reason}")
    if BASELINE not in registry.methods:
        yield Finding(BROKEN, BASELINE, "the baseline of every study is not there")


def environments() -> Iterator[Finding]:
    """Whether a worker starts in each that is declared."""
    from harness.plugin.environments import declared, starts

    for name, one in declared().items():
        trouble = starts(one)
        versions = [f"{package} {one.version(package)}" for package in dict.fromkeys([name, "transformers", "torch"])]
        known = ", ".join(word for word in versions if not word.endswith(" None"))
        yield Finding(MISSING if trouble else OK, name, trouble or f"{known}; in {one.folder}")


def default_model() -> Iterator[Finding]:
    """What a command gets that names none."""
    from harness.config.compose import Composer
    from harness.plugin.discovery import load

    composer = Composer(load())
    name = composer.defaults({})["model"]
    part = composer.part("model", name)
    present = part.owner.build(part.values).present()  # type: ignore[attr-defined]
    detail = {
        True: "on this machine",
        False: "not here yet, the first run fetches it",
        None: "can't say without trying",
    }
    yield Finding(MISSING if present is False else OK, name, detail[present])


def folders() -> Iterator[Finding]:
    from harness.plugin.sources import cache_folder

    cache = cache_folder()
    free = shutil.disk_usage(cache).free / 2**30
    yield Finding(OK if os.access(cache, os.W_OK) else BROKEN, "cache", f"{cache}, {free:.1f} GiB free on its disk")
    for folder in sorted(one for one in cache.iterdir() if one.is_dir()):
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        yield Finding(OK, f"cache/{folder.name}", f"{size / 2**20:,.0f} MiB")
    for name in ("HARNESS_CACHE", "HARNESS_STORE", "HARNESS_PLUGINS", "HF_HOME", "HF_HUB_OFFLINE"):
        if name in os.environ:
            yield Finding(OK, name, os.environ[name])
