"""What a finished sweep costs does not grow with its runs, but for reading them."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from harness.config.compose import Composer
from harness.config.overrides import read
from harness.config.sweep import make_sweep
from harness.engine.plan import make_plan
from harness.engine.study import execute, register
from harness.engine.watch import Silent
from harness.plugin.discovery import load
from harness.store.writer import open_store


@pytest.fixture
def counts(lab, monkeypatch):
    """How often presets are composed, models resolved and the store asked, for a command whose runs are finished."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import scale
    import toy_lab

    heard = {"composed": 0, "resolved": 0, "statements": 0}

    def counted(owner, name, word):
        kept = getattr(owner, name)

        def count(*args, **kwargs):
            heard[word] += 1
            return kept(*args, **kwargs)

        monkeypatch.setattr(owner, name, count)

    def count(settings):
        size = scale.Size(settings, 2, 3)
        url = f"sqlite:///{lab.root / f'{settings}.sqlite'}"
        scale.fill(url, size)
        heard.update(dict.fromkeys(heard, 0))
        registry = load()
        sweep = make_sweep(read(size.words), registry)
        plan = make_plan(sweep, registry, lambda text: None)
        with open_store(url, create=True) as store:
            register(plan, sweep, store)
            execute(plan, sweep, registry, store, Silent())
        assert len(plan.runs) == size.runs
        assert lab.logged("answer") == []
        return dict(heard)

    counted(Composer, "_compose", "composed")
    counted(toy_lab.CounterModel, "facts", "resolved")
    listen = lambda *args: heard.update(statements=heard["statements"] + 1)  # noqa: E731
    event.listen(Engine, "before_cursor_execute", listen)
    yield count
    event.remove(Engine, "before_cursor_execute", listen)


def test_a_finished_sweep_is_composed_resolved_and_looked_up_as_a_whole(counts):
    few, many = counts(2), counts(40)

    assert few == many
    assert many["resolved"] == 2  # seeds
