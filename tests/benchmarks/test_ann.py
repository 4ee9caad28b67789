"""What the harness adds to a query of some ten microseconds, on one index in one process: `make bench` prints it.

Theirs is ann-benchmarks' loop: its clock around its wrapper's `query`. Bare is the library called in a loop, and one
clock around the whole.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import pytest

from harness.engine.arm import RunArm
from harness.engine.worker import build_stack
from harness.plugin.contracts import Preparation
from harness.plugin.discovery import load
from harness_plugins.subjects.vector_collection.files import Named
from harness_plugins.subjects.vector_collection.subject import LoadedVectorCollection

K, QUERIES, ROUNDS = 10, 1000, 31


@pytest.fixture
def arm_and_request(tmp_path):
    from harness.api import file_digest

    rows = np.random.default_rng(0).standard_normal((2000 + QUERIES, 8)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", train=rows[:2000], test=rows[2000:])
    vectors = Named(str(tmp_path / "rows.npz"), file_digest(tmp_path / "rows.npz"), "euclidean").plain()
    subject = LoadedVectorCollection(1)
    stack = build_stack(load(), [{"name": "hnsw", "knobs": {"m": 8, "ef": 10}}])
    (tmp_path / "built").mkdir()
    stack.methods[0].prepare(Preparation(subject, 0, tmp_path / "built", {}, {"vectors": vectors}))
    arm = RunArm(1, stack, lambda *event, **facts: None, [tmp_path / "built"])
    return arm, subject, {"vectors": vectors, "queries": list(range(QUERIES)), "k": K, "one_by_one": True}


def test_a_query_against_ann_benchmarks_loop(benchmark, arm_and_request):
    faiss = pytest.importorskip("faiss")
    arm, subject, request = arm_and_request
    index = faiss.read_index(str(arm.artifacts[0] / "index"))
    index.hnsw.efSearch = 10
    queries = subject.collection(request["vectors"]).queries

    def query(v, n):  # of its faiss wrapper
        _, found = index.search(np.expand_dims(v, axis=0).astype(np.float32), n)
        return found[0]

    def single_query(v):  # of its runner
        start = time.time()
        query(v, K)
        return time.time() - start

    def theirs():
        return sum(single_query(v) for v in queries) / QUERIES

    def bare():
        rows = [queries[at : at + 1] for at in range(QUERIES)]
        started = time.perf_counter()
        for row in rows:
            index.search(row, K)
        return (time.perf_counter() - started) / QUERIES

    def ours():
        with arm.applied(subject):
            subject.respond(request, frozenset())
        return statistics.fmean(subject._alone_ns) / 1e9

    taken = {ours: [], theirs: [], bare: []}

    def rounds():
        for which, times in taken.items():
            times.append(which())

    benchmark.pedantic(rounds, rounds=ROUNDS, warmup_rounds=2)
    mine, their, plain = (statistics.median(taken[which]) for which in (ours, theirs, bare))
    benchmark.extra_info["ratio"] = round(mine / their, 3)
    print(f"\na query: {mine * 1e6:.2f} µs; / ann-benchmarks' loop: {mine / their:.3f} (aim: at most 1.03)")
    print(f"/ the library in a bare loop: {mine / plain:.3f} (aim: at most 1.03)")
