"""A plugin with claims (toys/), and a store into which runs are put as if they had been run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.claims.judge import judge_claim
from harness.claims.model import Claim
from harness.claims.read import read_claims
from harness.config.compose import Composer
from harness.config.overrides import read
from harness.config.sweep import make_sweep
from harness.engine.plan import make_plan
from harness.engine.study import register
from harness.plugin.discovery import load
from harness.spec.records import Score
from harness.store.records import SampleRecord
from harness.store.writer import open_store

TOYS = Path(__file__).parent / "toys"
FILE = TOYS / "toy_claims" / "claims.yaml"


class Desk:
    """Claims of the toy plugin, judged by what was put into its store."""

    def __init__(self, lab) -> None:
        self.lab = lab
        self.registry = load()
        self.composer = Composer(self.registry)
        self.store = open_store(f"sqlite:///{lab.store}", create=True)

    def claim(self, name: str = "skill_helps", **changes) -> Claim:
        (found,) = [one for one in read_claims(FILE) if one.name == name]
        return replace(found, **changes)

    def put(self, claim: Claim, *words: str, samples: int | None = None, status: str = "done") -> list[int]:
        """The runs of its command, `words` in place of its own, all but the baselines; returns their ids."""
        keys = [word.partition("=")[0] for word in words]
        command = [*(word for word in claim.command if word.partition("=")[0] not in keys), *words]
        sweep = make_sweep(read(command), self.registry, composer=self.composer)
        plan = make_plan(sweep, self.registry, print)
        register(plan, sweep, self.store)
        runs = [run for run in plan.runs if run.role != "baseline"]
        for run in runs:
            (method,) = run.stack.methods
            for number in range(run.bench.task.planned() if samples is None else samples):
                right = float(number % 10 < method.skill)
                self.store.add_sample(
                    run.id,
                    SampleRecord(
                        number, "line", f"{run.bench.seed} {number}", {}, "", evidence={"size": method.size},
                        observed={"resident_bytes": method.size, "full_bytes": 1000},
                    ),
                    [Score("right", right)],
                )  # fmt: skip
            self.store.release(run.id, status, None if status == "done" else "planted")
        return [run.id for run in runs]

    def judge(self, claim: Claim):
        return judge_claim(claim, self.registry, self.store, self.composer)


@pytest.fixture
def desk(lab, monkeypatch) -> Iterator[Desk]:
    monkeypatch.setenv("HARNESS_PLUGINS", "toy_claims,identity")
    monkeypatch.setenv("PYTHONPATH", str(TOYS))
    monkeypatch.syspath_prepend(str(TOYS))
    made = Desk(lab)
    yield made
    made.store.close()
    sys.modules.pop("toy_claims", None)
