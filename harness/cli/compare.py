"""`harness compare`: which is better, by how much, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.spec.errors import UsageError

if TYPE_CHECKING:
    from harness.report.gather import Defaults
    from harness.report.model import Report
    from harness.store.writer import Store


@click.command("compare")
@click.argument("numbers", metavar="[STUDY | RUN RUN ...]", nargs=-1, type=int)
@click.option("--store", "url", help="The store, as an SQLAlchemy URL or a file. Default: results/harness.sqlite")
def command(numbers: tuple[int, ...], url: str | None) -> None:
    """Compare the runs of a study, or runs with the first of them.

    Without a number the study last worked on is shown; `harness ls studies` and `harness ls runs`
    give the numbers.
    """
    from harness.report.tables import show

    with stored(url) as store:
        show(report_of(store, numbers))


def stored(url: str | None) -> Store:
    """The store to read from."""
    from harness.store.connect import store_url
    from harness.store.writer import open_store

    return open_store(store_url(url))


def report_of(store: Store, numbers: tuple[int, ...]) -> Report:
    from harness.report.compare import compare_study
    from harness.report.gather import gather_runs, gather_study
    from harness.store.queries import latest_study

    if len(numbers) > 1:
        return compare_study(gather_runs(store, numbers, defaults()))
    if not numbers:
        latest = latest_study(store)
        if latest is None:
            raise UsageError(f"there is no study in {store.place} yet; harness run +method=NAME task=NAME makes one")
        numbers = (latest.id,)
    return compare_study(gather_study(store, numbers[0], defaults()))


def show_study(store: Store, study_id: int) -> None:
    from harness.report.tables import show

    show(report_of(store, (study_id,)))


def defaults() -> Defaults:
    """What each method's knobs are when nobody sets them: a table shows those that differ."""
    from harness.plugin.discovery import load

    return {name: method().settings() for name, method in load().methods.items()}
