"""`harness export`: a comparison as a file other programs read."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.compare import report_of, stored


@click.command("export")
@click.argument("numbers", metavar="[STUDY | RUN RUN ...]", nargs=-1, type=int)
@click.option("--format", "form", type=click.Choice(["csv", "json", "md"]), default="csv", show_default=True)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File; else standard output.")
@click.option("--store", "url", help="The store, as an SQLAlchemy URL or a file. Default: results/harness.sqlite")
def command(numbers: tuple[int, ...], form: str, output: Path | None, url: str | None) -> None:
    """Write a comparison as csv, json or md: SI units, full precision (md: as the tables show it)."""
    from harness.report.export import export

    with stored(url) as store:
        text = export(report_of(store, numbers), form)
    if output is None:
        print(text, end="" if text.endswith("\n") else "\n")
    else:
        output.write_text(text)
