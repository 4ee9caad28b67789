"""How times grow with a store: `make bench` prints ratios of the same work in a large store and in a small one."""

from __future__ import annotations

import contextlib
import io
import statistics
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(3600)
HERE = Path(__file__).parent
READ = {
    "ls runs": (["ls", "runs"], 1.5),
    "show": (["show", "2"], 1.5),
    "show --samples": (["show", "2", "--samples"], 1.5),
    "compare of two runs": (["compare", "1", "2"], 1.5),
    "export of two runs' samples": (["export", "1", "2", "--what", "samples"], 1.5),
}


@pytest.fixture(scope="module")
def scale():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        patch.syspath_prepend(str(HERE.parent / "engine" / "toys"))
        patch.setenv("HARNESS_PLUGINS", "toy_lab,identity")
        import scale

        yield scale


@pytest.fixture(scope="module")
def stores(scale, tmp_path_factory):
    """10,000 runs with a million samples, and 100 with 10,000."""
    folder, made = tmp_path_factory.mktemp("scale"), {}
    for name, size in {"large": scale.Size(99, 100, 100), "small": scale.Size(9, 10, 100)}.items():
        made[name] = (f"sqlite:///{folder / name}.sqlite", size)
        scale.fill(*made[name])
    return made


def ratio(benchmark, large, small, rounds):
    """Of medians; small is timed between the rounds of large."""
    times = []

    def setup():
        started = time.perf_counter()
        small()
        times.append(time.perf_counter() - started)

    benchmark.pedantic(large, setup=setup, rounds=rounds, warmup_rounds=1)
    return benchmark.stats.stats.median / statistics.median(times)


def command(*args):
    from harness.cli.main import cli

    with contextlib.redirect_stdout(io.StringIO()):
        cli.main(list(args), standalone_mode=False)


def give_again(url, size):
    """The command whose runs are all finished, without the table at its end."""
    from harness.config.overrides import read
    from harness.config.sweep import make_sweep
    from harness.engine.plan import make_plan
    from harness.engine.study import execute, register
    from harness.engine.watch import Silent
    from harness.plugin.discovery import load
    from harness.store.writer import open_store

    registry = load()
    sweep = make_sweep(read(size.words), registry)
    plan = make_plan(sweep, registry, lambda text: None)
    with open_store(url, create=True) as store:
        register(plan, sweep, store)
        assert not any(run.lacking for run in plan.runs)
        execute(plan, sweep, registry, store, Silent())


@pytest.mark.parametrize("name", READ)
def test_reading_a_large_store_against_a_small_one(benchmark, stores, name):
    args, aim = READ[name]
    large, small = (lambda url=stores[which][0]: command(*args, "--store", url) for which in ("large", "small"))
    found = ratio(benchmark, large, small, rounds=5)
    took = benchmark.stats.stats.median
    print(f"\n{name}, 10,000 runs and 1,000,000 samples / 100 and 10,000: {found:.2f} (aim {aim}); {took:.2f} s")


def test_listing_ten_thousand_runs_against_reading_them(benchmark, stores):
    from harness.store import queries
    from harness.store.writer import open_store

    url, size = stores["large"]

    def bare():
        with open_store(url) as store:
            assert len(queries.runs(store)) == size.runs

    found = ratio(benchmark, lambda: command("ls", "runs", "--limit", "10000", "--store", url), bare, rounds=3)
    print(f"\nls runs --limit 10000 / reading them: {found:.2f} (aim 5); {benchmark.stats.stats.median:.2f} s")


def test_skipping_finished_runs_grows_with_their_number_alone(benchmark, stores):
    large, small = (lambda one=stores[which]: give_again(*one) for which in ("large", "small"))
    found = ratio(benchmark, large, small, rounds=1) * stores["small"][1].runs / stores["large"][1].runs
    took = benchmark.stats.stats.median
    print(f"\na finished run skipped, of 10,000 / of 100: {found:.2f} (aim 1.5); {took:.1f} s for 10,000")
