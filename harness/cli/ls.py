"""`harness ls`: what there is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from harness.cli.compare import stored
from harness.spec.errors import UsageError

if TYPE_CHECKING:
    from harness.config.compose import Composer
    from harness.plugin.discovery import Found, Registry
    from harness.plugin.knobs import Knobbed

KINDS = ("methods", "tasks", "models", "plugins", "runs", "studies")


@click.command("ls")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--knobs", is_flag=True, help="With methods, tasks or models: every setting, its default and meaning.")
@click.option("--store", "url", help="With runs or studies: the store. Default: results/harness.sqlite")
@click.option("--method", help="With runs: of this method only.")
@click.option("--task", help="With runs: of this task only.")
@click.option("--status", help="With runs: done, stopped, failed, invalid ...")
@click.option("--limit", default=50, show_default=True, help="With runs or studies: how many, newest first.")
def command(
    kind: str, knobs: bool, url: str | None, method: str | None, task: str | None, status: str | None, limit: int
) -> None:
    """List methods, tasks, models, plugins, runs or studies."""
    if kind in ("runs", "studies"):
        with stored(url) as store:
            from harness.store import queries

            if kind == "runs":
                list_runs(queries.runs(store, method=method, task=task, status=status, limit=limit))
            else:
                list_studies(queries.studies(store, limit=limit))
        return
    from harness.plugin.discovery import load

    registry = load()
    if kind == "plugins":
        list_plugins(registry)
    else:
        list_offers(registry, kind.removesuffix("s"), knobs)


def list_offers(registry: Registry, kind: str, knobs: bool) -> None:
    table = {"method": registry.methods, "task": registry.tasks, "model": registry.models}[kind]
    rows: list[Sequence[Any]] = []
    for name in registry.names(kind):
        offered: type[Knobbed] = table[name]  # type: ignore[index]
        rows.append((name, group(offered), registry.says(offered)))
    show(["name", "family" if kind == "method" else "kind", "what it is"], rows)
    if kind == "model":
        show(["preset", "of"], model_presets(registry))
    if knobs:
        for name in registry.names(kind):
            list_knobs(name, table[name])  # type: ignore[index]
    elif kind == "method":
        print("\nharness ls methods --knobs shows their settings.")
    for one in registry.waiting if kind == "method" else ():  # environments are of methods
        print(f"More from {one.found.name}: {one.reason}")


def list_knobs(name: str, offered: type[Knobbed]) -> None:
    knobs = offered.knobs()
    if knobs:
        print(f"\n{name}")
        show(["setting", "default", "what it does"], [(one.name, word(one.default), one.help) for one in knobs])


def model_presets(registry: Registry) -> list[tuple[str, str]]:
    from harness.config.compose import Composer

    composer = Composer(registry)
    return [(name, preset_of(composer, name)) for name in composer.names("model") if name not in registry.models]


def preset_of(composer: Composer, name: str) -> str:
    try:
        return composer.part("model", name).owner.name
    except UsageError as error:
        return f"can't be used: {error}"


def group(offered: Any) -> str:
    traits = getattr(offered, "traits", None)
    if traits is not None:
        return str(traits.family)
    return str(getattr(offered, "kind", None) or ", ".join(sorted(offered.subjects)))


def list_plugins(registry: Registry) -> None:
    import os

    from harness.plugin.discovery import ONLY, everything

    offers = [
        (one.name, one.family, origin(one), one.version, offered_by(registry, one), one.folder or one.path or "")
        for one in registry.plugins
    ]
    show(["plugin", "family", "from", "version", "offers", "lies in"], offers)
    if registry.failures:
        print("\nFailed to load:")
        show(
            ["plugin", "from", "version", "reason"],
            [(one.found.name, origin(one.found), one.found.version, one.reason) for one in registry.failures],
        )
    if registry.waiting:
        print("\nWaiting for an environment:")
        rows = [(one.found.name, origin(one.found), one.reason) for one in registry.waiting]
        show(["plugin", "from", "reason"], rows)
    seen = [*registry.plugins, *(one.found for one in [*registry.failures, *registry.waiting])]
    left = [one.name for one in everything() if one not in seen]
    if left:
        print(f"\nLeft out by {ONLY}={os.environ[ONLY]}: {', '.join(left)}")


def origin(found: Found) -> str:
    return found.origin if found.origin == "built-in" else f"entry point of {found.origin}"


def offered_by(registry: Registry, found: Found) -> str:
    tables: dict[str, Mapping[str, type]] = {
        "method": registry.methods,
        "task": registry.tasks,
        "model": registry.models,
        "subject": registry.subjects,
        "meter": registry.meters,
    }
    offers = [
        f"{kind} {name}"
        for kind, table in tables.items()
        for name, offered in table.items()
        if registry.origin_of(offered) is found
    ]
    heard = [event for event, ears in registry.listeners.items() if any(one.found is found for one in ears)]
    return ", ".join([*offers, *([f"hears {', '.join(heard)}"] if heard else [])])


def list_runs(frame: Any) -> None:
    rows = [
        (
            row["id"], row["label"], row["task"], row["model"], row["device"], row["seed"],
            f"{row['done']}/{row['planned']}",
            status_of(row), ago(row["updated"]), " ".join(row["tags"]), row["reason"] or "",
        )
        for row in frame.to_dict("records")
    ]  # fmt: skip
    show(["run", "method", "task", "model", "device", "seed", "samples", "status", "when", "tags", "reason"], rows)


def list_studies(frame: Any) -> None:
    rows = [
        (row["id"], row["members"], row["measure"], status_of(row), ago(row["updated"]), row["command"])
        for row in frame.to_dict("records")
    ]
    show(["study", "runs", "measure", "status", "when", "command"], rows)


def status_of(row: Any) -> str:
    """A command that was killed could not say that it stopped."""
    return "running" if row["live"] else "stopped" if row["status"] == "running" else str(row["status"])


def ago(then: float) -> str:
    seconds = max(0.0, time.time() - then)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"


def word(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ",".join(map(str, value)) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


FOLDED = 1000  # rows: to fit the cells of more into a terminal takes seconds


def show(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table: columns aligned; folded to fit a terminal, nothing cut when piped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.spec.text import printable

    console = Console()
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    if not console.is_terminal or len(cells) > FOLDED:
        print_aligned([list(columns), *cells] if any(columns) else cells)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def print_aligned(rows: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())
