"""Small studies made by hand, in the shape the store's queries give."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from harness.report.model import RunView, StudyView
from harness.spec.records import Device, Measure, RunSpec, Setting, Source
from harness.store.queries import BYTES

QUICK = Measure("quick", processes=1, warmups=3, samples=5, decides=False)
STANDARD = Measure("standard", processes=3, warmups=10, samples=30, decides=True, steady=True, seconds=10)
SUBTASKS = ("single_1", "single_2", "multikey_1")
MATCH = {"name": "string_match", "unit": "%", "higher_is_better": True, "aggregation": "macro_mean", "scale": 100.0}

KNOBS = {
    "identity": {},
    "xkv": {"compression_ratio": 0.75, "group_size": 6},
    "knorm": {"compression_ratio": 0.5},
    "random_eviction": {"compression_ratio": 0.5},
}
DEFAULTS = KNOBS


def run(number, method="identity", role="method", baseline=1, seed=0, task="ruler", knobs=None, **more):
    settings = KNOBS[method] | (knobs or {})
    about = {
        "metrics": [MATCH],
        "conditions": {"context": "1,024 tokens", "question": "withheld from compression", "dtype": "bfloat16"},
        "nominal": {name: value for name, value in settings.items() if name == "compression_ratio"},
        "notes": ["weights come from 4-bit blocks"],
        "simulated": False,
    } | more.pop("about", {})
    return RunView(
        id=number,
        label=method,
        spec=RunSpec((Setting(method, settings),), Setting(task, {}), Setting("hf", {}), Device("cpu", 2), seed),
        model="smollm2",
        role="baseline" if method == "identity" and baseline in (1, None) else role,
        about=about,
        baseline_id=None if method == "identity" and baseline in (1, None) else baseline,
        **{
            "status": "done",
            "planned": 24,
            "done": 24,
            "environment_id": 1,
            "session_id": 5,
            "sources": (Source("essays", 49, "ab12cd34ef567890" * 4, note="a note"),),
        }
        | more,
    )


def samples(number, count=24, resident=None, prompt="p"):
    """Rows of one run; `resident` of 1,000 bytes."""
    return [
        {
            "run": number,
            "number": i,
            "stratum": SUBTASKS[i % 3],
            "cluster": None,
            "prompt_hash": f"{prompt}{i}",
            "observed": {} if resident is None else {"resident_bytes": float(resident), "full_bytes": 1000.0},
        }
        for i in range(count)
    ]


def scores(number, values, metric="string_match"):
    return [
        {
            "run": number,
            "number": i,
            "metric": metric,
            "value": float("nan") if value is None else float(value),
            "reason": "no answer" if value is None else None,
        }
        for i, value in enumerate(values)
    ]


def timed(number, metric, values, session=5, process=0, unit="s", position=None, reason=None, detail=None):
    return [
        {
            "run": number,
            "session": session,
            "position": position,
            "process": process,
            "sample": i,
            "meter": "latency",
            "metric": metric,
            "value": value,
            "unit": unit,
            "source": "perf_counter_ns",
            "reason": reason,
            "detail": detail,
        }
        for i, value in enumerate(values)
    ]


def untimed(number, metric, value, unit="B", reason=None):
    (row,) = timed(number, metric, [value], None, None, unit, reason=reason)
    return [row | {"sample": None, "source": "VmHWM"}]


def study(runs, samples=(), scores=(), readings=(), measure=QUICK, **more):
    whole = dict.fromkeys(["session", "position", "process", "sample"], "Int64")
    columns = ["run", *whole, "meter", "metric", "value", "unit", "source", "reason", "detail"]
    return StudyView(
        title="harness run +method=xkv task=ruler",
        runs=tuple(runs),
        samples=pd.DataFrame(
            [one | one["observed"] for one in samples],
            columns=["run", "number", "stratum", "cluster", "prompt_hash", *BYTES],
        ).astype(dict.fromkeys(BYTES, "float64")),
        scores=pd.DataFrame(list(scores), columns=["run", "number", "metric", "value", "reason"]).astype(
            {"value": "float64"}
        ),
        readings=pd.DataFrame(list(readings), columns=columns).astype({**whole, "value": "float64"}),
        measures={5: measure, 6: measure},
        **{"defaults": DEFAULTS} | more,
    )


def usual(measure=QUICK, processes=1):
    """The full cache, xkv at two ratios, knorm and its control; knorm loses clearly, xkv hardly differs."""
    perfect = [1] * 22 + [0, 1]
    runs = [
        run(1),
        run(2, "xkv"),
        run(3, "xkv", knobs={"compression_ratio": 0.5}),
        run(4, "knorm"),
        run(5, "random_eviction", role="control"),
    ]
    answers = {
        1: perfect,
        2: [1] * 20 + [0, 1, 0, 1],
        3: perfect,
        4: [1] * 8 + [0] * 16,
        5: [0] * 24,
    }
    resident = {1: 1000, 2: 252, 3: 499, 4: 500, 5: 500}
    paces = {1: 1.0, 2: 1.35, 3: 1.31, 4: 1.01, 5: 1.0}
    readings = []
    for number, pace in paces.items():
        for process in range(processes):
            drift = 1 + 0.01 * process
            readings += timed(number, "ttft_s", [pace * drift * (1.05 + 0.01 * i) for i in range(5)], process=process)
            readings += timed(number, "tpot_s", [pace * (0.074 + 0.001 * i) for i in range(5)], process=process)
            readings += timed(number, "energy_j", [float("nan")], process=process, unit="J", reason="no counter here")
            readings += timed(number, "load_average", [0.5], process=process, unit="1")
        readings += untimed(number, "peak_rss_bytes", 1.3 * 2**30)
        readings += untimed(number, "cache_bytes", resident[number] * 2.0**15)
        readings += untimed(number, "flops", 155.8e9 * pace, unit="FLOP")
    return study(
        runs,
        [row for number in answers for row in samples(number, resident=resident[number])],
        [row for number, values in answers.items() for row in scores(number, values)],
        readings,
        measure,
    )


@pytest.fixture
def make():
    """The makers above."""
    return SimpleNamespace(
        run=run,
        samples=samples,
        scores=scores,
        timed=timed,
        untimed=untimed,
        study=study,
        usual=usual,
        QUICK=QUICK,
        STANDARD=STANDARD,
    )
