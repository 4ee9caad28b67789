"""`harness verify`: what techniques are claimed to do, and what the store says of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from harness.spec.errors import HarnessError, PluginError, UsageError

if TYPE_CHECKING:
    from harness.claims.model import Claim
    from harness.plugin.discovery import Registry
    from harness.store.writer import Store

Claims = dict[str, list["Claim"]]  # by plugin


@click.command("verify")
@click.argument("names", metavar="[METHOD ...]", nargs=-1)
@click.option("--run", "claim", metavar="CLAIM", help="First run the command of this claim; judge it alone.")
@click.option("--format", "form", type=click.Choice(["text", "md", "json"]), default="text", show_default=True)
@click.option("--store", "url", help="The store, as an SQLAlchemy URL or a file. Default: results/harness.sqlite")
def command(names: tuple[str, ...], claim: str | None, form: str, url: str | None) -> None:
    """List claims with the command that would reproduce each, and judge them by the runs in the store.

    A verdict is confirmed, refuted, inconclusive, or not run. Without METHOD the claims of every plugin
    are judged.
    """
    from harness.claims.judge import judge_claim
    from harness.claims.words import FORMATS
    from harness.config.compose import Composer
    from harness.plugin.discovery import load

    registry = load()
    claims, failures = claims_by_plugin(registry, names)
    if url is not None:
        claims = {plugin: [at_store(one, url) for one in some] for plugin, some in claims.items()}
    if claim is not None:
        claims = only(claims, claim)
        run(next(iter(claims.values()))[0])
    store, composer = store_if_any(url), Composer(registry)
    try:
        verdicts = {
            plugin: [judge_claim(one, registry, store, composer) for one in some] for plugin, some in claims.items()
        }
    finally:
        if store is not None:
            store.close()
    print(FORMATS[form](verdicts), end="")
    if failures:
        raise HarnessError("\n".join(map(str, failures)))


def claims_by_plugin(registry: Registry, names: Sequence[str]) -> tuple[Claims, list[PluginError]]:
    """Claims of the plugins of these methods; of all, where none is named, and then a broken file hides no other."""
    from harness.claims.read import claims_of

    wanted = [registry.origin_of(registry.method(name)) for name in names]
    claims: Claims = {}
    failures: list[PluginError] = []
    for plugin in dict.fromkeys(wanted or registry.plugins):
        try:
            found = claims_of(plugin)
        except PluginError as error:
            failures.append(error)
            continue
        if found or wanted:
            claims[plugin.name] = found
    if wanted and failures:
        raise failures[0]
    if wanted and not any(claims.values()):
        raise UsageError(f"{', '.join(claims)} has no claims.yaml; harness verify lists all claims there are")
    return claims, failures


def only(claims: Claims, name: str) -> Claims:
    """
    Raises:
        UsageError: there is no such claim, several, or it can't be run.
    """
    from harness.plugin.knobs import nearest

    found = {
        plugin: [one for one in some if name in (one.name, f"{plugin}/{one.name}")] for plugin, some in claims.items()
    }
    found = {plugin: some for plugin, some in found.items() if some}
    if not found:
        known = [one.name for some in claims.values() for one in some]
        raise UsageError(f"no claim {name!r}{nearest(name, known)} (claims: {', '.join(known)})")
    if len(found) > 1:
        raise UsageError(f"{' and '.join(found)} both have a claim {name!r}; name the method too")
    (claim,) = next(iter(found.values()))
    if claim.blocked:
        raise UsageError(f"claim {name} can't be run here: {claim.blocked}")
    return found


def at_store(claim: Claim, url: str) -> Claim:
    """Its command, into the store that is read."""
    return replace(claim, command=(*claim.command, f"store.url={url}")) if claim.command else claim


def run(claim: Claim) -> None:
    from contextlib import redirect_stdout

    from harness.cli.run import command as harness_run

    with redirect_stdout(sys.stderr):  # what is printed after it may be for a program
        harness_run.main(list(claim.command), "harness run", standalone_mode=False)


def store_if_any(url: str | None) -> Store | None:
    """The store to read from; None where there is none yet."""
    from harness.cli.compare import stored
    from harness.store.connect import Place, store_url

    path = Place.parse(store_url(url)).path
    return None if path is not None and not path.exists() else stored(url)
