"""The `harness` command. Each subcommand's module is imported when it is called, not before."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

import click

from harness.spec.errors import HarnessError, PluginError
from harness.version import __version__

COMMANDS = {
    "run": "Run methods on a task beside their baseline, and compare.",
    "validate": "Check and estimate what run would do; run nothing.",
    "compare": "Compare the runs of a study, or runs with one of them; draw it, or fail on a regression.",
    "pareto": "Show which runs no other beats, in quality against a cost.",
    "ls": "List methods, tasks, models, plugins, runs or studies.",
    "show": "Show everything known of one run.",
    "dashboard": "Open pages over the store in a browser: comparisons, plots, runs, every sample.",
    "verify": "Judge what techniques are claimed to do by the runs in the store.",
    "selfcheck": "Time identity against itself: the smallest difference this machine resolves.",
    "export": "Write results as csv, md, latex, html, json or parquet.",
    "doctor": "Tell what is installed, readable and missing here.",
    "completion": "Print a script that makes Tab complete commands and words.",
    "env": "Make, list and remove Pythons of their own for methods that need other packages.",
    "plugin": "Write a plugin, check it, see which were found.",
}
INTERRUPTED = 130


class Lazy(click.Group):
    """Knows its commands and what they are for without importing them."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"harness.cli.{name}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from harness.plugin.knobs import nearest

            context.fail(f"no command {args[0]!r}{nearest(args[0], COMMANDS)} (commands: {', '.join(COMMANDS)})")
        return super().resolve_command(context, args)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="harness %(version)s")
def cli() -> None:
    """Benchmark efficient machine-learning techniques: shared tasks, paired comparisons, true numbers.

    \b
    harness run +method=xkv task=ruler
    harness run +method=xkv,snapkv,knorm task=ruler method.all.compression_ratio=0.25,0.5,0.75
    harness compare
    """


def explain(error: HarnessError) -> None:
    """A sentence; where a plugin's own error is behind it, its traceback under HARNESS_DEBUG=1."""
    hint = ""
    if isinstance(error, PluginError) and error.__cause__ is not None:
        from harness.plugin.blame import DEBUG, debugging

        if debugging():
            traceback.print_exception(error.__cause__)
        else:
            hint = f" [{DEBUG}=1 shows the traceback]"
    print(f"Error: {error}{hint}", file=sys.stderr)


def main() -> None:
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except HarnessError as error:
        explain(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has had enough; Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
