"""`harness completion`: what Tab offers. It must be quick, so neither Hydra nor SQLAlchemy is imported."""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from harness.plugin.discovery import Registry
    from harness.plugin.knobs import Knobbed

BASH = """\
_harness_completion() {
    local line="${COMP_LINE:0:COMP_POINT}" word one
    word="${line##*[[:space:]]}"
    COMPREPLY=()
    while IFS= read -r one; do
        [[ $one == *[=.,] ]] && compopt -o nospace
        # Bash replaces only what follows its last word break, = among them.
        [[ $word == *=* && $COMP_WORDBREAKS == *=* ]] && one="${one#"${word%"${word##*=}"}"}"
        COMPREPLY+=("$one")
    done < <(harness completion --line "$line" 2>/dev/null)
}
complete -o default -F _harness_completion harness
"""
ZSH = """\
#compdef harness
_harness() {
    local -a found
    found=("${(@f)$(harness completion --line "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    [[ -n $found ]] && compadd -Q -U -S '' -- $found || _files
}
if [[ $funcstack[1] = _harness ]]; then _harness "$@"; else compdef _harness harness; fi
"""
FISH = """\
complete -c harness -f -a '(harness completion --line (commandline -cp) 2>/dev/null)'
complete -c harness -n '__fish_seen_argument -s o -l output -l plot -l store' -F
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

EPILOG = """\b
  bash   harness completion bash > ~/.local/share/bash-completion/completions/harness
  zsh    harness completion zsh > "${fpath[1]}/_harness"      (before compinit)
  fish   harness completion fish > ~/.config/fish/completions/harness.fish
