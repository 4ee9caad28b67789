"""`harness compare`: which is better, by how much, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from harness.report.model import Report
    from harness.store.writer import Store

NUMBERS = "[STUDY | RUN RUN ...]"
STORE = "The store, as an SQLAlchemy URL or a file. Default: HARNESS_STORE, else results/harness.sqlite"

EPILOG = """\b
A condition is NAME<NUMBER or NAME>NUMBER (also <= and >=), of the change against the baseline:
  'quality<-1%'     the score falls by more than 1 % of the baseline's
  'quality<-1'      by more than 1 point (of a score in %)
  'latency>5%'      a whole request takes over 5 % longer
  'cache_bytes>0'   more bytes stay resident than the baseline's, in SI units
NAME is a metric's or reading's name as in `harness export`, a column's name as in the table, or
quality (the task's first metric), latency (a whole request), memory (the cache at its end, else the
process's peak), energy, flops. It counts for every method, not for controls, and on the number as
shown: what its interval says is told beside it. A number that is unknown fails too, with its reason.
Exit codes: 0 every condition is met, 3 one is not.
"""


@click.command("compare", epilog=EPILOG)
@click.argument("numbers", metavar=NUMBERS, nargs=-1, type=int)
@click.option("--fail-on", "conditions", metavar="CONDITION", multiple=True, help="Exit with 3 where it holds.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw quality against memory, latency, energy and compression: FILE.svg, .png or .pdf.",
)
@click.option("--store", "url", help=STORE)
def command(numbers: tuple[int, ...], conditions: tuple[str, ...], plot: Path | None, url: str | None) -> None:
    """Compare the runs of a study, or runs with the first of them.

    Without a number the study last worked on is shown; `harness ls studies` and `harness ls runs`
    give the numbers.
    """
    from harness.report.axes import require
    from harness.report.gate import enforce, read
    from harness.report.plot import check, draw_comparison
    from harness.report.tables import show

    asked = [read(text) for text in conditions]
    if plot:
        check(plot)
    with stored(url) as store:
        if not (conditions or plot) and is_self_check(store, numbers):
            show_self_check(store, *numbers)
            return
        report = report_of(store, numbers)
    for condition in asked:
        require(report, condition.name)
    show(report)
    if plot:
        draw_comparison(report, plot)
    enforce(asked, report)


def stored(url: str | None) -> Store:
    """The store to read from."""
    from harness.store.connect import store_url
    from harness.store.writer import open_store

    return open_store(store_url(url))


def report_of(store: Store, numbers: tuple[int, ...]) -> Report:
    from harness.report import load

    return load.report_of(store, *selection(numbers))


class Selection(NamedTuple):
    """What numbers on the command line mean: several are runs, one is a study, none the study last worked on."""

    study: int | None
    runs: tuple[int, ...] | None


def selection(numbers: tuple[int, ...]) -> Selection:
    return Selection(None, numbers) if len(numbers) > 1 else Selection(numbers[0] if numbers else None, None)


def is_self_check(store: Store, numbers: tuple[int, ...]) -> bool:
    """Whether the study asked for, or the last one, was made by `harness selfcheck`."""
    from harness.store import queries
    from harness.store.timings import SELF_CHECK

    if len(numbers) > 1:
        return False
    found = queries.study(store, *numbers) if numbers else queries.latest_study(store)
    return found is not None and found.command.startswith(SELF_CHECK)


def show_self_check(store: Store, study_id: int | None = None) -> None:
    """Of this study, else of the last one."""
    from harness.report.selfcheck import lay_out, self_checks
    from harness.report.tables import show_pages
    from harness.store.queries import latest_study

    if study_id is None:
        last = latest_study(store)
        assert last is not None
        study_id = last.id
    show_pages(map(lay_out, self_checks(store, study_id)))
