"""What the harness costs over the same work done bare: `make bench` prints ratios, each from one process.

These machines are shared and noisy: a ratio is of medians of alternating rounds, and none is asserted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache

import pytest

from harness.engine.arm import RunArm
from harness.engine.worker import build_stack
from harness.plugin.discovery import load
from harness.spec.records import Device
from harness_plugins.subjects.causal_lm.tests.test_subject import bare

pytestmark = pytest.mark.timeout(3600)
THREADS = int(os.environ.get("HARNESS_BENCH_THREADS", len(os.sched_getaffinity(0))))
METHODS = (
    ("random_eviction", {}),
    ("streaming_llm", {}),
    ("streaming_llm", {"rerotate": False}),
    ("knorm", {}),
    ("snapkv", {}),
    ("xkv", {}),
)
RATIOS = (0.25, 0.5, 0.75)


@cache
def registry():
    return load()


@cache
def recipe():
    from harness.config.overrides import read
    from harness.config.sweep import make_sweep

    sweep = make_sweep(read(["task=ruler", "task.subtasks=[niah_single_1]", "task.samples=2"]), registry())
    (point,) = sweep.points
    model = registry().model(point.model.name).build(point.model.knobs).resolved(Device("cpu", THREADS))
    return model, model.fetch(), registry().task("ruler").build(point.task.knobs)


@cache
def subject():
    import torch

    model, location, _ = recipe()
    torch.set_num_threads(THREADS)
    return model.load(location, Device("cpu", THREADS))


@cache
def request_of(new_tokens):
    model, location, task = recipe()
    sample = task.make_samples(model.processor(location), 0)[0]
    return sample.request | {"new_tokens": new_tokens, "stop": []}


def reference():
    import torch
    from transformers import AutoModelForCausalLM

    model, location, _ = recipe()
    return AutoModelForCausalLM.from_pretrained(location["path"], dtype=getattr(torch, model.dtype)).eval()


def arm(run, stack):
    return RunArm(run, build_stack(registry(), stack), lambda *event, **facts: None)


def alternating(benchmark, ours, theirs, rounds):
    """Times ours through pytest-benchmark and theirs between its rounds; returns the ratio of medians."""
    times = []

    def setup():
        started = time.perf_counter()
        theirs()
        times.append(time.perf_counter() - started)

    benchmark.pedantic(ours, setup=setup, rounds=rounds, warmup_rounds=1)
    ratio = benchmark.stats.stats.median / statistics.median(times)
    benchmark.extra_info["ratio"] = round(ratio, 3)
    return ratio


def tell(name, ratio, aim):
    print(f"\n{name}: {ratio:.3f} (aim: at most {aim})")


def test_identity_against_a_bare_transformers_loop(benchmark):
    model, request = reference(), request_of(32)
    identity = arm(1, [{"name": "identity", "knobs": {}}])
    answers = {}

    def ours():
        ((_, response),) = subject().answer(request, [identity])
        answers["ours"] = response.output["tokens"]

    def theirs():
        answers["theirs"] = bare(model, request)

    ratio = alternating(benchmark, ours, theirs, rounds=7)
    assert answers["ours"] == answers["theirs"]
    tell("identity / bare transformers loop", ratio, 1.03)


def test_methods_that_share_a_prefill_against_one_after_another(benchmark):
    """Six methods at three settings, on a single needle with 16 new tokens."""
    request = request_of(16)
    stacks = [
        [{"name": name, "knobs": {**knobs, "compression_ratio": ratio}}] for name, knobs in METHODS for ratio in RATIOS
    ]
    arms = [arm(number, stack) for number, stack in enumerate(stacks)]
    answers = {}

    def together():
        answers["together"] = {one.run: response.output["tokens"] for one, response in subject().answer(request, arms)}

    def apart():
        answers["apart"] = {}
        for one in arms:
            ((_, response),) = subject().answer(request, [one])
            answers["apart"][one.run] = response.output["tokens"]

    ratio = alternating(benchmark, together, apart, rounds=3)
    assert answers["together"] == answers["apart"]
    tell(f"{len(arms)} runs sharing a prefill / one after another", ratio, 0.6)


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_against_a_decode_step(benchmark, version):
    """What Mirostat takes for a token, beside greedy decoding's step, after 1,024 tokens of context."""
    import torch

    from harness_plugins.subjects.causal_lm.sampling import Chooser

    steps, request = 16, request_of(1)
    mirostat = registry().method("mirostat").build({"version": version})
    with torch.inference_mode():
        branch = subject().prefill(request, frozenset())
        cache, (logits,) = branch.cache, subject().feed([branch.cache], [request["question"]])

        def sample():
            with mirostat.apply(subject()):
                samplers = [begin() for begin in subject()._next_token]
                chooser = Chooser.of({}, 0, samplers, subject().device)
            for _ in range(steps):
                chooser.choose(logits)

        def decode():
            row = logits
            for _ in range(steps):
                (row,) = subject().feed([cache], [[int(row.argmax())]])

        ratio = alternating(benchmark, sample, decode, rounds=7)
    tell(f"a token of Mirostat {version} / a decode step", ratio, 0.03)


def test_help_against_its_bare_imports(benchmark):
    def run(*command):
        subprocess.run(command, check=True, capture_output=True)

    harness = os.path.join(os.path.dirname(sys.executable), "harness")
    ratio = alternating(
        benchmark,
        lambda: run(harness, "--help"),
        lambda: run(sys.executable, "-c", "import hydra, sqlalchemy, pluggy"),
        rounds=9,
    )
    tell("harness --help / python -c 'import hydra, sqlalchemy, pluggy'", ratio, 2.5)


def test_share_of_recording_in_a_run(benchmark, tmp_path):
    """Time in the store over the whole quality pass of identity and xkv on two samples, the worker included."""
    from harness.config.overrides import read
    from harness.config.sweep import make_sweep
    from harness.engine.events import Events
    from harness.engine.plan import make_plan
    from harness.engine.quality import Quality
    from harness.engine.study import register
    from harness.engine.watch import Silent
    from harness.store.writer import Store, open_store

    words = [
        "+method=xkv",
        "task=ruler",
        "task.subtasks=[niah_single_1]",
        "task.samples=2",
        f"device.threads={THREADS}",
    ]
    sweep = make_sweep(read(words), registry())
    plan = make_plan(sweep, registry(), lambda text: None)
    spent = []

    @contextmanager
    def counted(kept=Store.write):
        started = time.perf_counter()
        with pytest.MonkeyPatch.context() as patch:

            @contextmanager
            def write(self):
                begun = time.perf_counter()
                with kept(self) as connection:
                    yield connection
                spent.append(time.perf_counter() - begun)

            patch.setattr(Store, "write", write)
            yield
        benchmark.extra_info["ratio"] = sum(spent) / (time.perf_counter() - started)

    def run():
        with open_store(f"sqlite:///{tmp_path / 'bench.sqlite'}", create=True) as store, counted():
            register(plan, sweep, store)
            events = Events(registry(), Silent(), 0, sweep.command, sweep.measure.name, "")
            Quality(store, Silent(), 600, events).run(plan)

    benchmark.pedantic(run, rounds=1)
    assert all(len(run.done) == 2 for run in plan.runs)
    tell("recording / whole quality pass", benchmark.extra_info["ratio"], 0.01)
