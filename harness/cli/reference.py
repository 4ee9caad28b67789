"""What the commands say of themselves: `python -m harness.cli.reference docs/cli.md` writes it into that page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from harness.cli.main import cli

MARK = "<!-- Written by `make docs` from what --help says; change it there. -->\n"
WIDTH = 100


def reference() -> str:
    return MARK + "\n".join(f"\n## {name}\n\n```\n{text}\n```" for name, text in explained(cli, "harness")) + "\n"


def explained(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """Every command by its whole name with its help, groups before their members."""
    settings = {**cli.context_settings, "max_content_width": WIDTH, "terminal_width": WIDTH}
    context = click.Context(command, parent, name.rpartition(" ")[2], **settings)
    yield name, command.get_help(context).rstrip()
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None and not found.hidden:
                yield from explained(found, f"{name} {inner}", context)


def main() -> None:
    path = Path(sys.argv[1])
    written, _, _ = path.read_text().partition(MARK)
    path.write_text(written + reference())


if __name__ == "__main__":
    main()
