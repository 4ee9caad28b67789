"""`harness run`: plan, run what is missing, compare."""

from __future__ import annotations

import shlex
import signal
import sys
from types import FrameType

import click

from harness.cli.progress import watching
from harness.spec.errors import HarnessError

EPILOG = """\b
Words are key=value, as in Hydra. A comma sweeps, [a,b] stacks in order:
  +method=xkv,snapkv            two methods, each beside the baseline
  "+method=[streaming_llm,xkv]" both at once, in this order
  method.xkv.group_size=4       a setting of one method
  method.all.compression_ratio=0.25,0.5   of every method that has it
  task=ruler task.context=2048  a task and its settings
  model=hf model.path=FOLDER    any causal language model transformers can load
  device=cpu device.threads=2   seed=0,1,2   measure=quick   tags=[mine]
  store.url=sqlite:///my.sqlite worker.timeout=1800   controls=false
See also: harness ls methods, harness ls tasks."""


@click.command("run", epilog=EPILOG)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("--dry-run", is_flag=True, help="Check everything and print the plan; run nothing.")
def command(words: tuple[str, ...], dry_run: bool) -> None:
    """Run methods on a task beside their baseline, and compare.

    What is already in the store is not done again: the same command continues where it was stopped.
    """
    from harness.cli.planned import show_plan
    from harness.config.overrides import read
    from harness.config.sweep import make_sweep
    from harness.engine.plan import make_plan
    from harness.plugin.discovery import load
    from harness.store.connect import store_url
    from harness.store.writer import open_store

    registry = load()
    sweep = make_sweep(read(words), registry)
    url = store_url(sweep.store_url)
    plan = make_plan(sweep, registry, say)
    if dry_run:
        show_plan(plan, sweep)
        return
    with open_store(url, create=True) as store:
        run_plan(plan, sweep, registry, store, url, words)
