"""`harness env`: Pythons of their own for methods whose packages don't fit beside the command's."""

from __future__ import annotations

import click

from harness.cli.ls import show
from harness.cli.run import say


@click.group("env")
def command() -> None:
    """Make, list and remove named environments."""


@command.command("create")
@click.argument("name")
@click.option("--anew", is_flag=True, help="Make it again where it is there.")
def create(name: str, anew: bool) -> None:
    """Make environment NAME in the user's cache. Packages that are installed here are used, not copied."""
    from harness.plugin import environments

    one = environments.named(name)
    if one.trouble or anew:
        environments.create(one, say)
    own = one.own()
    print(f"Environment {name} is ready: {', '.join(f'{package} {version}' for package, version in own.items())}.")
    print(f"harness ls methods shows what it offers; harness env remove {name} takes it away.")


@command.command("ls")
def ls() -> None:
    """Show every declared environment: what it is for, what it needs, whether it is here."""
    from harness.plugin.environments import declared

    rows = [
        (one.name, one.help, ", ".join(one.requirements), one.trouble or str(one.folder)) for one in declared().values()
    ]
    show(["environment", "for", "requirements", "where"], rows)


@command.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Remove environment NAME. Results made in it stay."""
    from harness.plugin import environments

    one = environments.named(name)
    there = environments.remove(one)
    print(f"Environment {name} is removed." if there else f"Environment {name} was not here.")
