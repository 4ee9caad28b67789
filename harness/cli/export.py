"""`harness export`: results as a file other programs read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.compare import NUMBERS, STORE, report_of, selection, stored
from harness.spec.errors import UsageError

if TYPE_CHECKING:
    from harness.store.writer import Store

SUFFIXES = {
    ".csv": "csv", ".md": "md", ".tex": "latex", ".html": "html", ".htm": "html", ".json": "json",
    ".parquet": "parquet",
}  # fmt: skip
FORMATS = list(dict.fromkeys(SUFFIXES.values()))
WHAT = ["comparison", "runs", "samples", "readings"]

EPILOG = """\b
csv, json and parquet hold SI units at full precision, unknown numbers empty with the reason beside;
md, html and latex (booktabs) show what the table shows. parquet needs pip install 'harness-ml[parquet]'.
The frames are those of harness.load_comparison, load_runs, load_samples and load_readings in Python.
"""


@click.command("export", epilog=EPILOG)
@click.argument("numbers", metavar=NUMBERS, nargs=-1, type=int)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: as the file's name ends, else csv.")
@click.option(
    "--what", type=click.Choice(WHAT), default="comparison", show_default=True, help="A row for each of these."
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File; else standard output.")
@click.option("--store", "url", help=STORE)
def command(numbers: tuple[int, ...], form: str | None, what: str, output: Path | None, url: str | None) -> None:
    """Write a study's comparison, runs, samples or readings as csv, md, latex, html, json or parquet."""
    form = form or form_of(output)
    if form == "parquet" and output is None:
        raise UsageError("parquet is no text for a terminal; name a file: -o results.parquet")
    with stored(url) as store:
        found = made(store, numbers, what, form)
    if output is None:
        text = str(found)
        print(text, end="" if text.endswith("\n") else "\n")
        return
    try:
        output.write_bytes(found if isinstance(found, bytes) else found.encode())
    except OSError as error:
        raise UsageError(f"can't write {output}: {error.strerror}") from error
    print(f"wrote {output}", file=sys.stderr)


def form_of(output: Path | None) -> str:
    if output is None:
        return "csv"
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"can't tell a format from the name {output}; end it in {', '.join(SUFFIXES)}, "
            f"or add --format {'|'.join(FORMATS)}"
        )
    return SUFFIXES[output.suffix.lower()]


def made(store: Store, numbers: tuple[int, ...], what: str, form: str) -> str | bytes:
    from harness.report import load
    from harness.report.export import export, export_frame

    if what == "comparison":
        return export(report_of(store, numbers), form)
    study, runs = selection(numbers)
    if what == "runs":
        found = load.load_runs(store, study=study or (None if runs else load.latest(store)), runs=runs)
    elif what == "samples":
        found = load.load_samples(store, study=study, runs=runs)
    else:
        found = load.load_readings(store, study=study, runs=runs)
    return export_frame(found, what, form)
