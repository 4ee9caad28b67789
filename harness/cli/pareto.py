"""`harness pareto`: what no other run beats, in quality against a cost."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.compare import NUMBERS, STORE, report_of, stored

EPILOG = """\b
Names, for --x and --y alike:
  quality                    the task's first metric; any other by its name
  memory                     the cache at its end, else the process's peak
  latency, energy, flops     of a whole request
  compression                the share of bytes removed
  any reading's name as in `harness export`, or its column's as in the table: ttft_s, "first token"
"""


@click.command("pareto", epilog=EPILOG)
@click.argument("numbers", metavar=NUMBERS, nargs=-1, type=int)
@click.option("--x", default="memory", show_default=True, metavar="NAME", help="The cost.")
@click.option("--y", default="quality", show_default=True, metavar="NAME", help="What it buys.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Also draw it: FILE.svg, .png or .pdf.")
@click.option("--store", "url", help=STORE)
def command(numbers: tuple[int, ...], x: str, y: str, plot: Path | None, url: str | None) -> None:
    """Show which runs of a study no other beats, in one number against another."""
    from harness.report.pareto import page, tradeoffs
    from harness.report.plot import check, draw_frontier
    from harness.report.tables import show_pages

    if plot:
        check(plot)
    with stored(url) as store:
        found = tradeoffs(report_of(store, numbers), x, y)
    show_pages([page(one) for one in found])
    if plot:
        draw_frontier(found, plot)