"""
HEADS = ("method", "task", "model", "device", "measure", "seed", "tags", "controls")
STEMS = ("method", "task", "model", "device", "measure", "store", "worker")
NEWEST = 50  # runs or studies offered


@click.command("completion", epilog=EPILOG)
@click.argument("shell", type=click.Choice(list(SCRIPTS)), required=False)
@click.option("--line", hidden=True, help="What was typed so far: prints what may follow.")
def command(shell: str | None, line: str | None) -> None:
    """Print a script that makes Tab complete commands, options, names, settings, runs and studies."""
    if line is not None:
        for one in candidates(line):
            print(one)
    elif shell is None:
        raise click.UsageError(f"name a shell: {', '.join(SCRIPTS)}")
    else:
        print(SCRIPTS[shell], end="")


def candidates(line: str) -> list[str]:
    """What may stand in place of the last word of a line."""
    _, *words = split(line)
    *before, last = words or [""]
    options = click_candidates(before, last)
    if not before or last.startswith("-") or options:
        return options
    offer = OFFERS.get(before[0])
    return [one for one in offer(before[1:], last) if one.startswith(last)] if offer else []


def split(line: str) -> list[str]:
    """Words of a line that may end within quotes."""
    for end in ("", '"', "'"):
        try:
            words = shlex.split(line + end)
        except ValueError:
            continue
        return [*words, ""] if line[-1:].isspace() or not words else words
    return line.split(" ")


def click_candidates(before: Sequence[str], last: str) -> list[str]:
    """Commands, options and their choices, as click knows them."""
    from click.shell_completion import ShellComplete

    from harness.cli.main import COMMANDS, cli

    if before and before[0] not in COMMANDS:
        return []
    found = ShellComplete(cli, {}, "harness", "_HARNESS_COMPLETE").get_completions(list(before), last)
    return [one.value for one in found if one.type == "plain"]


# What follows a command.


def words(before: Sequence[str], last: str) -> Iterator[str]:
    """Of `run` and `validate`: keys, then values."""
    from harness.plugin.discovery import load

    registry = load()
    key, equals, value = last.partition("=")
    if not equals:
        yield from keys(registry, before, last)
        return
    start = max(value.rfind(mark) for mark in ",[(") + 1
    for one in values(registry, before, key.lstrip("+")):
        yield f"{key}={value[:start]}{one}"


def keys(registry: Registry, before: Sequence[str], last: str) -> Iterator[str]:
    """The words there are; after a dot the settings of what the command names, or of all there is."""
    plus = "+" if last.startswith("+") else ""
    if "." not in last:
        taken = {word.partition("=")[0].lstrip("+") for word in before}
        yield from (f"{plus}{head}=" for head in HEADS if head not in taken)
        yield from (f"{plus}{stem}." for stem in STEMS)
        return
    named = {head: set(chosen(before, head)) for head in ("method", "task", "model")}
    methods = {name: one for name, one in registry.methods.items() if name in (named["method"] or registry.methods)}
    for name, method in methods.items():
        yield from (f"{plus}method.{name.replace('/', '.')}.{one.name}=" for one in method.knobs())
    yield from dict.fromkeys(f"{plus}method.all.{one.name}=" for method in methods.values() for one in method.knobs())
    tables: dict[str, dict[str, Any]] = {"task": {**registry.tasks}, "model": {**registry.models}}
    for head, table in tables.items():
        known = named[head] & set(table) or table  # a preset's knobs are those of what it presets, whatever that is
        yield from dict.fromkeys(f"{plus}{head}.{one.name}=" for name in known for one in table[name].knobs())
    yield from (f"{plus}{owner.name}.{one.name}=" for owner in sections() for one in owner.knobs())


def values(registry: Registry, before: Sequence[str], key: str) -> list[str]:
    tables: dict[str, Iterable[str]] = {
        "method": registry.methods,
        "task": [*registry.tasks, *presets(registry, "task")],
        "model": [*registry.models, *presets(registry, "model")],
        "device": presets(registry, "device"),
        "measure": presets(registry, "measure"),
        "controls": ["true", "false"],
    }
    if key in tables:
        return sorted(tables[key])
    head, _, rest = key.partition(".")
    owner, _, name = rest.rpartition(".")
    for section in sections():
        if head == section.name:
            return choices(section.knobs(), name)
    offers: dict[str, dict[str, Any]] = {
        "method": {**registry.methods},
        "task": {**registry.tasks},
        "model": {**registry.models},
    }
    table = offers.get(head, {})
    owners = [owner.replace(".", "/")] if owner not in ("", "all") else chosen(before, head) or list(table)
    return list(dict.fromkeys(one for each in owners if each in table for one in choices(table[each].knobs(), name)))


def choices(knobs: Iterable[Any], name: str) -> list[str]:
    for one in knobs:
        if one.name == name:
            return ["true", "false"] if one.type is bool else [str(choice) for choice in one.choices or ()]
    return []


def chosen(before: Sequence[str], head: str) -> list[str]:
    """Names a command has chosen so far, in whatever stack or sweep."""
    given = (word.partition("=")[2] for word in before if word.lstrip("+").startswith(f"{head}="))
    return [name for value in given for name in value.replace("[", "").replace("]", "").split(",")]


def sections() -> list[type[Knobbed]]:
    """Words without plugins that have settings."""
    from harness.config.words import Processor, Protocol, Store, Worker

    return [Protocol, Processor, Store, Worker]


def presets(registry: Registry, group: str) -> list[str]:
    spec = find_spec("harness_conf")
    folders = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    folders += [found.presets for found in registry.plugins if found.presets]
    roots = [folder / group for folder in folders]
    return [
        path.relative_to(root).with_suffix("").as_posix() for root in roots for path in sorted(root.rglob("*.yaml"))
    ]


def studies(before: Sequence[str], last: str) -> Iterator[str]:
    """The first number is a study's, unless more follow: then all are runs'."""
    yield from newest("run" if any(word.isdigit() for word in before) else "study")


def runs(before: Sequence[str], last: str) -> Iterator[str]:
    yield from newest("run")


def newest(table: str) -> list[str]:
    """Numbers in a SQLite store, read past SQLAlchemy, which alone would take a third of a second."""
    store = Path(os.environ.get("HARNESS_STORE", "results/harness.sqlite").removeprefix("sqlite:///"))
    try:
        with closing(sqlite3.connect(f"file:{store.absolute()}?mode=ro", uri=True, timeout=0.2)) as connection:
            query = f"SELECT id FROM {table} ORDER BY id DESC LIMIT {NEWEST}"
            return [str(number) for (number,) in connection.execute(query)]
    except sqlite3.Error:
        return []


OFFERS: dict[str, Callable[[Sequence[str], str], Iterator[str]]] = {
    "run": words,
    "validate": words,
    "show": runs,
    "compare": studies,
    "export": studies,
    "pareto": studies,
}
