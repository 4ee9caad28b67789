"""`harness plugin`: write one, hold it to its contract, see which were found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from harness.cli.ls import list_plugins
from harness.spec.errors import HarnessError


@click.group("plugin")
def command() -> None:
    """Write plugins, check them, and see which were found."""


@command.command("new")
@click.argument("name")
@click.option("--family", required=True, metavar="FAMILY", help="kv-cache, task, subject, meter or exporter.")
def new(name: str, family: str) -> None:
    """Write a working, tested package NAME into a folder of that name.

    \b
    kv-cache   an evictor of a causal language model's cache
    task       samples and a metric for a causal language model
    subject    a kind of subject of its own, with its model, a method and a task
    meter      an instrument
    exporter   takes results elsewhere as they come
    """
    from harness.plugin.new import write

    made = write(name, family, Path.cwd())
    for path in made.files:
        print(f"wrote {path.relative_to(Path.cwd())}")
    print("\nNext:")
    for line in made.next:
        print(f"  {line}")


@command.command("check")
@click.argument("plugin")
def check(plugin: str) -> None:
    """Hold PLUGIN to its contract: a project's folder, or the name of an installed one.

    Every promise is printed as kept, broken or not applicable, and why. Exit code 1 where one is broken.
    """
    from harness.testing.examine import examine, plugins_at

    mine, of, outcomes = plugins_at(plugin), "", Counter[str]()
    for finding in examine(mine):
        if finding.of != of:
            print(finding.of)
            of = finding.of
        print(f"  {finding.outcome}  {finding.promise}{f': {finding.why}' if finding.why else ''}", flush=True)
        outcomes[finding.outcome] += 1
    total = sum(outcomes.values())
    print(
        f"\n{outcomes['pass']} of {total} promises kept, {outcomes['FAIL']} broken, {outcomes['skip']} not applicable."
    )
    if outcomes["FAIL"]:
        raise HarnessError(f"{plugin} breaks {outcomes['FAIL']} of {total} promises")


@command.command("ls")
def ls() -> None:
    """Show every plugin found: from where, which version, what it offers, and what failed and why."""
    from harness.plugin.discovery import load

    list_plugins(load())
